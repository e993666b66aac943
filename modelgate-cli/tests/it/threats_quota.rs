//! Threat S23: every way to get tokens that are not paid for is refused, or charged as it should be.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{openai_chat, openai_stream};

pub(crate) const QUOTA: u64 = 100_000;

/// A gate with a model of each kind and a key with that quota.
pub(crate) async fn with_quota(quota: u64) -> (TestGate, Key) {
    let gate = TestGate::start().await;
    gate.with_all_kinds().await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": quota, "rate_limit": null}))
        .await;
    (gate, key)
}

pub(crate) async fn send(gate: &TestGate, key: &Key, path: &str, body: &str) -> Answer {
    let call = gate.post(path).bearer(key);
    call.json_text(body.to_owned()).send().await
}

/// What the key has used, after checking that it is the sum of its rows and that nothing is held any more (R3).
pub(crate) async fn used(gate: &TestGate, key: &Key) -> u64 {
    let rows = gate.rows().await;
    let shown = gate.admin(&format!("/admin/keys/{}", key.id)).await;
    let of_key = rows.iter().filter(|row| row["key_id"] == key.id);
    let sum: u64 = of_key
        .map(|row| row["total_tokens"].as_u64().expect("a count"))
        .sum();
    assert_eq!(shown["quota_used"], sum, "{shown} {rows:#?}");
    assert_eq!(shown["quota_reserved"], 0, "{shown}");
    sum
}

/// A chat body with members of exact text.
pub(crate) fn chat(kind: &str, members: &str) -> String {
    format!(
        "{{\"model\":\"{kind}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}],{members}}}"
    )
}

fn completion(kind: &str, members: &str) -> String {
    format!("{{\"model\":\"{kind}\",\"prompt\":\"hi\",{members}}}")
}

#[tokio::test]
async fn s23_numbers_that_make_no_sense_are_refused_by_name() {
    let (gate, key) = with_quota(QUOTA).await;
    let nonsense = [
        "-1",
        "-0.5",
        "1.5",
        "1e400",
        "-1e400",
        "\"5\"",
        "[5]",
        "{}",
        "true",
        "99999999999999999999999",
    ];
    for kind in ["vllm", "llamacpp", "openai", "api3", "ollama", "echo"] {
        for member in ["max_tokens", "max_completion_tokens", "n"] {
            for value in nonsense {
                let body = chat(kind, &format!("\"{member}\":{value}"));
                let answer = send(&gate, &key, "/v1/chat/completions", &body).await;
                assert_eq!(
                    answer.refused_with(400).param.as_deref(),
                    Some(member),
                    "{body}"
                );
            }
        }
        for (member, value) in [
            ("n", "0"),
            ("n", "129"),
            ("best_of", "21"),
            ("best_of", "-1"),
            ("max_tokens", "-1"),
            ("n", "\"2\""),
        ] {
            let body = completion(kind, &format!("\"{member}\":{value}"));
            let answer = send(&gate, &key, "/v1/completions", &body).await;
            assert_eq!(
                answer.refused_with(400).param.as_deref(),
                Some(member),
                "{body}"
            );
        }
    }
    assert!(gate.upstream.calls().is_empty());
    assert_eq!(used(&gate, &key).await, 0);
}

#[tokio::test]
async fn s23_flags_of_a_wrong_type_are_refused_by_name() {
    let (gate, key) = with_quota(QUOTA).await;
    for (members, param) in [
        ("\"stream\":\"true\"", "stream"),
        ("\"stream\":1", "stream"),
        ("\"stream\":[true]", "stream"),
        ("\"stream\":true,\"stream_options\":[]", "stream_options"),
        ("\"stream\":true,\"stream_options\":\"x\"", "stream_options"),
        (
            "\"stream\":true,\"stream_options\":{\"include_usage\":\"no\"}",
            "stream_options.include_usage",
        ),
        (
            "\"stream\":true,\"stream_options\":{\"include_usage\":0}",
            "stream_options.include_usage",
        ),
    ] {
        for kind in ["vllm", "ollama"] {
            let answer = send(&gate, &key, "/v1/chat/completions", &chat(kind, members)).await;
            assert_eq!(
                answer.refused_with(400).param.as_deref(),
                Some(param),
                "{members}"
            );
        }
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn s23_members_that_count_stand_there_once() {
    let (gate, key) = with_quota(QUOTA).await;
    for (first, second, param) in [
        ("\"max_tokens\":1", "\"max_tokens\":5000", "max_tokens"),
        (
            "\"max_tokens\":1",
            "\"max_\\u0074okens\":5000",
            "max_tokens",
        ),
        (
            "\"max_completion_tokens\":1",
            "\"max_completion_tokens\":1",
            "max_completion_tokens",
        ),
        ("\"n\":1", "\"\\u006e\":50", "n"),
        ("\"stream\":false", "\"stream\":true", "stream"),
        ("\"stream\":null", "\"str\\u0065am\":true", "stream"),
        (
            "\"stream_options\":{\"include_usage\":true}",
            "\"stream_options\":{\"include_usage\":false}",
            "stream_options",
        ),
    ] {
        for kind in ["vllm", "ollama"] {
            let body = chat(kind, &format!("{first},\"x\":1,{second}"));
            let answer = send(&gate, &key, "/v1/chat/completions", &body).await;
            assert_eq!(
                answer.refused_with(400).param.as_deref(),
                Some(param),
                "{body}"
            );
        }
    }
    let twice = chat(
        "vllm",
        "\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_usag\\u0065\":false}",
    );
    send(&gate, &key, "/v1/chat/completions", &twice)
        .await
        .refused_with(400);
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn s23_everything_that_multiplies_or_prolongs_is_reserved() {
    let (gate, key) = with_quota(1_000).await;
    let chat_path = "/v1/chat/completions";
    let prompts = json!(vec!["hi"; 10]).to_string();
    let long = "x".repeat(30_000);
    let table = [
        (chat_path, chat("vllm", "\"max_tokens\":5000")),
        (chat_path, chat("vllm", "\"max_completion_tokens\":5000")),
        (
            chat_path,
            chat("vllm", "\"max_tokens\":1,\"max_completion_tokens\":5000"),
        ),
        (
            chat_path,
            chat("vllm", "\"max_tokens\":5000,\"max_completion_tokens\":1"),
        ),
        (
            chat_path,
            chat("vllm", "\"max_tokens\":null,\"max_completion_tokens\":5000"),
        ),
        (chat_path, chat("ollama", "\"max_completion_tokens\":5000")),
        (chat_path, chat("vllm", "\"max_\\u0074okens\":5000")),
        (chat_path, chat("vllm", "\"max_tokens\":200,\"n\":10")),
        (
            chat_path,
            chat("vllm", "\"max_tokens\":200,\"n\":10,\"stream\":true"),
        ),
        (
            chat_path,
            chat("llamacpp", "\"max_tokens\":1,\"n_predict\":5000"),
        ),
        (
            chat_path,
            chat(
                "vllm",
                &format!(
                    "\"max_tokens\":1,\"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"f\",\"description\":\"{long}\"}}}}]"
                ),
            ),
        ),
        (chat_path, chat_body("vllm", &long).to_string()),
        (
            "/v1/completions",
            completion("vllm", "\"max_tokens\":200,\"best_of\":10"),
        ),
        (
            "/v1/completions",
            completion("vllm", "\"max_tokens\":200,\"n\":2,\"best_of\":10"),
        ),
        (
            "/v1/completions",
            format!("{{\"model\":\"vllm\",\"max_tokens\":200,\"prompt\":{prompts}}}"),
        ),
        (
            "/v1/embeddings",
            json!({"model": "vllm", "input": [long]}).to_string(),
        ),
    ];
    for (path, body) in table {
        let answer = send(&gate, &key, path, &body).await;
        let shown = &body[..body.len().min(200)];
        assert_eq!(answer.status, 429, "{shown} {}", answer.describe());
        answer.refused(429, "insufficient_quota");
    }
    assert!(gate.upstream.calls().is_empty());
    assert_eq!(used(&gate, &key).await, 0);
    send(&gate, &key, chat_path, &chat("vllm", "\"max_tokens\":50"))
        .await
        .expect_status(200);
    assert_eq!(used(&gate, &key).await, 7);
}

#[tokio::test]
async fn s23_usage_that_makes_no_sense_is_neither_a_gift_nor_a_ruin() {
    let (gate, key) = with_quota(QUOTA).await;
    let odd = [
        "-5",
        "-9223372036854775808",
        "1.5",
        "\"7\"",
        "null",
        "[]",
        "1e400",
    ];
    for value in odd {
        let before = used(&gate, &key).await;
        let told = format!(
            "{{\"prompt_tokens\":{value},\"completion_tokens\":{value},\"total_tokens\":{value}}}"
        );
        let told: Value = serde_json::from_str(&told).expect("JSON");
        gate.upstream
            .answers(openai_chat("hello hello hello", told.clone()));
        let body = chat("vllm", "\"max_tokens\":50");
        send(&gate, &key, "/v1/chat/completions", &body)
            .await
            .expect_status(200);
        let after = used(&gate, &key).await;
        assert!(after > before, "{value} is free");
        assert!(after < before + 10_000, "{value} costs {}", after - before);
        gate.upstream.answers(openai_stream(&["hello"], told));
        let body = chat("vllm", "\"max_tokens\":50,\"stream\":true");
        send(&gate, &key, "/v1/chat/completions", &body)
            .await
            .expect_status(200);
        let last = used(&gate, &key).await;
        assert!(
            last > after && last < after + 10_000,
            "{value} in a stream costs {}",
            last - after
        );
    }
}

#[tokio::test]
async fn s23_embeddings_and_completions_are_charged_too() {
    let (gate, key) = with_quota(QUOTA).await;
    let mut expected = 0;
    for kind in ["vllm", "llamacpp", "openai", "api3", "ollama"] {
        send(
            &gate,
            &key,
            "/v1/embeddings",
            &format!("{{\"model\":\"{kind}\",\"input\":\"hi\"}}"),
        )
        .await
        .expect_status(200);
        send(
            &gate,
            &key,
            "/v1/completions",
            &completion(kind, "\"max_tokens\":50"),
        )
        .await
        .expect_status(200);
        send(
            &gate,
            &key,
            "/v1/completions",
            &completion(kind, "\"max_tokens\":50,\"stream\":true"),
        )
        .await
        .expect_status(200);
        expected += 5 + 7 + 7;
    }
    assert_eq!(used(&gate, &key).await, expected);
}

#[tokio::test]
async fn s23_usage_beyond_belief_keeps_the_books_in_order() {
    for value in [
        "9223372036854775807",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        let (gate, key) = with_quota(QUOTA).await;
        let told = format!(
            "{{\"prompt_tokens\":{value},\"completion_tokens\":{value},\"total_tokens\":{value}}}"
        );
        let told: Value = serde_json::from_str(&told).expect("JSON");
        gate.upstream
            .answers(openai_chat("hello hello hello", told));
        let body = chat("vllm", "\"max_tokens\":50");
        send(&gate, &key, "/v1/chat/completions", &body)
            .await
            .expect_status(200);
        let charged = used(&gate, &key).await;
        assert!(charged > 0 && charged < 1 << 53, "{value} costs {charged}");
        let other = gate
            .issue_key(json!({"name": "other", "quota": QUOTA, "rate_limit": null}))
            .await;
        send(&gate, &other, "/v1/chat/completions", &body)
            .await
            .expect_status(200);
        gate.get("/v1/key")
            .bearer(&key)
            .send()
            .await
            .expect_status(200);
    }
}
