//! Threat S23 in streams: usage that is not told, not shown or never comes.

use serde_json::{Value, json};

use crate::gate::chat_body;
use crate::threats_quota::{QUOTA, chat, send, used, with_quota};
use crate::upstream::{self, Latch, openai_chunk, openai_stream, sse};

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
