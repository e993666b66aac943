//! Tokens: reserved before, settled after, refused when they are used up.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{ADMIN_KEY, Key, TestGate, chat_body};
use crate::upstream::{Latch, Script, openai_chat, openai_stream, usage};
use crate::wait;

async fn with_quota(quota: u64) -> (TestGate, Key) {
    let gate = TestGate::start().await;
    gate.with_all_kinds().await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": quota, "rate_limit": null}))
        .await;
    (gate, key)
}

fn limited_to(kind: &str, max_tokens: u64) -> Value {
    let mut body = chat_body(kind, "hi");
    body["max_tokens"] = max_tokens.into();
    body
}

async fn shown(gate: &TestGate, key: &Key) -> Value {
    gate.admin(&format!("/admin/keys/{}", key.id)).await
}

async fn used(gate: &TestGate, key: &Key) -> u64 {
    gate.rows().await;
    let shown = shown(gate, key).await;
    assert_eq!(shown["quota_reserved"], 0, "{shown}");
    shown["quota_used"].as_u64().expect("a count")
}

fn assert_used_up(answer: &Answer) {
    let refusal = answer.refused(429, "insufficient_quota");
    assert_eq!(refusal.kind, "insufficient_quota");
    assert_eq!(
        answer.header("retry-after"),
        None,
        "it does not help to wait"
    );
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert!(
        answer.header("x-ratelimit-limit-tokens").is_some(),
        "{}",
        answer.describe()
    );
}

#[tokio::test]
async fn a_key_that_spent_its_quota_is_refused() {
    let (gate, key) = with_quota(200).await;
    gate.upstream.answers(openai_chat("hello", usage(40, 20)));
    gate.chat_call(&key, &limited_to("vllm", 20))
        .send()
        .await
        .expect_status(200);
    assert_eq!(used(&gate, &key).await, 60);
    assert_used_up(&gate.chat_call(&key, &limited_to("vllm", 160)).send().await);
    assert_eq!(gate.upstream.calls().len(), 1);
    assert_eq!(used(&gate, &key).await, 60);
    gate.upstream.answers(openai_chat("x", usage(1, 1)));
    gate.chat_call(&key, &limited_to("vllm", 1))
        .send()
        .await
        .expect_status(200);
    assert_eq!(used(&gate, &key).await, 62);
}

#[tokio::test]
async fn real_use_is_charged_even_above_the_quota() {
    let (gate, key) = with_quota(100).await;
    gate.upstream.answers(openai_chat("hello", usage(70, 50)));
    gate.chat_call(&key, &limited_to("vllm", 50))
        .send()
        .await
        .expect_status(200);
    assert_eq!(used(&gate, &key).await, 120);
    assert_used_up(&gate.chat_call(&key, &limited_to("vllm", 1)).send().await);
    let answer = gate
        .get("/v1/key")
        .bearer(&key)
        .send()
        .await
        .expect_status(200);
    assert_eq!(answer.header("x-ratelimit-remaining-tokens"), Some("0"));
}

#[tokio::test]
async fn the_reservation_is_seen_while_a_request_runs_and_gone_after() {
    let (gate, key) = with_quota(1_000).await;
    for stream in [false, true] {
        let latch = Latch::new();
        gate.upstream.queue(if stream {
            openai_stream(&["hello"], usage(5, 2)).held_back(&latch)
        } else {
            openai_chat("hello", usage(5, 2)).held_back(&latch)
        });
        let before = gate.upstream.calls().len();
        let mut body = limited_to("vllm", 500);
        body["stream"] = stream.into();
        let running = gate.chat_call(&key, &body).send();
        let watched = async {
            gate.upstream.wait_for_calls(before + 1).await;
            let held = shown(&gate, &key).await["quota_reserved"].clone();
            assert!(
                held.as_u64() > Some(500) && held.as_u64() < Some(700),
                "{held}"
            );
            let second = gate.chat_call(&key, &limited_to("vllm", 500)).send().await;
            let refusal = second.refused(429, "rate_limit_exceeded");
            assert!(!refusal.message.is_empty());
            assert_eq!(
                second.header("retry-after"),
                Some("1"),
                "{}",
                second.describe()
            );
            latch.open();
        };
        let (answer, ()) = tokio::join!(running, watched);
        answer.expect_status(200);
    }
    assert_eq!(used(&gate, &key).await, 14);
    assert_eq!(gate.upstream.calls().len(), 2);
}

#[tokio::test]
async fn a_failed_request_gives_its_reservation_back() {
    let (gate, key) = with_quota(1_000).await;
    for script in [
        crate::upstream::json(500, "{}"),
        crate::upstream::json(400, "{}"),
        Script::hang_up(),
    ] {
        gate.upstream.answers(script);
        let answer = gate.chat_call(&key, &limited_to("vllm", 500)).send().await;
        assert!(answer.status >= 400, "{}", answer.describe());
        let row = gate.row_of(answer.request_id()).await;
        assert_eq!(row["completion_tokens"], 0, "{row}");
    }
    assert!(used(&gate, &key).await < 200);
}

#[tokio::test]
async fn an_output_limit_is_given_to_the_backend_when_the_client_has_none() {
    let (gate, key) = with_quota(5_000).await;
    for (kind, name) in [
        ("openai", "max_completion_tokens"),
        ("vllm", "max_tokens"),
        ("llamacpp", "max_tokens"),
        ("api3", "max_tokens"),
        ("ollama", "num_predict"),
    ] {
        gate.chat_call(&key, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
        let got = gate.upstream.calls().pop().expect("a call").json();
        let place = if kind == "ollama" {
            &got["options"]
        } else {
            &got
        };
        let limit = place[name].as_u64();
        assert!(limit > Some(4_000) && limit < Some(5_000), "{kind}: {got}");
        let others = ["max_tokens", "max_completion_tokens", "num_predict"];
        let others = others
            .iter()
            .filter(|other| **other != name && !got[**other].is_null());
        assert_eq!(others.count(), 0, "{kind}: {got}");
    }
    assert_eq!(used(&gate, &key).await, 35);
}

#[tokio::test]
async fn an_injected_limit_never_exceeds_the_most_output_and_the_context() {
    let gate = TestGate::with()
        .env("MG_QUOTA_MAX_OUTPUT", "300")
        .start()
        .await;
    gate.add_model(gate.model_form("m", "vllm")).await;
    let mut small = gate.model_form("small", "vllm");
    small["context_length"] = 200.into();
    gate.add_model(small).await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": 100_000, "rate_limit": null}))
        .await;
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(gate.upstream.calls()[0].json()["max_tokens"], 300);
    gate.chat_call(&key, &chat_body("small", "hi"))
        .send()
        .await
        .expect_status(200);
    let limit = gate.upstream.calls()[1].json()["max_tokens"].as_u64();
    assert!(limit > Some(0) && limit < Some(200), "{limit:?}");
}

#[tokio::test]
async fn a_key_without_a_quota_and_a_client_with_a_limit_get_nothing_injected() {
    let (gate, key) = with_quota(5_000).await;
    let free = gate.free_key("free").await;
    for kind in ["openai", "vllm", "llamacpp", "api3"] {
        gate.chat_call(&free, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
        let got = gate.upstream.calls().pop().expect("a call").body_text();
        assert_eq!(got, chat_body("upstream-model", "hi").to_string(), "{kind}");
        gate.chat_call(&key, &limited_to(kind, 77))
            .send()
            .await
            .expect_status(200);
        let got = gate.upstream.calls().pop().expect("a call").body_text();
        assert_eq!(got, limited_to("upstream-model", 77).to_string(), "{kind}");
        let completion = json!({"model": kind, "prompt": "hi"});
        gate.post("/v1/completions")
            .bearer(&key)
            .json(&completion)
            .send()
            .await
            .expect_status(200);
        let got = gate.upstream.calls().pop().expect("a call").json();
        assert!(
            got.get("max_tokens").is_none(),
            "legacy completions keep the backend's default: {got}"
        );
    }
}

#[tokio::test]
async fn the_bytes_mode_reserves_more_and_the_window_mode_all() {
    for (mode, fits, too_much) in [
        ("estimate", 1_000, 5_000),
        ("bytes", 300, 1_000),
        ("window", 300, 1_001),
    ] {
        let gate = TestGate::with().env("MG_QUOTA_MODE", mode).start().await;
        let mut form = gate.model_form("m", "vllm");
        form["context_length"] = json!(if mode == "window" { 4_096 } else { 100_000 });
        gate.add_model(form).await;
        let quota = if mode == "window" { 4_400 } else { 2_000 };
        let key = gate
            .issue_key(json!({"name": "k", "quota": quota, "rate_limit": null}))
            .await;
        let body = |length: usize| {
            let mut body = chat_body("m", &"x".repeat(length));
            body["max_tokens"] = if mode == "window" { length } else { 500 }.into();
            body
        };
        gate.chat_call(&key, &body(fits))
            .send()
            .await
            .expect_status(200);
        let longer = if mode == "window" {
            too_much
        } else {
            too_much + 500
        };
        let answer = gate.chat_call(&key, &body(longer)).send().await;
        assert_used_up(&answer);
    }
}

#[tokio::test]
async fn a_higher_quota_and_none_hold_at_once() {
    let (gate, key) = with_quota(50).await;
    assert_used_up(&gate.chat_call(&key, &limited_to("vllm", 100)).send().await);
    for quota in [json!(10_000), json!(null)] {
        let call = gate
            .put(&format!("/admin/keys/{}", key.id))
            .bearer(ADMIN_KEY);
        call.json(&json!({"quota": quota}))
            .send()
            .await
            .expect_status(200);
        let answer = gate
            .chat_call(&key, &limited_to("vllm", 100))
            .send()
            .await
            .expect_status(200);
        let told = answer.header("x-ratelimit-limit-tokens").map(str::to_owned);
        assert_eq!(told, quota.as_u64().map(|quota| quota.to_string()));
    }
}

#[tokio::test]
async fn use_and_quota_survive_a_restart_and_a_kill() {
    let mut gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": 1_000, "rate_limit": null}))
        .await;
    gate.chat(&key, "hi").await.expect_status(200);
    gate.restart().await;
    assert_eq!(used(&gate, &key).await, 7);
    gate.chat(&key, "hi").await.expect_status(200);
    gate.kill9().await;
    gate.restart().await;
    assert_eq!(used(&gate, &key).await, 14);
    let mut streamed = chat_body("m", "hi");
    streamed["stream"] = true.into();
    gate.upstream.answers(
        openai_stream(&["hel", "lo"], usage(5, 2))
            .truncated_to(400)
            .then_stall(),
    );
    streamed["max_tokens"] = 100.into();
    let mut stream = gate.chat_call(&key, &streamed).stream().await;
    stream.next().await.expect("an event");
    gate.kill9().await;
    gate.restart().await;
    let rows = gate.rows().await;
    assert_eq!(
        rows.last().expect("a row")["state"],
        "recovered",
        "{rows:#?}"
    );
    let sum: u64 = rows
        .iter()
        .filter_map(|row| row["total_tokens"].as_u64())
        .sum();
    assert_eq!(used(&gate, &key).await, sum);
    wait::bounded("a working gate", gate.get("/v1/key").bearer(&key).send())
        .await
        .expect_status(200);
}
