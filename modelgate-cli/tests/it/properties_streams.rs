//! Case 68 and promise R12 over every recorded stream: split at every byte and cut at every byte.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::client::Refusal;
use crate::conformance_streams_dialects::stream_head;
use crate::gate::{Key, TestGate};
use crate::properties::{Action, Case, Seen, ask_all, play};
use crate::recordings::{self, Recording};

type Recordings = Arc<Vec<Recording>>;

/// A gate whose upstream plays the recordings as the prompts say.
async fn playing(recordings: &Recordings) -> (TestGate, Key) {
    let gate = TestGate::with().env("MG_LOG_LEVEL", "error").start().await;
    let key = gate.with_scripted_kinds().await;
    let recordings = Arc::clone(recordings);
    play(&gate, move |case| {
        let recording = &recordings[case.subject];
        case.action
            .on(stream_head(recording.kind), &recording.wire, case.at)
    });
    (gate, key)
}

async fn replay(gate: &TestGate, key: &Key, recordings: &Recordings, cases: &[Case]) -> Vec<Seen> {
    let ask = |case: Case| request_for(&recordings[case.subject], case);
    let seen = ask_all(gate, key, cases, ask).await.into_iter();
    let kinds = cases.iter().map(|case| recordings[case.subject].kind);
    seen.zip(kinds)
        .map(|(seen, kind)| without_own_ids(seen, kind))
        .collect()
}

fn request_for(recording: &Recording, case: Case) -> (&'static str, Value) {
    let mut body = json!({"model": recording.kind, "stream": true});
    if recording.asks_usage {
        body["stream_options"] = json!({"include_usage": true});
    }
    if recording.is_legacy {
        body["prompt"] = case.prompt().into();
        return ("/v1/completions", body);
    }
    body["messages"] = json!([{"role": "user", "content": case.prompt()}]);
    ("/v1/chat/completions", body)
}

/// Ids and times that the gateway makes itself are never twice the same.
fn without_own_ids(seen: Seen, kind: &str) -> Seen {
    if kind != "ollama" {
        return seen;
    }
    let lines = seen
        .body
        .split('\n')
        .map(|line| match line.strip_prefix("data: {") {
            Some(rest) => format!("data: {}", masked(&format!("{{{rest}"))),
            None => line.to_owned(),
        });
    let body = lines.collect::<Vec<_>>().join("\n");
    Seen { body, ..seen }
}

fn masked(chunk: &str) -> String {
    let mut chunk: Value = serde_json::from_str(chunk).expect("a chunk");
    if chunk.get("error").is_some() {
        return chunk.to_string();
    }
    for name in ["id", "created"] {
        assert!(!chunk[name].is_null(), "{chunk}");
        chunk[name] = "masked".into();
    }
    let calls = chunk.pointer_mut("/choices/0/delta/tool_calls");
    for call in calls.and_then(Value::as_array_mut).into_iter().flatten() {
        if call["id"] != "call_ab12cd34" {
            call["id"] = "masked".into();
        }
    }
    chunk.to_string()
}

/// The answers to whole recordings, which are what they should be.
async fn whole_answers(gate: &TestGate, key: &Key, recordings: &Recordings) -> Vec<Seen> {
    let subjects = 0..recordings.len();
    let case = |subject| Case {
        subject,
        action: Action::Whole,
        at: 0,
    };
    let cases: Vec<Case> = subjects.map(case).collect();
    let answers = replay(gate, key, recordings, &cases).await;
    for (recording, seen) in recordings.iter().zip(&answers) {
        let shown = format!("{} {}: {seen:?}", recording.kind, recording.name);
        if recording.succeeds() {
            assert!(looks_complete(seen), "{shown}");
        } else {
            check_failed(seen, None, &shown);
        }
    }
    answers
}

fn each_place(recordings: &Recordings, action: Action) -> Vec<Case> {
    let places = recordings
        .iter()
        .enumerate()
        .flat_map(|(subject, recording)| {
            // A split leaves something on both sides; a cut may be before and behind everything.
            let length = recording.wire.len();
            let places = if action == Action::Split {
                1..length
            } else {
                0..length + 1
            };
            places.map(move |at| Case {
                subject,
                action,
                at,
            })
        });
    places.collect()
}

#[tokio::test]
async fn case_68_a_split_at_any_byte_changes_nothing() {
    let recordings: Recordings = Arc::new(recordings::all());
    let (gate, key) = playing(&recordings).await;
    let whole = whole_answers(&gate, &key, &recordings).await;
    let cases = each_place(&recordings, Action::Split);
    let seen = replay(&gate, &key, &recordings, &cases).await;
    for (case, seen) in cases.iter().zip(seen) {
        let recording = &recordings[case.subject];
        let shown = format!("{} {} split at {}", recording.kind, recording.name, case.at);
        assert_eq!(seen, whole[case.subject], "{shown}");
    }
}

#[tokio::test]
async fn r12_a_stream_broken_at_any_byte_never_looks_complete() {
    check_every_cut(Action::Cut, Recording::done_at).await;
}

#[tokio::test]
async fn r12_a_stream_ended_early_at_any_byte_never_looks_complete() {
    check_every_cut(Action::End, |recording| Some(recording.finished_at())).await;
}

/// `complete_from` says how many bytes make a complete answer of a recording that is one.
async fn check_every_cut(action: Action, complete_from: impl Fn(&Recording) -> Option<usize>) {
    let recordings: Recordings = Arc::new(recordings::all());
    let (gate, key) = playing(&recordings).await;
    let whole = whole_answers(&gate, &key, &recordings).await;
    let cases = each_place(&recordings, action);
    let seen = replay(&gate, &key, &recordings, &cases).await;
    for (case, seen) in cases.iter().zip(seen) {
        let recording = &recordings[case.subject];
        let shown = format!(
            "{} {} {action:?} at {}: {seen:?}",
            recording.kind, recording.name, case.at
        );
        let from = if recording.succeeds() {
            complete_from(recording)
        } else {
            None
        };
        let may_be_complete = from.is_some_and(|from| case.at >= from);
        let is_complete = looks_complete(&seen);
        assert!(
            !is_complete || may_be_complete,
            "complete too early: {shown}"
        );
        // A line without its end may be taken or not when the connection breaks behind it.
        let is_certain = action == Action::End || recording.wire.ends_with(b"\n");
        if case.at == recording.wire.len() && is_certain {
            assert_eq!(is_complete, may_be_complete, "{shown}");
        }
        if !is_complete {
            check_failed(&seen, Some(&whole[case.subject]), &shown);
        }
    }
}

fn looks_complete(seen: &Seen) -> bool {
    seen.status == 200 && seen.body.ends_with("\n\ndata: [DONE]\n\n")
}

/// Either an error status, or a stream that ends with its only error event; what came before is the start of the whole.
fn check_failed(seen: &Seen, whole: Option<&Seen>, shown: &str) {
    assert!(!seen.body.contains("[DONE]"), "{shown}");
    if seen.status != 200 {
        assert!((500..600).contains(&seen.status), "{shown}");
        Refusal::read(&serde_json::from_str(&seen.body).expect("an error object"));
        return;
    }
    let (before, failure) = seen.body.rsplit_once("data: ").expect("an event");
    let failure = serde_json::from_str(failure);
    Refusal::read(&failure.unwrap_or_else(|error| panic!("{error}: {shown}")));
    assert!(
        !before.contains("data: {\"error\":"),
        "only one error event: {shown}"
    );
    assert!(
        whole.is_none_or(|whole| whole.body.starts_with(before)),
        "{shown}"
    );
}
