//! Cases 50 to 53: whole answers that are unusual, late, errors in disguise, or no answers at all.

use serde_json::json;

use crate::conformance_streams_dialects::{SCRIPTED, whole};
use crate::gate::{TestGate, chat_body};
use crate::samples::PASS_THROUGH;
use crate::upstream::{Script, json};

/// Fields of four servers, nested `model`s, numbers that floats lose, and an order that maps lose.
const UNUSUAL: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"timings":{"cache_n":0,"prompt_ms":12.340000000000000001,"model":"upstream-model"},"model":"upstream-model","choices":[{"index":0,"message":{"role":"assistant","content":"h\u00e9 \ud83d\ude00 é","reasoning":null,"tool_calls":[]},"stop_reason":107,"token_ids":[9007199254740993],"finish_reason":"stop"}],"prompt_logprobs":null,"kv_transfer_params":{"z":1,"a":[18446744073709551615]},"meta":{"model":"upstream-model","b":1e400},"service_tier":null,"usage":{"total_tokens":10,"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":null}}"#;

const UNUSUAL_COMPLETION: &str = r#"{"object":"text_completion","choices":[{"text":"hello","index":0,"logprobs":{"content":[]},"finish_reason":"length","stop_reason":null}],"created":1,"model":"upstream-model","timings":{"predicted_n":3},"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10},"id":"cmpl-1"}"#;

#[tokio::test]
async fn case_50_unknown_fields_pass_and_only_the_model_is_rewritten() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let tables = [
        ("/v1/chat/completions", UNUSUAL),
        ("/v1/completions", UNUSUAL_COMPLETION),
    ];
    for (path, upstream_text) in tables {
        gate.upstream.answers(json(200, upstream_text));
        for kind in PASS_THROUGH {
            let body = json!({"model": kind, "prompt": "hi", "messages": [{"role": "user", "content": "hi"}]});
            let call = gate.post(path).bearer(&key).json(&body);
            let answer = call.send().await.expect_status(200);
            assert_eq!(
                answer.text(),
                with_name(upstream_text, kind),
                "{kind} {path}"
            );
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let row = gate.row_of(answer.request_id()).await;
            assert_eq!(
                (&row["prompt_tokens"], &row["completion_tokens"]),
                (&json!(7), &json!(3))
            );
        }
    }
}

/// The text with the top-level model replaced: the one that a comma follows on the outermost level.
fn with_name(text: &str, name: &str) -> String {
    let mut shown: serde_json::Value = serde_json::from_str(text).expect("a document");
    shown["model"] = name.into();
    let places: Vec<usize> = text
        .match_indices("\"upstream-model\"")
        .map(|(at, _)| at)
        .collect();
    let replaced = places.iter().map(|at| {
        let (before, after) = (&text[..*at], &text[at + "\"upstream-model\"".len()..]);
        format!("{before}\"{name}\"{after}")
    });
    let mut right = replaced
        .filter(|text| serde_json::from_str::<serde_json::Value>(text).ok() == Some(shown.clone()));
    right.next().expect("a top-level model")
}

#[tokio::test]
async fn case_51_blank_lines_before_the_json_do_no_harm() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let blanks = ["\n", "\r\n\r\n", " \t ", "\n"];
    for kind in PASS_THROUGH {
        let document = whole(kind, "late").body();
        let head = Script::status(200)
            .header("content-type", "application/json")
            .chunked();
        let waiting = blanks
            .iter()
            .fold(head, |script, blank| script.piece(*blank));
        gate.plays(kind, waiting.piece(document).piece("\n"));
        let answer = gate
            .chat_call(&key, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
        assert_eq!(
            answer.json()["choices"][0]["message"]["content"],
            "late",
            "{kind}"
        );
        assert_eq!(answer.json()["model"], kind);
        assert_eq!(
            gate.row_of(answer.request_id()).await["completion_tokens"],
            3,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_52_an_error_with_status_200_gets_an_error_status() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let table = [
        (
            r#"{"error":{"message":"boom","type":"server_error","code":500,"param":null}}"#,
            502,
        ),
        (
            r#"{"error":{"message":"boom","type":"server_error","param":null,"code":null}}"#,
            502,
        ),
        (r#"{"id":"x","choices":[],"error":{"message":"boom"}}"#, 502),
        (r#"{"error":"boom"}"#, 502),
        (
            r#"{"object":"error","message":"boom","type":"InternalServerError","param":null,"code":500}"#,
            502,
        ),
        (
            r#"{"error":{"message":"boom: the prompt is too long","type":"exceed_context_size_error","code":400}}"#,
            400,
        ),
    ];
    for kind in PASS_THROUGH {
        for (body, status) in table {
            gate.plays(kind, json(200, body));
            let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
            let refusal = answer.refused_with(status);
            assert!(
                refusal.message.contains("boom"),
                "{kind} {body}: {refusal:?}"
            );
            let row = gate.row_of(answer.request_id()).await;
            assert_eq!(
                (&row["status"], &row["completion_tokens"]),
                (&json!(status), &json!(0)),
                "{kind} {body}"
            );
        }
    }
}

#[tokio::test]
async fn case_52_an_error_member_of_null_is_no_error() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        let text = UNUSUAL.replacen('{', r#"{"error":null,"#, 1);
        gate.plays(kind, json(200, &text));
        let answer = gate
            .chat_call(&key, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
        assert_eq!(
            answer.json()["choices"][0]["finish_reason"],
            "stop",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_53_what_is_no_answer_gets_502_and_is_not_shown() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let typed = |kind: &str, body: &[u8]| {
        let head = Script::status(200).header("content-type", kind);
        head.piece(body.to_vec())
    };
    let bodies: [(&str, &[u8]); 8] = [
        ("text/html", b"<html><title>canary-page</title></html>"),
        ("text/plain", b"canary-page"),
        ("application/json", b""),
        ("application/json", b"  \n"),
        (
            "application/json",
            br#"{"choices":[{"message":{"content":"canary-page"#,
        ),
        ("application/json", br#"{"canary-page":1}{"canary-page":2}"#),
        ("application/json", b"[\"canary-page\"]"),
        (
            "application/json",
            b"{\"choices\":[],\"x\":\"canary-page \xff\xfe\"}",
        ),
    ];
    for kind in SCRIPTED {
        for (content_type, body) in bodies {
            gate.plays(kind, typed(content_type, body));
            let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
            let shown = format!("{kind} {}", String::from_utf8_lossy(body));
            let refusal = answer.refused(502, "upstream_error");
            assert_eq!(refusal.kind, "server_error", "{shown}");
            assert!(
                !answer.text().contains("canary-page"),
                "{shown}: {}",
                answer.text()
            );
            let row = gate.row_of(answer.request_id()).await;
            assert_eq!(
                (&row["status"], &row["error_code"]),
                (&json!(502), &json!("upstream_error")),
                "{shown}"
            );
        }
    }
}
