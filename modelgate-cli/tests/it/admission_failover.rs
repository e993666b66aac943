//! Several targets: which one answers, when the next is asked, and when it no longer can be.

use serde_json::{Value, json};

use crate::client::{content_of, ends_well};
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{
    self, Script, Upstream, ollama_chat, ollama_stream, openai_chat, openai_chunk, openai_stream,
    sse, usage,
};

fn target(kind: &str, url: &str, priority: i64) -> Value {
    json!({"backend_type": kind, "base_url": url, "upstream_name": "upstream-model", "priority": priority})
}

/// Model `m` with two targets: the gate's own upstream first, then another.
async fn with_two(gate: &TestGate, kinds: [&str; 2], second: &Upstream) -> Key {
    let targets = json!([
        target(kinds[1], &second.url(), 5),
        target(kinds[0], &gate.upstream.url(), 1)
    ]);
    gate.add_model(json!({"name": "m", "targets": targets}))
        .await;
    gate.issue_key(json!({"name": "k", "quota": 100_000, "rate_limit": null}))
        .await
}

fn streamed(model: &str) -> Value {
    let mut body = chat_body(model, "hi");
    body["stream"] = true.into();
    body
}

#[tokio::test]
async fn targets_are_asked_by_priority_and_the_first_that_answers_is_the_last_that_is_asked() {
    let gate = TestGate::start().await;
    let others = [Upstream::start().await, Upstream::start().await];
    let targets = json!([
        target("vllm", &others[1].url(), 20),
        target("vllm", &gate.upstream.url(), -3),
        target("vllm", &others[0].url(), 7),
    ]);
    gate.add_model(json!({"name": "m", "targets": targets}))
        .await;
    let key = gate.free_key("k").await;
    gate.chat(&key, "hi").await.expect_status(200);
    let counts = || [&gate.upstream, &others[0], &others[1]].map(|upstream| upstream.calls().len());
    assert_eq!(counts(), [1, 0, 0]);
    gate.upstream.answers(upstream::json(503, "{}"));
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(counts(), [2, 1, 0]);
    others[0].answers(upstream::json(500, "{}"));
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(counts(), [3, 2, 1]);
}

/// What a backend may do before its first event that lets the next one try.
fn failures() -> Vec<(&'static str, Script)> {
    vec![
        ("500", upstream::json(500, r#"{"error":{"message":"x"}}"#)),
        ("502", Script::status(502).piece("<html>")),
        (
            "503",
            upstream::json(
                503,
                r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            ),
        ),
        (
            "429",
            upstream::json(429, r#"{"error":"busy"}"#).header("retry-after", "7"),
        ),
        ("408", upstream::json(408, "{}")),
        ("a close instead of an answer", Script::hang_up()),
        (
            "a reset instead of an answer",
            Script::exact("").then_reset(),
        ),
        (
            "half a head",
            Script::exact("HTTP/1.1 200 OK\r\ncontent-").then_close(),
        ),
        ("no HTTP", Script::exact("hello\r\n").then_close()),
    ]
}

/// What only a stream can do before its first event.
fn failures_of_streams(kind: &str) -> Vec<(&'static str, Script)> {
    if kind == "ollama" {
        return vec![
            (
                "an error as first line",
                upstream::ndjson(&[r#"{"error":"model runner has stopped"}"#]),
            ),
            (
                "an end before the first line",
                upstream::ndjson(&[] as &[&str]),
            ),
        ];
    }
    let error = r#"{"error":{"message":"engine died","type":"InternalServerError","param":null,"code":500}}"#;
    vec![
        ("an error as first event", sse(&[error])),
        (
            "an error as first event and [DONE]",
            sse(&[error, "[DONE]"]),
        ),
        (
            "comments and an error",
            sse::<&str>(&[]).piece(": ping\n\n").event(error),
        ),
        ("an end before the first event", sse::<&str>(&[])),
        (
            "a cut before the first event",
            sse::<&str>(&[]).piece("data: {\"id\"").then_close(),
        ),
    ]
}

#[tokio::test]
async fn before_the_first_byte_the_next_target_is_asked() {
    for kinds in [
        ["vllm", "vllm"],
        ["openai", "llamacpp"],
        ["vllm", "ollama"],
        ["ollama", "api3"],
    ] {
        let gate = TestGate::start().await;
        let second = Upstream::start().await;
        let key = with_two(&gate, kinds, &second).await;
        second.answers(if kinds[1] == "ollama" {
            ollama_chat("from second", 6, 3)
        } else {
            openai_chat("from second", usage(6, 3))
        });
        for (number, (what, script)) in failures().into_iter().enumerate() {
            gate.upstream.answers(script);
            let answer = gate.chat(&key, "hi").await;
            assert_eq!(answer.status, 200, "{kinds:?} {what} {}", answer.describe());
            assert_eq!(
                answer.json()["choices"][0]["message"]["content"],
                "from second",
                "{what}"
            );
            assert_eq!(answer.json()["model"], "m", "{what}");
            let row = gate.row_of(answer.request_id()).await;
            assert_eq!(
                (&row["attempts"], &row["status"]),
                (&json!(2), &json!(200)),
                "{what} {row}"
            );
            assert_eq!(row["backend"], kinds[1], "{what} {row}");
            assert_eq!(row["total_tokens"], 9, "one charge: {what} {row}");
            assert_eq!(
                row["attempt_detail"].as_array().map(Vec::len),
                Some(2),
                "{what} {row}"
            );
            assert_eq!(
                second
                    .calls()
                    .iter()
                    .filter(|call| call.path != "/api/show")
                    .count(),
                number + 1,
                "{what}"
            );
        }
        let shown = gate.admin(&format!("/admin/keys/{}", key.id)).await;
        assert_eq!(shown["quota_used"], 9 * failures().len(), "{shown}");
    }
}

#[tokio::test]
async fn before_the_first_event_of_a_stream_the_next_target_is_asked() {
    for kinds in [["vllm", "vllm"], ["vllm", "ollama"], ["ollama", "api3"]] {
        let gate = TestGate::start().await;
        let second = Upstream::start().await;
        let key = with_two(&gate, kinds, &second).await;
        second.answers(if kinds[1] == "ollama" {
            ollama_stream(&["from ", "second"], 6, 3)
        } else {
            openai_stream(&["from ", "second"], usage(6, 3))
        });
        for (what, script) in failures().into_iter().chain(failures_of_streams(kinds[0])) {
            gate.upstream.answers(script);
            let mut stream = gate.chat_call(&key, &streamed("m")).stream().await;
            assert_eq!(stream.status, 200, "{kinds:?} {what}");
            let events = stream.collect().await;
            assert!(ends_well(&events), "{kinds:?} {what} {events:?}");
            assert_eq!(content_of(&events), "from second", "{kinds:?} {what}");
            let id = stream.header("x-request-id").expect("an id").to_owned();
            let row = gate.row_of(&id).await;
            assert_eq!(
                (&row["attempts"], &row["total_tokens"]),
                (&json!(2), &json!(9)),
                "{kinds:?} {what} {row}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_connection_leads_to_the_next_target() {
    let gate = TestGate::start().await;
    let closed = upstream::closed_port().await;
    let targets = json!([
        target("vllm", &format!("http://{closed}"), 0),
        target("vllm", &gate.upstream.url(), 1)
    ]);
    gate.add_model(json!({"name": "m", "targets": targets}))
        .await;
    let key = gate.free_key("k").await;
    gate.chat(&key, "hi").await.expect_status(200);
    let events = gate.chat_stream(&key, "hi").await.collect().await;
    assert!(ends_well(&events), "{events:?}");
    assert_eq!(gate.rows().await.len(), 2);
}

#[tokio::test]
async fn after_the_first_event_no_other_target_is_asked() {
    let first = openai_chunk(&json!({"role": "assistant", "content": "hel"}), None);
    let line = r#"{"model":"x","message":{"role":"assistant","content":"hel"},"done":false}"#;
    let error = r#"{"error":{"message":"engine died"}}"#;
    for (kind, script) in [
        ("vllm", sse(&[first.as_str(), error])),
        ("vllm", sse(&[first.as_str()])),
        ("vllm", sse(&[first.as_str()]).then_reset()),
        ("vllm", sse(&[first.as_str(), "{not json"])),
        (
            "ollama",
            upstream::ndjson(&[line, r#"{"error":"stopped"}"#]),
        ),
        ("ollama", upstream::ndjson(&[line])),
    ] {
        let gate = TestGate::start().await;
        let second = Upstream::start().await;
        let key = with_two(&gate, [kind, "vllm"], &second).await;
        gate.upstream.answers(script);
        let mut stream = gate.chat_call(&key, &streamed("m")).stream().await;
        let events = stream.collect().await;
        assert_eq!(
            content_of(&events[..events.len() - 1]),
            "hel",
            "{kind} {events:?}"
        );
        let last = events.last().expect("an error event");
        assert_eq!(
            last.json()["error"]["code"],
            "upstream_error",
            "{kind} {last:?}"
        );
        assert!(second.requests().is_empty(), "{kind}");
        assert_eq!(
            gate.upstream
                .calls()
                .iter()
                .filter(|call| call.path != "/api/show")
                .count(),
            1,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_fault_of_the_client_is_answered_by_the_first_target() {
    for status in [400, 404, 413, 422] {
        let gate = TestGate::start().await;
        let second = Upstream::start().await;
        let key = with_two(&gate, ["vllm", "vllm"], &second).await;
        gate.upstream.answers(upstream::json(status, r#"{"error":{"message":"your fault","type":"BadRequestError","param":"temperature","code":400}}"#));
        let answer = gate.chat(&key, "hi").await;
        let refusal = answer.refused_with(status);
        assert_eq!(refusal.message, "your fault", "{status}");
        assert!(second.requests().is_empty(), "{status}");
        let row = gate.row_of(answer.request_id()).await;
        assert_eq!(
            (&row["attempts"], &row["status"]),
            (&json!(1), &json!(status)),
            "{row}"
        );
    }
}

#[tokio::test]
async fn when_all_targets_fail_the_client_is_told_once_and_not_to_retry() {
    let gate = TestGate::start().await;
    let second = Upstream::start().await;
    let key = with_two(&gate, ["vllm", "vllm"], &second).await;
    gate.upstream.answers(upstream::json(500, "{}"));
    second.answers(Script::hang_up());
    for stream in [false, true] {
        let mut body = chat_body("m", "hi");
        body["stream"] = stream.into();
        let answer = gate.chat_call(&key, &body).send().await;
        answer.refused_with(502);
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        let row = gate.row_of(answer.request_id()).await;
        assert_eq!(
            (&row["attempts"], &row["status"], &row["completion_tokens"]),
            (&json!(2), &json!(502), &json!(0)),
            "{row}"
        );
    }
}

#[tokio::test]
async fn busy_targets_make_a_503_or_429_with_a_time_to_wait() {
    for status in [503, 429] {
        let gate = TestGate::start().await;
        let second = Upstream::start().await;
        let key = with_two(&gate, ["vllm", "vllm"], &second).await;
        let busy = || {
            upstream::json(status, r#"{"error":{"message":"busy"}}"#).header("retry-after", "3600")
        };
        gate.upstream.answers(busy());
        second.answers(busy());
        let answer = gate.chat(&key, "hi").await;
        answer.refused_with(status);
        let wait: u64 = answer
            .header("retry-after")
            .and_then(|text| text.parse().ok())
            .expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn a_target_that_is_back_is_asked_again() {
    let mut gate = TestGate::start().await;
    let second = Upstream::start().await;
    let key = with_two(&gate, ["vllm", "vllm"], &second).await;
    gate.chat(&key, "hi").await.expect_status(200);
    gate.upstream.down().await;
    gate.chat(&key, "hi").await.expect_status(200);
    gate.upstream.up().await;
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!((gate.upstream.calls().len(), second.calls().len()), (2, 1));
}
