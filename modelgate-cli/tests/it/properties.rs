//! Case 68 and promise R12 over every recorded stream: split at every byte and cut at every byte.
//!
//! Each place of each recording is one request through the running program. The prompt says which, so that the upstream
//! needs no other word from the test, and several lanes ask at the same time over connections that stay open.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{RawClient, Refusal, request};
use crate::conformance_streams_dialects::{SCRIPTED, chat_path, stream_body, stream_head, whole};
use crate::gate::{Key, TestGate};
use crate::recordings::{self, Recording};
use crate::upstream::{Recorded, Script, json as json_answer};

/// How many requests run at the same time: enough for the cores, few enough to leave other tests their share.
const LANES: usize = 6;

/// One request: which recording (or answer), and what is done to it where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    subject: usize,
    action: Action,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// All of it, in one piece.
    Whole,
    /// All of it, in two pieces that are sent one after the other.
    Split,
    /// The connection breaks there.
    Cut,
    /// The body ends there, as bodies end.
    End,
}

/// What the client got.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    status: u16,
    body: String,
}

const ACTIONS: [Action; 4] = [Action::Whole, Action::Split, Action::Cut, Action::End];

impl Case {
    fn prompt(self) -> String {
        format!("{} {} {}", self.subject, self.action as usize, self.at)
    }

    fn of(request: &Recorded) -> Option<Self> {
        let body = request.json();
        let mut words = body["messages"][0]["content"]
            .as_str()?
            .split(' ')
            .map(str::parse);
        let mut next = || words.next()?.ok();
        Some(Self {
            subject: next()?,
            action: ACTIONS[next()?],
            at: next()?,
        })
    }
}

impl Action {
    fn on(self, head: Script, wire: &[u8], at: usize) -> Script {
        let (left, right) = wire.split_at(at);
        match self {
            Self::Whole => head.piece(wire.to_vec()),
            Self::Split => {
                let first = head.piece(left.to_vec()).pause(Duration::from_millis(1));
                first.piece(right.to_vec())
            }
            Self::Cut => head.piece(left.to_vec()).then_close(),
            Self::End => head.piece(left.to_vec()),
        }
    }
}

/// A connection to the program that is used again and again, and opened anew when the program has closed it.
struct Lane {
    gate: std::net::SocketAddr,
    auth: String,
    client: Option<RawClient>,
}

impl Lane {
    fn new(gate: &TestGate, key: &Key) -> Self {
        let auth = format!("Authorization: Bearer {}", key.secret);
        Self {
            gate: gate.address(),
            auth,
            client: None,
        }
    }

    async fn ask(&mut self, body: &Value) -> Seen {
        let lines = [self.auth.as_str(), "Content-Type: application/json"];
        let text = request("POST", "/v1/chat/completions", &lines, &body.to_string());
        loop {
            let was_used = self.client.is_some();
            let mut client = match self.client.take() {
                Some(client) => client,
                None => RawClient::connect(self.gate).await,
            };
            if client.try_send(&text).await
                && let Some(answer) = client.try_answer().await
            {
                self.client = (answer.header("connection") != Some("close")).then_some(client);
                return Seen {
                    status: answer.status,
                    body: answer.text().to_owned(),
                };
            }
            assert!(
                was_used,
                "a fresh connection was closed without an answer: {body}"
            );
        }
    }
}

/// Asks for all cases, and gives what came back in the order of the cases.
async fn ask_all(
    gate: &TestGate,
    key: &Key,
    cases: &[Case],
    body: impl Fn(Case) -> Value,
) -> Vec<Seen> {
    let mut lanes = JoinSet::new();
    for number in 0..LANES {
        let numbered = cases.iter().enumerate().skip(number).step_by(LANES);
        let bodies: Vec<(usize, Value)> = numbered.map(|(at, case)| (at, body(*case))).collect();
        let mut lane = Lane::new(gate, key);
        lanes.spawn(async move {
            let mut seen = Vec::with_capacity(bodies.len());
            for (at, body) in bodies {
                seen.push((at, lane.ask(&body).await));
            }
            seen
        });
    }
    let mut all: Vec<(usize, Seen)> = lanes.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, seen)| seen).collect()
}

/// A gate whose upstream plays the recordings as the prompts say.
async fn playing(recordings: &Arc<Vec<Recording>>) -> (TestGate, Key) {
    let gate = TestGate::with().env("MG_LOG_LEVEL", "error").start().await;
    let key = gate.with_scripted_kinds().await;
    let recordings = Arc::clone(recordings);
    gate.upstream.answers_with(move |request| {
        let Some(case) = Case::of(request) else {
            return json_answer(404, "{}");
        };
        let recording = &recordings[case.subject];
        case.action
            .on(stream_head(recording.kind), &recording.wire, case.at)
    });
    (gate, key)
}

async fn replay(gate: &TestGate, key: &Key, recordings: &[Recording], cases: &[Case]) -> Vec<Seen> {
    let body = |case: Case| {
        let recording = &recordings[case.subject];
        let mut body = stream_body(recording.kind);
        body["messages"][0]["content"] = case.prompt().into();
        if recording.asks_usage {
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    };
    let seen = ask_all(gate, key, cases, body).await.into_iter();
    let kinds = cases.iter().map(|case| recordings[case.subject].kind);
    seen.zip(kinds)
        .map(|(seen, kind)| without_own_ids(seen, kind))
        .collect()
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
    let calls = chunk
        .pointer_mut("/choices/0/delta/tool_calls")
        .and_then(Value::as_array_mut);
    for call in calls.into_iter().flatten() {
        if call["id"] != "call_ab12cd34" {
            call["id"] = "masked".into();
        }
    }
    chunk.to_string()
}

/// The answers to whole recordings, which are what they should be.
async fn whole_answers(gate: &TestGate, key: &Key, recordings: &[Recording]) -> Vec<Seen> {
    let cases: Vec<Case> = (0..recordings.len())
        .map(|subject| Case {
            subject,
            action: Action::Whole,
            at: 0,
        })
        .collect();
    let answers = replay(gate, key, recordings, &cases).await;
    for (recording, seen) in recordings.iter().zip(&answers) {
        let shown = format!("{} {}: {seen:?}", recording.kind, recording.name);
        if recording.succeeds() {
            assert!(
                seen.status == 200 && seen.body.ends_with("\n\ndata: [DONE]\n\n"),
                "{shown}"
            );
        } else {
            check_failed(seen, None, &shown);
        }
    }
    answers
}

#[tokio::test]
async fn case_68_a_split_at_any_byte_changes_nothing() {
    let recordings = Arc::new(recordings::all());
    let (gate, key) = playing(&recordings).await;
    let whole = whole_answers(&gate, &key, &recordings).await;
    let cases = each_place(&recordings, Action::Split, 1);
    let seen = replay(&gate, &key, &recordings, &cases).await;
    for (case, seen) in cases.iter().zip(seen) {
        let recording = &recordings[case.subject];
        assert_eq!(
            seen, whole[case.subject],
            "{} {} split at {}",
            recording.kind, recording.name, case.at
        );
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

/// `complete_from` says how many bytes make a complete answer, if any number does.
async fn check_every_cut(action: Action, complete_from: impl Fn(&Recording) -> Option<usize>) {
    let recordings = Arc::new(recordings::all());
    let (gate, key) = playing(&recordings).await;
    let whole = whole_answers(&gate, &key, &recordings).await;
    let cases = each_place(&recordings, action, 0);
    let seen = replay(&gate, &key, &recordings, &cases).await;
    for (case, seen) in cases.iter().zip(seen) {
        let recording = &recordings[case.subject];
        let shown = format!(
            "{} {} {action:?} at {}: {seen:?}",
            recording.kind, recording.name, case.at
        );
        let complete_from = if recording.succeeds() {
            complete_from(recording)
        } else {
            None
        };
        let looks_complete = seen.status == 200 && seen.body.ends_with("data: [DONE]\n\n");
        let may_be_complete = complete_from.is_some_and(|from| case.at >= from);
        assert!(
            !looks_complete || may_be_complete,
            "complete too early: {shown}"
        );
        // A line that was not ended may be taken or not when the connection breaks behind it.
        let is_certain = action == Action::End || recording.wire.ends_with(b"\n");
        if case.at == recording.wire.len() && is_certain {
            assert_eq!(looks_complete, may_be_complete, "{shown}");
        }
        if !looks_complete {
            check_failed(&seen, Some(&whole[case.subject]), &shown);
        }
    }
}

/// Either an error status, or a stream that ends with one error event; what came before is the start of the whole.
fn check_failed(seen: &Seen, whole: Option<&Seen>, shown: &str) {
    assert!(!seen.body.contains("[DONE]"), "{shown}");
    if seen.status != 200 {
        assert!((500..600).contains(&seen.status), "{shown}");
        Refusal::read(&serde_json::from_str(&seen.body).expect("an error object"));
        return;
    }
    let (before, failure) = seen.body.rsplit_once("data: ").expect("an event");
    Refusal::read(
        &serde_json::from_str(failure).unwrap_or_else(|error| panic!("{error}: {shown}")),
    );
    assert!(
        !before.contains("data: {\"error\":"),
        "only one error event: {shown}"
    );
    assert!(
        whole.is_none_or(|whole| whole.body.starts_with(before)),
        "{shown}"
    );
}

fn each_place(recordings: &[Recording], action: Action, from: usize) -> Vec<Case> {
    let places = recordings
        .iter()
        .enumerate()
        .flat_map(|(subject, recording)| {
            // The last place of a split leaves a byte on the right; that of a cut is behind everything.
            let end = recording.wire.len() + 1 - from;
            (from..end).map(move |at| Case {
                subject,
                action,
                at,
            })
        });
    places.collect()
}

#[tokio::test]
async fn r12_a_json_answer_cut_at_any_byte_is_a_502() {
    let gate = TestGate::with().env("MG_LOG_LEVEL", "error").start().await;
    let key = gate.with_scripted_kinds().await;
    let answers: Vec<Vec<u8>> = SCRIPTED
        .iter()
        .map(|kind| whole(kind, "é").body())
        .collect();
    let played = answers.clone();
    gate.upstream.answers_with(move |request| {
        let Some(case) = Case::of(request) else {
            return json_answer(404, "{}");
        };
        assert_eq!(request.path, chat_path(SCRIPTED[case.subject]));
        let head = Script::status(200).header("content-type", "application/json");
        let wire = &played[case.subject];
        match case.action {
            // Less than the length that was promised.
            Action::Cut => head.piece(wire.clone()).cut_after(case.at),
            action => action.on(head.chunked(), wire, case.at),
        }
    });
    let cases: Vec<Case> = [Action::Cut, Action::End]
        .into_iter()
        .flat_map(|action| {
            let subjects = answers.iter().enumerate();
            subjects.flat_map(move |(subject, wire)| {
                (0..=wire.len()).map(move |at| Case {
                    subject,
                    action,
                    at,
                })
            })
        })
        .collect();
    let body = |case: Case| json!({"model": SCRIPTED[case.subject], "messages": [{"role": "user", "content": case.prompt()}]});
    for (case, seen) in cases.iter().zip(ask_all(&gate, &key, &cases, body).await) {
        let is_whole = case.at == answers[case.subject].len();
        assert_eq!(
            seen.status,
            if is_whole { 200 } else { 502 },
            "{case:?} {seen:?}"
        );
    }
}
