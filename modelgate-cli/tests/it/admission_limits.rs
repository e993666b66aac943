//! Requests per minute and burst: promise R10 through the socket, and the headers that tell of them.

use std::time::Duration;

use serde_json::json;

use crate::client::Answer;
use crate::gate::{Key, TestGate, chat_body};
use crate::wait;

async fn limited(gate: &TestGate, rpm: u32) -> Key {
    gate.issue_key(json!({"name": format!("{rpm} rpm"), "quota": null, "rate_limit": rpm}))
        .await
}

fn number(answer: &Answer, name: &str) -> Option<u64> {
    answer
        .header(name)
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// The refusal of a request that came too early.
fn assert_too_early(answer: &Answer) {
    let refusal = answer.refused(429, "rate_limit_exceeded");
    assert_eq!(refusal.kind, "requests", "{}", answer.describe());
    let wait = number(answer, "retry-after").expect("retry-after");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    assert_eq!(number(answer, "x-ratelimit-remaining-requests"), Some(0));
}

#[tokio::test]
async fn r10_as_many_requests_as_allowed_are_admitted_and_counted_down() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let key = limited(&gate, 5).await;
    for left in (0..5).rev() {
        let answer = gate.chat(&key, "hi").await.expect_status(200);
        assert_eq!(number(&answer, "x-ratelimit-limit-requests"), Some(5));
        assert_eq!(
            number(&answer, "x-ratelimit-remaining-requests"),
            Some(left)
        );
        let reset = answer.header("x-ratelimit-reset-requests").expect("a time");
        assert!(
            reset.ends_with('s') && reset.starts_with(|first: char| first.is_ascii_digit()),
            "{reset}"
        );
    }
    for _ in 0..3 {
        assert_too_early(&gate.chat(&key, "hi").await);
    }
    assert_eq!(gate.upstream.calls().len(), 5);
    assert_eq!(gate.rows().await.len(), 5);
}

#[tokio::test]
async fn r10_parallel_requests_are_not_admitted_twice() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let key = limited(&gate, 10).await;
    let body = chat_body("m", "hi");
    let mut admitted = 0;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let call = gate.chat_call(&key, &body);
        running.spawn(async move { call.send().await });
    }
    while let Some(answer) = running.join_next().await {
        let answer = answer.expect("an answer");
        if answer.status == 200 {
            admitted += 1;
        } else {
            assert_too_early(&answer);
        }
    }
    assert_eq!((admitted, gate.upstream.calls().len()), (10, 10));
}

#[tokio::test]
async fn every_route_of_models_counts_and_reading_does_not() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let key = limited(&gate, 3).await;
    for (path, body) in crate::samples::post_routes("m") {
        for free in ["/v1/models", "/v1/models/m", "/v1/key"] {
            let answer = gate.get(free).bearer(&key).send().await;
            assert_eq!(answer.status, 200, "{free}");
        }
        gate.post(path)
            .bearer(&key)
            .json(&body)
            .send()
            .await
            .expect_status(200);
    }
    assert_too_early(&gate.chat(&key, "hi").await);
    let shown = gate
        .get("/v1/key")
        .bearer(&key)
        .send()
        .await
        .expect_status(200);
    assert_eq!(number(&shown, "x-ratelimit-remaining-requests"), Some(0));
}

#[tokio::test]
async fn r10_a_refused_request_costs_nothing() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let form = json!({"name": "k", "quota": 1_000, "rate_limit": 4});
    let key = gate.issue_key(form).await;
    let mut too_much = chat_body("m", "hi");
    too_much["max_tokens"] = 100_000.into();
    for _ in 0..5 {
        let refused = gate.chat_call(&key, &too_much).send().await;
        refused.refused(429, "insufficient_quota");
        gate.chat_call(&key, &chat_body("unknown", "hi"))
            .send()
            .await
            .refused_with(404);
        let call = gate.post("/v1/chat/completions").bearer(&key);
        call.json_text("{").send().await.refused_with(400);
    }
    for left in (0..4).rev() {
        let mut body = chat_body("m", "hi");
        body["max_tokens"] = 5.into();
        let answer = gate.chat_call(&key, &body).send().await.expect_status(200);
        assert_eq!(
            number(&answer, "x-ratelimit-remaining-requests"),
            Some(left)
        );
    }
    assert_too_early(&gate.chat(&key, "hi").await);
    let shown = gate.admin(&format!("/admin/keys/{}", key.id)).await;
    assert_eq!(
        (&shown["quota_used"], &shown["quota_reserved"]),
        (&json!(28), &json!(0))
    );
}

#[tokio::test]
async fn a_burst_is_limited_within_one_second_only() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let form = json!({"name": "k", "quota": null, "rate_limit": 60, "burst": 2});
    let key = gate.issue_key(form).await;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let call = gate.chat_call(&key, &chat_body("m", "hi"));
        running.spawn(async move { call.send().await });
    }
    let answers = running.join_all().await;
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    // Ten requests that take longer than a second altogether may see a second window.
    assert!((2..=4).contains(&admitted), "{admitted} admitted at once");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(429, "rate_limit_exceeded");
        assert_eq!(
            number(answer, "retry-after"),
            Some(1),
            "{}",
            answer.describe()
        );
    }
    let again = async {
        while gate.chat(&key, "hi").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    wait::bounded_within(Duration::from_secs(3), "room after a second", again).await;
}

#[tokio::test]
async fn r10_a_restart_does_not_begin_a_new_window() {
    let mut gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let key = limited(&gate, 3).await;
    gate.chat(&key, "hi").await.expect_status(200);
    gate.chat(&key, "hi").await.expect_status(200);
    gate.rows().await;
    gate.restart().await;
    let answer = gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(number(&answer, "x-ratelimit-remaining-requests"), Some(0));
    assert_too_early(&gate.chat(&key, "hi").await);
    gate.kill9().await;
    gate.restart().await;
    assert_too_early(&gate.chat(&key, "hi").await);
    assert_eq!(gate.upstream.calls().len(), 3);
}

#[tokio::test]
async fn keys_have_windows_of_their_own_and_changes_hold_at_once() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let (one, other) = (limited(&gate, 1).await, limited(&gate, 2).await);
    gate.chat(&one, "hi").await.expect_status(200);
    assert_too_early(&gate.chat(&one, "hi").await);
    gate.chat(&other, "hi").await.expect_status(200);
    let raise = gate
        .put(&format!("/admin/keys/{}", one.id))
        .bearer(crate::gate::ADMIN_KEY);
    raise
        .json(&json!({"rate_limit": 3}))
        .send()
        .await
        .expect_status(200);
    let answer = gate.chat(&one, "hi").await.expect_status(200);
    assert_eq!(number(&answer, "x-ratelimit-limit-requests"), Some(3));
    assert_eq!(number(&answer, "x-ratelimit-remaining-requests"), Some(1));
}

#[tokio::test]
async fn a_limit_of_parallel_requests_frees_its_places() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let form = json!({"name": "k", "quota": null, "rate_limit": null, "max_parallel": 2});
    let key = gate.issue_key(form).await;
    let latch = crate::upstream::Latch::new();
    let texts = crate::upstream::openai_stream(&["hel", "lo"], crate::upstream::usage(5, 2));
    gate.upstream.answers(texts.hold_after(2, &latch));
    let mut first = gate.chat_stream(&key, "hi").await;
    let mut second = gate.chat_stream(&key, "hi").await;
    assert_eq!((first.status, second.status), (200, 200));
    let third = gate.chat(&key, "hi").await;
    third.refused(429, "rate_limit_exceeded");
    assert!(number(&third, "retry-after").is_some_and(|wait| (1..=60).contains(&wait)));
    assert_eq!(gate.upstream.calls().len(), 2);
    first.next().await.expect("an event");
    drop(first);
    latch.open();
    second.collect().await;
    gate.upstream.answers(crate::upstream::openai_chat(
        "hello",
        crate::upstream::usage(5, 2),
    ));
    let free = async {
        while gate.chat(&key, "hi").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    wait::bounded_within(Duration::from_secs(2), "a free place", free).await;
}
