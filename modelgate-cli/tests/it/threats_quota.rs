//! Threat S23: every way to get tokens that are not paid for is refused, or charged as it should be.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{self, Latch, openai_chat, openai_chunk, openai_stream, sse};

const QUOTA: u64 = 100_000;

/// A gate with a model of each kind and a key with that quota.
async fn with_quota(quota: u64) -> (TestGate, Key) {
    let gate = TestGate::start().await;
    gate.with_all_kinds().await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": quota, "rate_limit": null}))
        .await;
    (gate, key)
}

async fn send(gate: &TestGate, key: &Key, path: &str, body: &str) -> Answer {
    let call = gate.post(path).bearer(key);
    call.json_text(body.to_owned()).send().await
}

/// What the key has used, after checking that it is the sum of its rows and that nothing is held any more (R3).
async fn used(gate: &TestGate, key: &Key) -> u64 {
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
fn chat(kind: &str, members: &str) -> String {
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
async fn s23_a_stream_is_charged_whether_the_client_wants_to_see_usage_or_not() {
    let (gate, key) = with_quota(QUOTA).await;
    let mut expected = 0;
    for options in [
        "",
        ",\"stream_options\":{\"include_usage\":false}",
        ",\"stream_options\":null",
        ",\"stream_options\":{}",
        ",\"stream_options\":{\"include_usage\":null}",
        ",\"stream_options\":{\"include_usage\":true}",
    ] {
        for kind in ["vllm", "llamacpp", "openai", "api3", "ollama"] {
            let body = chat(kind, &format!("\"max_tokens\":50,\"stream\":true{options}"));
            let answer = send(&gate, &key, "/v1/chat/completions", &body)
                .await
                .expect_status(200);
            assert_eq!(
                gate.row_of(answer.request_id()).await["source"],
                "upstream",
                "{body}"
            );
            let got = gate.upstream.calls().pop().expect("a call");
            if got.path.starts_with("/v1/") {
                assert_eq!(
                    got.json()["stream_options"]["include_usage"],
                    true,
                    "{}",
                    got.body_text()
                );
            }
            expected += 7;
        }
    }
    assert_eq!(used(&gate, &key).await, expected);
}

#[tokio::test]
async fn s23_a_stream_without_usage_is_charged_by_its_events() {
    let (gate, key) = with_quota(QUOTA).await;
    let words: Vec<String> = (0..40).map(|number| format!("w{number} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    gate.upstream.answers(openai_stream(&words, Value::Null));
    for kind in ["vllm", "api3"] {
        let before = used(&gate, &key).await;
        let body = chat(kind, "\"max_tokens\":50,\"stream\":true");
        let answer = send(&gate, &key, "/v1/chat/completions", &body)
            .await
            .expect_status(200);
        let row = gate.row_of(answer.request_id()).await;
        assert_eq!(
            (&row["source"], &row["completion_tokens"]),
            (&json!("estimated"), &json!(40)),
            "{row}"
        );
        assert!(row["prompt_tokens"].as_u64() > Some(0), "{row}");
        assert!(used(&gate, &key).await > before + 40);
    }
}

#[tokio::test]
async fn s23_thoughts_and_tool_calls_count_as_output() {
    let (gate, key) = with_quota(QUOTA).await;
    let delta = |number: u32| match number % 4 {
        0 => json!({"reasoning_content": "hm"}),
        1 => json!({"reasoning": "hm"}),
        2 => json!({"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}),
        _ => json!({"refusal": "no"}),
    };
    let mut events = vec![openai_chunk(&json!({"role": "assistant"}), None)];
    events.extend((0..20).map(|number| openai_chunk(&delta(number), None)));
    events.push(openai_chunk(&json!({}), Some("stop")));
    events.push("[DONE]".to_owned());
    gate.upstream.answers(sse(&events));
    let body = chat("vllm", "\"max_tokens\":50,\"stream\":true");
    let answer = send(&gate, &key, "/v1/chat/completions", &body)
        .await
        .expect_status(200);
    let row = gate.row_of(answer.request_id()).await;
    assert_eq!(row["completion_tokens"], 20, "{row}");
    used(&gate, &key).await;
}

#[tokio::test]
async fn s23_a_client_that_hangs_up_pays_for_what_it_got() {
    let (gate, key) = with_quota(QUOTA).await;
    for (number, seen) in [1, 5, 20].into_iter().enumerate() {
        let latch = Latch::new();
        let words = vec!["word "; 30];
        gate.upstream
            .answers(openai_stream(&words, upstream::usage(5, 30)).hold_after(seen + 1, &latch));
        let mut body = chat_body("vllm", "hi");
        body["stream"] = true.into();
        body["max_tokens"] = 50.into();
        let mut stream = gate.chat_call(&key, &body).stream().await;
        for _ in 0..=seen {
            stream.next().await.expect("an event");
        }
        let id = stream.header("x-request-id").expect("an id").to_owned();
        let connection = gate.upstream.calls()[number].connection;
        drop(stream);
        gate.upstream.wait_closed(connection).await;
        let row = gate.row_of(&id).await;
        let counted = row["completion_tokens"].as_u64().expect("a count");
        assert!(counted.abs_diff(seen as u64) <= 1, "{seen}: {row}");
        assert_eq!(
            (&row["source"], &row["status"]),
            (&json!("estimated"), &json!(499)),
            "{row}"
        );
        assert!(row["prompt_tokens"].as_u64() > Some(0), "{row}");
    }
    used(&gate, &key).await;
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
        "99999999999999999999999",
        "9223372036854775807",
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
