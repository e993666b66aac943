//! Cases 54 to 56 and threat S14: what clients see of a server that says no.

use serde_json::json;

use crate::conformance_streams_dialects::{SCRIPTED, chat_path, refusal, stream_body, whole};
use crate::gate::{Key, TestGate, UPSTREAM_KEY, chat_body};
use crate::samples::PASS_THROUGH;
use crate::upstream::{Script, Upstream, json, openai_chat, usage};

/// The error shapes of OpenAI, old and new vLLM, llama.cpp, `FastAPI`, Google's layer and others, with the same words.
const SHAPES: [&str; 10] = [
    r#"{"error":{"message":"no such thing","type":"invalid_request_error","param":"x","code":"some_code"}}"#,
    r#"{"error":{"message":"no such thing","type":"BadRequestError","param":null,"code":STATUS}}"#,
    r#"{"object":"error","message":"no such thing","type":"BadRequestError","param":null,"code":STATUS}"#,
    r#"{"error":{"code":STATUS,"message":"no such thing","type":"invalid_request_error"}}"#,
    r#"{"error":"no such thing"}"#,
    r#"{"detail":"no such thing"}"#,
    r#"{"detail":[{"loc":["body","temperature"],"msg":"no such thing","type":"value_error"}]}"#,
    r#"{"message":"no such thing"}"#,
    r#"[{"error":{"code":STATUS,"message":"no such thing","status":"INVALID_ARGUMENT"}}]"#,
    "  {\"error\" : {\"message\" : \"no such thing\"}}\n",
];

#[tokio::test]
async fn case_54_every_shape_of_an_error_becomes_the_error_object() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        for (status, expected) in [(400, 400), (404, 404), (409, 409), (422, 422), (500, 502)] {
            for shape in SHAPES {
                let body = shape.replace("STATUS", &status.to_string());
                gate.plays(kind, json(status, &body));
                let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
                let refusal = answer.refused_with(expected);
                assert!(
                    refusal.message.contains("no such thing"),
                    "{kind} {body}: {refusal:?}"
                );
                let class = if expected < 500 {
                    "invalid_request_error"
                } else {
                    "server_error"
                };
                assert_eq!(refusal.kind, class, "{kind} {body}");
            }
        }
    }
    let rows = gate.rows().await;
    assert!(
        rows.iter().all(|row| row["completion_tokens"] == 0),
        "{rows:#?}"
    );
}

#[tokio::test]
async fn case_54_pages_and_empty_bodies_get_words_of_our_own() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx-canary</body></html>";
    for kind in SCRIPTED {
        for (status, expected) in [(400, 400), (404, 404), (500, 502), (502, 502)] {
            for body in [page, "", "{", "null", "nginx-canary"] {
                let script = Script::status(status).header("content-type", "text/html");
                gate.plays(kind, script.piece(body));
                let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
                let refusal = answer.refused_with(expected);
                assert!(
                    !refusal.message.contains('<'),
                    "{kind} {status} {body}: {refusal:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn case_54_known_faults_keep_openai_s_code() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let table = [
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","param":null,"code":400}}"#,
            400,
            "context_length_exceeded",
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}"#,
            400,
            "context_length_exceeded",
        ),
        (
            500,
            r#"{"error":"the prompt is too long: 9 tokens"}"#,
            400,
            "context_length_exceeded",
        ),
        (
            404,
            r#"{"error":{"message":"The model `upstream-model` does not exist.","type":"NotFoundError","param":"model","code":404}}"#,
            404,
            "model_not_found",
        ),
        (
            400,
            r#"{"error":{"message":"Unsupported parameter: 'x'","type":"invalid_request_error","param":"x","code":"unsupported_parameter"}}"#,
            400,
            "unsupported_parameter",
        ),
    ];
    for kind in PASS_THROUGH {
        for (status, body, expected, code) in table {
            gate.plays(kind, json(status, body));
            for request in [chat_body(kind, "hi"), stream_body(kind)] {
                let answer = gate.chat_call(&key, &request).send().await;
                answer.refused(expected, code);
                assert!(
                    !answer.text().contains("upstream-model"),
                    "{kind} {}",
                    answer.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn s14_error_text_gives_no_address_and_no_credential_away() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let long = "x".repeat(5_000);
    let told = format!(
        "cannot ask http://10.1.2.3:8000/v1/internal?key={UPSTREAM_KEY} at 127.0.0.1 with Bearer {UPSTREAM_KEY} \u{1b}[31m\r\n{long}"
    );
    for kind in ["openai", "api3"] {
        for status in [400, 422, 500] {
            gate.plays(kind, refusal(kind, status, &told));
            let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
            let message = answer
                .refused_with(if status == 500 { 502 } else { status })
                .message;
            for secret in [UPSTREAM_KEY, "10.1.2.3", "127.0.0.1", "/v1/internal"] {
                assert!(!message.contains(secret), "{secret} in {message:?}");
            }
            assert!(message.chars().count() <= 300, "{message:?}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
    gate.rows().await;
    gate.assert_secret_absent(&[UPSTREAM_KEY]);
}

#[tokio::test]
async fn case_55_a_refused_credential_is_never_the_client_s_fault() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let bodies = [
        r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        r#"{"error":"Unauthorized"}"#,
        r#"{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}"#,
        r#"{"error":"unauthorized","signin_url":"https://signin.example/secret"}"#,
        "",
    ];
    for kind in SCRIPTED {
        for status in [401, 403] {
            for body in bodies {
                gate.plays(kind, json(status, body));
                for request in [chat_body(kind, "hi"), stream_body(kind)] {
                    check_credential_fault(&gate, &key, &request).await;
                }
            }
        }
    }
}

async fn check_credential_fault(gate: &TestGate, key: &Key, request: &serde_json::Value) {
    let answer = gate.chat_call(key, request).send().await;
    let refusal = answer.refused(502, "upstream_auth_error");
    assert_eq!(refusal.kind, "server_error", "{}", answer.describe());
    assert!(!answer.text().contains("signin"), "{}", answer.text());
    let row = gate.row_of(answer.request_id()).await;
    assert_eq!(
        (&row["status"], &row["error_code"]),
        (&json!(502), &json!("upstream_auth_error"))
    );
    assert_eq!(row["total_tokens"], 0, "{row}");
}

#[tokio::test]
async fn case_56_too_many_requests_are_passed_on_with_a_wait_clients_obey() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        for (told, expected) in [("7", Some("7")), ("3600", Some("60"))] {
            let script = refusal(kind, 429, "slow down").header("retry-after", told);
            gate.plays(kind, script.header("x-ratelimit-remaining-requests", "0"));
            for request in [chat_body(kind, "hi"), stream_body(kind)] {
                let answer = gate.chat_call(&key, &request).send().await;
                answer.refused(429, "rate_limit_exceeded");
                assert_eq!(answer.header("retry-after"), expected, "{kind} {told}");
            }
        }
    }
}

#[tokio::test]
async fn case_56_a_server_that_loads_or_is_full_gets_503_and_a_wait() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        for script in [refusal(kind, 503, "Loading model"), Script::status(503)] {
            gate.plays(kind, script);
            for request in [chat_body(kind, "hi"), stream_body(kind)] {
                let answer = gate.chat_call(&key, &request).send().await;
                answer.refused_with(503);
                let wait: u64 = answer
                    .header("retry-after")
                    .and_then(|text| text.parse().ok())
                    .expect("retry-after");
                assert!((1..=60).contains(&wait), "{kind} {wait}");
            }
        }
    }
}

#[tokio::test]
async fn case_56_a_limited_or_loading_server_is_passed_over_for_the_next() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    for kind in SCRIPTED {
        let second = Upstream::start().await;
        gate.add_pair(kind, kind, &second).await;
        for status in [429, 503, 500, 408] {
            gate.plays(
                kind,
                refusal(kind, status, "not now").header("retry-after", "30"),
            );
            second.on(chat_path(kind), whole(kind, "from the second"));
            let answer = gate
                .chat_call(&key, &chat_body(kind, "hi"))
                .send()
                .await
                .expect_status(200);
            assert_eq!(
                answer.json()["choices"][0]["message"]["content"],
                "from the second",
                "{kind}"
            );
            let row = gate.row_of(answer.request_id()).await;
            assert_eq!(
                (&row["attempts"], &row["completion_tokens"]),
                (&json!(2), &json!(3)),
                "{kind} {status}"
            );
        }
    }
}

#[tokio::test]
async fn case_56_a_fault_of_the_request_is_not_tried_elsewhere() {
    let gate = TestGate::start().await;
    let second = Upstream::start().await;
    let key = gate.free_key("k").await;
    gate.add_pair("m", "vllm", &second).await;
    second.answers(openai_chat("never", usage(1, 1)));
    for status in [400, 404, 422] {
        gate.upstream
            .answers(refusal("vllm", status, "bad request"));
        gate.chat(&key, "hi").await.refused_with(status);
    }
    assert!(second.calls().is_empty());
}
