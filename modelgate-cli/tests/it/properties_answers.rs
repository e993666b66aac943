//! Promise R12 for whole answers: a JSON document that is cut at any byte is no answer.

use serde_json::json;

use crate::conformance_streams_dialects::{SCRIPTED, whole};
use crate::gate::TestGate;
use crate::properties::{Action, Case, ask_all, play};
use crate::upstream::Script;

#[tokio::test]
async fn r12_a_json_answer_cut_at_any_byte_is_a_502() {
    let gate = TestGate::with().env("MG_LOG_LEVEL", "error").start().await;
    let key = gate.with_scripted_kinds().await;
    let answers = SCRIPTED.map(|kind| whole(kind, "é").body());
    let played = answers.clone();
    play(&gate, move |case| {
        let head = Script::status(200).header("content-type", "application/json");
        let body = &played[case.subject];
        match case.action {
            // Less than the length that was promised.
            Action::Whole => head.piece(body.clone()).cut_after(case.at),
            action => action.on(head.chunked(), body, case.at),
        }
    });
    let ways = [Action::Whole, Action::Cut, Action::End];
    let cases: Vec<Case> = ways
        .into_iter()
        .flat_map(|action| each_place(&answers, action))
        .collect();
    let ask = |case: Case| {
        let message = json!({"role": "user", "content": case.prompt()});
        (
            "/v1/chat/completions",
            json!({"model": SCRIPTED[case.subject], "messages": [message]}),
        )
    };
    for (case, seen) in cases.iter().zip(ask_all(&gate, &key, &cases, ask).await) {
        let is_whole = case.at == answers[case.subject].len();
        // All bytes of the document came, but the end of the body did not.
        let may_be_either = is_whole && case.action == Action::Cut;
        let expected = if is_whole { 200 } else { 502 };
        assert!(
            seen.status == expected || may_be_either && seen.status == 502,
            "{case:?} {seen:?}"
        );
    }
}

fn each_place(answers: &[Vec<u8>], action: Action) -> impl Iterator<Item = Case> {
    let lengths: Vec<usize> = answers.iter().map(Vec::len).collect();
    let subjects = lengths.into_iter().enumerate();
    subjects.flat_map(move |(subject, length)| {
        (0..=length).map(move |at| Case {
            subject,
            action,
            at,
        })
    })
}
