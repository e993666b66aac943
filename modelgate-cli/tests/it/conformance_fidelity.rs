//! Cases 1–6, 10 and 14 for the kinds that get the client's own bytes: only the model's name changes.

use serde_json::json;

use crate::client::Answer;
use crate::gate::{Key, TestGate};
use crate::samples::PASS_THROUGH;

/// A text beyond what any buffer takes in one piece.
const LONG: usize = 200_000;

/// Sends `{"model":"<kind>",<members>}` to every pass-through kind and compares the bytes of the upstream.
async fn arrives_unchanged(members: &str) {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in PASS_THROUGH {
        arrives_as(&gate, &key, kind, &format!("{{\"model\":$,{members}}}")).await;
    }
}

/// `$` stands for the name of the model, in quotes.
async fn arrives_as(gate: &TestGate, key: &Key, kind: &str, body: &str) {
    let before = gate.upstream.calls().len();
    let sent = body.replace('$', &format!("\"{kind}\""));
    send(gate, key, &sent).await.expect_status(200);
    let calls = gate.upstream.calls();
    assert_eq!(calls.len(), before + 1, "{kind} {sent}");
    let expected = body.replace('$', "\"upstream-model\"");
    assert_eq!(calls[before].body_text(), expected, "{kind}");
}

async fn send(gate: &TestGate, key: &Key, body: &str) -> Answer {
    let call = gate.post("/v1/chat/completions").bearer(key);
    call.json_text(body.to_owned()).send().await
}

#[tokio::test]
async fn case_01_unknown_fields_reach_the_upstream_unchanged() {
    let message = r#"{"role":"user","content":"hi","mood":{"a":[]}}"#;
    arrives_unchanged(&format!(
        "\"foo\":{{\"bar\":[1,null,\"x\"]}},\"messages\":[{message}]"
    ))
    .await;
    arrives_unchanged(
        r#""messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}],
        "tools":[{"type":"function","x-vendor":true,"function":{"name":"f","parameters":{"type":"object","x":{"y":[{}]}}}}],
        "chat_template_kwargs":{"enable_thinking":false},"top_k":40,"":"an empty name","messages2":null"#,
    )
    .await;
}

#[tokio::test]
async fn case_01_white_space_order_and_the_place_of_the_model_stay() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let messages = r#""messages" : [ { "content" : "hi" , "role" : "user" } ]"#;
    for kind in PASS_THROUGH {
        for body in [
            format!("{{{messages},\"model\":$}}"),
            format!("{{ {messages} ,\t\"zz\":[ ],\r\n \"model\" : $ , \"a\":{{ }} }}"),
            format!("{{\"a\":{{\"model\":\"other\"}},\"model\":$,{messages}}}\n \n"),
        ] {
            arrives_as(&gate, &key, kind, &body).await;
        }
    }
}

#[tokio::test]
async fn case_01_a_stream_only_gains_the_wish_for_usage() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let wish = "\"stream_options\":{\"include_usage\":true}";
    for kind in PASS_THROUGH {
        let body = |model: &str| {
            format!(
                "{{\"model\":\"{model}\",\"stream\":true,\"n1\":1e400,\"messages\":[{{\"role\":\"user\",\"content\":\"\\u00e9\"}}]}}"
            )
        };
        let before = gate.upstream.calls().len();
        send(&gate, &key, &body(kind)).await.expect_status(200);
        let got = gate.upstream.calls()[before].body_text();
        let (first, last) = (format!("{wish},"), format!(",{wish}"));
        let without = got.replacen(&last, "", 1).replacen(&first, "", 1);
        assert_eq!(without, body("upstream-model"), "{kind}: {got}");
        assert!(got.contains(wish), "{kind}: {got}");
    }
}

#[tokio::test]
async fn case_02_numbers_keep_their_digits() {
    let numbers = "9007199254740993,18446744073709551615,-0,-0.0,1e400,-1E+400,1e-400,0.1000000000000000055,1.0,1E5,\
        123456789012345678901234567890";
    arrives_unchanged(&format!(
        "\"odd\":[{numbers}],\"messages\":[{{\"role\":\"user\",\"content\":\"hi\",\"odd\":{{\"n\":[{numbers}]}}}}],\
         \"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"f\",\"parameters\":{{\"type\":\"object\",\
         \"properties\":{{\"n\":{{\"enum\":[{numbers}]}}}}}}}}}}]"
    ))
    .await;
}

#[tokio::test]
async fn case_03_seed_and_logit_bias_stay_as_they_are() {
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    for members in [
        r#""seed":9223372036854775807"#,
        r#""seed":-9223372036854775808"#,
        r#""logit_bias":{"50256":-100,"1":0.50,"07":1e1}"#,
        r#""logit_bias":[[15043,-1.0],["x",false]]"#,
    ] {
        arrives_unchanged(&format!("{members},{messages}")).await;
    }
}

#[tokio::test]
async fn case_04_the_key_order_of_tool_schemas_stays() {
    arrives_unchanged(
        r#""tools":[{"type":"function","function":{"strict":true,"parameters":{"required":["zeta","alpha"],"properties":
        {"zeta":{"type":"string"},"alpha":{"type":"number"},"mid":{"b":1,"a":2,"10":3,"9":4}},"type":"object"},"name":"f"}}],
        "response_format":{"type":"json_schema","json_schema":{"schema":{"z":1,"y":2,"a":3},"name":"s"}},
        "messages":[{"role":"user","content":"hi"}]"#,
    )
    .await;
}

#[tokio::test]
async fn case_05_a_second_model_is_refused_and_other_duplicates_pass() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    for kind in PASS_THROUGH {
        for (first, second) in [
            ("\"model\"", "\"model\""),
            ("\"model\"", "\"mod\\u0065l\""),
            ("\"\\u006dodel\"", "\"model\""),
        ] {
            for names in [
                (kind, "echo"),
                ("echo", kind),
                (kind, kind),
                (kind, "unknown"),
            ] {
                let body = format!(
                    "{{{first}:\"{}\",{messages},{second}:\"{}\"}}",
                    names.0, names.1
                );
                let refusal = send(&gate, &key, &body).await.refused_with(400);
                assert_eq!(refusal.param.as_deref(), Some("model"), "{body}");
                assert_eq!(refusal.kind, "invalid_request_error", "{body}");
            }
        }
    }
    assert_eq!(gate.upstream.calls().len(), 0);
    assert_eq!(gate.rows().await.len(), 0);
    for kind in PASS_THROUGH {
        let body = format!("{{\"model\":$,\"foo\":1,{messages},\"foo\":2,\"seed\":1,\"seed\":1}}");
        arrives_as(&gate, &key, kind, &body).await;
    }
}

#[tokio::test]
async fn case_05_a_name_written_with_escapes_is_the_same_name() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let body = r#"{"mod\u0065l":"\u0076ll\u006D","messages":[{"role":"user","content":"hi"}]}"#;
    send(&gate, &key, body).await.expect_status(200);
    let got = gate.upstream.only_call();
    assert_eq!(got.json()["model"], "upstream-model");
    assert!(!got.body_text().contains("\\u0076"), "{}", got.body_text());
}

#[tokio::test]
async fn case_06_text_reaches_the_upstream_as_it_was_written() {
    let long = "\\u00e9\\n\\\"\\\\\\/".repeat(LONG / 17);
    for text in [
        "\\ud83d\\ude00 \\uD83D\\uDE00",
        "raw \u{1f600} é ß 漢字 \u{feff} \u{10ffff}",
        "\\u0000 \\u001f \\u007f \u{7f}",
        "\\u2028 \u{2028} \\u2029 \u{2029}",
        "\\/ / \\b\\f\\n\\r\\t",
        "$model \\u0024",
        &long,
    ] {
        let gate = TestGate::start().await;
        let key = gate.with_all_kinds().await;
        for kind in PASS_THROUGH {
            let body = |model: &str| {
                format!(
                    "{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\"user\":\"{text}\"}}"
                )
            };
            send(&gate, &key, &body(kind)).await.expect_status(200);
            let got = gate.upstream.calls().pop().expect("a call").body_text();
            assert!(
                got == body("upstream-model"),
                "{kind}: {}",
                &got[..got.len().min(500)]
            );
        }
    }
}

#[tokio::test]
async fn case_10_explicit_nulls_are_passed_on() {
    arrives_unchanged(
        r#""stop":null,"temperature":null,"top_p":null,"n":null,"max_tokens":null,"max_completion_tokens":null,"stream":null,
        "stream_options":null,"tools":null,"tool_choice":null,"response_format":null,"logit_bias":null,"seed":null,"user":null,
        "messages":[{"role":"user","content":"hi","name":null},{"role":"assistant","content":null,"tool_calls":null}]"#,
    )
    .await;
}

#[tokio::test]
async fn case_14_stop_is_passed_on_in_every_form() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for stop in [
        json!("END"),
        json!(["END"]),
        json!(["a", "b", "c", "d"]),
        json!(["a", "b", "c", "d", "e"]),
        json!(""),
        json!([]),
        json!(["", "a", ""]),
    ] {
        for kind in PASS_THROUGH {
            let body = format!(
                "{{\"model\":$,\"stop\":{stop},\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
            );
            arrives_as(&gate, &key, kind, &body).await;
        }
    }
}
