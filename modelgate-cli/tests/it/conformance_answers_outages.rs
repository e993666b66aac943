//! Cases 57 to 59 and the timers of promise R15: servers that cannot be reached, break off, or never say a word.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::conformance_streams_dialects::{
    SCRIPTED, failure_of, stream_body, stream_head, streamed, target, text_piece, whole,
};
use crate::gate::{Key, TestGate, chat_body, log_field};
use crate::upstream::{Recorded, Script, Upstream, closed_port};

/// Addresses of servers that never answer a byte, each in its own way.
async fn dead_ends(gate: &TestGate, silent: &[Upstream; 2]) -> Vec<(&'static str, String)> {
    let refused = format!("http://{}", closed_port().await);
    // No resolver takes a label of more than 63 characters, so no network is asked.
    let unknown = format!("http://{}.invalid", "x".repeat(64));
    // The program itself answers a TLS greeting with plain words.
    let no_tls = format!("https://{}", gate.address());
    vec![
        ("refused", refused),
        ("unknown name", unknown),
        ("no TLS", no_tls),
        ("hangs up", silent[0].url()),
        ("resets", silent[1].url()),
    ]
}

async fn silent_servers() -> [Upstream; 2] {
    let servers = [Upstream::start().await, Upstream::start().await];
    servers[0].answers(Script::hang_up());
    servers[1].answers(Script::exact("").then_reset());
    servers
}

/// A model whose first target is a dead end; with a second one that answers, if there is one.
async fn add_model(gate: &TestGate, name: &str, kind: &str, url: &str, second: Option<&Upstream>) {
    let mut targets = vec![target(kind, url, 0)];
    targets.extend(second.map(|second| target(kind, &second.url(), 1)));
    gate.add_model(json!({"name": name, "targets": targets}))
        .await;
}

fn requests(model: &str) -> [Value; 2] {
    [chat_body(model, "hi"), stream_body(model)]
}

#[tokio::test]
async fn case_57_a_server_that_cannot_be_reached_gets_502() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let silent = silent_servers().await;
    for kind in SCRIPTED {
        for (what, url) in dead_ends(&gate, &silent).await {
            let name = format!("{kind} {what}").replace(' ', "-");
            add_model(&gate, &name, kind, &url, None).await;
            for request in requests(&name) {
                check_unreachable(&gate, &key, &request).await;
            }
        }
    }
}

async fn check_unreachable(gate: &TestGate, key: &Key, request: &Value) {
    let answer = gate.chat_call(key, request).send().await;
    let shown = format!("{request} {}", answer.describe());
    answer.refused(502, "upstream_error");
    assert_eq!(answer.header("x-should-retry"), Some("false"), "{shown}");
    assert!(!answer.text().contains("127.0.0.1"), "{shown}");
    let row = gate.row_of(answer.request_id()).await;
    assert_eq!(
        (&row["status"], &row["attempts"], &row["total_tokens"]),
        (&json!(502), &json!(1), &json!(0)),
        "{shown}"
    );
    let line = gate.request_log(answer.request_id()).await;
    assert_eq!(
        (log_field(&line, "status"), log_field(&line, "attempts")),
        (&json!(502), &json!(1)),
        "{shown}"
    );
}

#[tokio::test]
async fn case_57_the_next_server_answers_for_one_that_cannot_be_reached() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let silent = silent_servers().await;
    for kind in SCRIPTED {
        for (what, url) in dead_ends(&gate, &silent).await {
            let name = format!("{kind} {what}").replace(' ', "-");
            add_model(&gate, &name, kind, &url, Some(&gate.upstream)).await;
            gate.plays(kind, whole(kind, "second"));
            let answer = gate.chat_call(&key, &chat_body(&name, "hi")).send().await;
            assert_eq!(
                answer.json()["choices"][0]["message"]["content"],
                "second",
                "{name}"
            );
            check_second_attempt(&gate, answer.request_id()).await;
            gate.plays(kind, streamed(kind, &["second"]));
            let mut stream = gate.stream_of(&key, &name).await;
            stream.until_said("second").await;
            stream.collect().await;
            check_second_attempt(&gate, &stream.request_id()).await;
        }
    }
}

async fn check_second_attempt(gate: &TestGate, request_id: &str) {
    let row = gate.row_of(request_id).await;
    assert_eq!(
        (&row["status"], &row["attempts"], &row["completion_tokens"]),
        (&json!(200), &json!(2), &json!(3)),
        "{row}"
    );
    let line = gate.request_log(request_id).await;
    assert_eq!(log_field(&line, "attempts"), 2, "{line}");
}

#[tokio::test]
async fn case_57_when_every_server_fails_the_last_word_is_502() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let second = Upstream::start().await;
    second.answers(Script::hang_up());
    add_model(
        &gate,
        "m",
        "vllm",
        &format!("http://{}", closed_port().await),
        Some(&second),
    )
    .await;
    for request in requests("m") {
        let answer = gate.chat_call(&key, &request).send().await;
        answer.refused(502, "upstream_error");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(gate.row_of(answer.request_id()).await["attempts"], 2);
    }
}

/// An upstream that, once armed, breaks the first request that comes over a connection used before.
fn break_reused(upstream: &Upstream, kind: &'static str, broken: &Script) -> Arc<Mutex<bool>> {
    let armed = Arc::new(Mutex::new(true));
    let (state, used, broken) = (
        Arc::clone(&armed),
        Mutex::new(HashSet::new()),
        broken.clone(),
    );
    upstream.answers_with(move |request: &Recorded| {
        let is_reused = !used
            .lock()
            .expect("no panic while locked")
            .insert(request.connection);
        if is_reused && std::mem::take(&mut *state.lock().expect("no panic while locked")) {
            return broken.clone();
        }
        if request.json()["stream"] == true {
            streamed(kind, &["hello"])
        } else {
            whole(kind, "hello")
        }
    });
    armed
}

/// Calls until a reused connection was broken; the answers, that one last.
async fn call_until_broken(
    gate: &TestGate,
    key: &Key,
    kind: &str,
    armed: &Mutex<bool>,
) -> Vec<Answer> {
    let mut answers = Vec::new();
    while *armed.lock().expect("no panic while locked") {
        assert!(
            answers.len() < 100,
            "{kind}: no connection is ever used twice"
        );
        // Whole answers and streams by turns.
        let request = &requests(kind)[answers.len() % 2];
        answers.push(gate.chat_call(key, request).send().await);
    }
    answers
}

#[tokio::test]
async fn case_58_a_reused_connection_closed_at_once_is_retried_on_a_fresh_one() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        for broken in [Script::hang_up(), Script::exact("").then_reset()] {
            let before = gate.upstream.chats().len();
            let armed = break_reused(&gate.upstream, kind, &broken);
            let answers = call_until_broken(&gate, &key, kind, &armed).await;
            for answer in &answers {
                assert_eq!(answer.status, 200, "{kind} {}", answer.describe());
                let row = gate.row_of(answer.request_id()).await;
                assert_eq!(
                    (&row["attempts"], &row["completion_tokens"]),
                    (&json!(1), &json!(3)),
                    "{kind}"
                );
            }
            let chats = gate.upstream.chats().split_off(before);
            assert_eq!(
                chats.len(),
                answers.len() + 1,
                "{kind}: one request more than answers"
            );
            let last = &chats[chats.len() - 2..];
            assert_ne!(
                last[0].connection, last[1].connection,
                "{kind}: a fresh connection"
            );
            assert_eq!(last[0].body, last[1].body, "{kind}");
        }
    }
}

#[tokio::test]
async fn case_58_after_the_first_byte_nothing_is_asked_twice() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        for said in ["H", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"] {
            let before = gate.upstream.chats().len();
            let armed = break_reused(&gate.upstream, kind, &Script::exact(said).then_close());
            let answers = call_until_broken(&gate, &key, kind, &armed).await;
            answers
                .last()
                .expect("an answer")
                .refused(502, "upstream_error");
            assert_eq!(
                gate.upstream.chats().len() - before,
                answers.len(),
                "{kind} {said:?}"
            );
        }
    }
}

#[tokio::test]
async fn case_58_a_fresh_connection_that_is_closed_is_a_failure() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    gate.upstream.answers(Script::hang_up());
    gate.chat(&key, "hi").await.refused(502, "upstream_error");
    assert_eq!(gate.upstream.calls().len(), 1);
}

#[tokio::test]
async fn case_59_a_server_that_never_answers_gets_504_and_is_let_go() {
    let settings = TestGate::with()
        .env("MG_TIMEOUT", "300ms")
        .env("MG_TIMEOUTS_FIRST_EVENT", "400ms");
    let gate = settings.start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let head = Script::status(200)
            .header("content-type", "text/event-stream")
            .chunked();
        for script in [Script::stall(), head.then_stall()] {
            gate.plays(kind, script);
            for (request, timer) in requests(kind)
                .into_iter()
                .zip(["(timeout)", "(first_event)"])
            {
                let asked = gate.upstream.chats().len();
                let answer = gate.chat_call(&key, &request).send().await;
                let refusal = answer.refused(504, "upstream_timeout");
                assert!(refusal.message.contains(timer), "{kind} {refusal:?}");
                let connection = gate.upstream.wait_for_chat(asked + 1).await.connection;
                gate.upstream.wait_closed(connection).await;
                let row = gate.row_of(answer.request_id()).await;
                assert_eq!(
                    (&row["status"], &row["error_code"]),
                    (&json!(504), &json!("upstream_timeout")),
                    "{kind}"
                );
            }
        }
    }
}

#[tokio::test]
async fn r15_each_timer_runs_only_where_it_belongs() {
    let settings = TestGate::with()
        .env("MG_TIMEOUT", "400ms")
        .env("MG_TIMEOUTS_IDLE", "400ms");
    let gate = settings.start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        // The first event may take longer than a whole answer and than a pause between events.
        let late = stream_head(kind).pause(Duration::from_millis(900));
        gate.plays(kind, late.piece(streamed(kind, &["late"]).body()));
        let mut stream = gate.stream_of(&key, kind).await;
        assert_eq!(stream.status, 200, "{kind}");
        stream.until_said("late").await;
    }
}

#[tokio::test]
async fn r15_the_cap_of_a_whole_stream_ends_it_by_name() {
    let gate = TestGate::with()
        .env("MG_TIMEOUTS_STREAM", "700ms")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let piece = text_piece(kind, "x");
        let flowing = (0..200).fold(stream_head(kind), |script, _| {
            script.piece(piece.clone()).pause(Duration::from_millis(50))
        });
        gate.plays(kind, flowing.then_stall());
        let mut stream = gate.stream_of(&key, kind).await;
        let events = stream.collect().await;
        let failure = failure_of(&events);
        assert_eq!(failure.code.as_deref(), Some("upstream_timeout"), "{kind}");
        assert!(failure.message.contains("(stream)"), "{kind} {failure:?}");
        assert!(events.len() > 1, "{kind}: some events came before");
        let row = gate.row_of(&stream.request_id()).await;
        assert_eq!(
            (&row["status"], &row["source"]),
            (&json!(504), &json!("estimated")),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn r15_a_whole_answer_may_come_slowly_within_its_time() {
    let gate = TestGate::with()
        .env("MG_TIMEOUTS_FIRST_EVENT", "200ms")
        .env("MG_TIMEOUTS_IDLE", "200ms")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let late = Script::status(200).header("content-type", "application/json");
        let (start, end) = (whole(kind, "slow").body(), " ");
        gate.plays(
            kind,
            late.pause(Duration::from_millis(600))
                .piece(start)
                .pause(Duration::from_millis(600))
                .piece(end),
        );
        gate.chat_call(&key, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
    }
}
