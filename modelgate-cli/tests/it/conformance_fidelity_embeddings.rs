//! Case 28 for pass-through kinds: inputs go on unchanged, vectors come back in the form that was asked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{Key, TestGate};
use crate::samples::{KINDS, PASS_THROUGH};
use crate::upstream::{self, Script};

const VECTORS: [[f32; 3]; 2] = [[0.1, -2.5e-8, 1.0], [3.402_823_5e38, -0.0, 1e-45]];

async fn embed(gate: &TestGate, key: &Key, body: &str) -> Answer {
    let call = gate.post("/v1/embeddings").bearer(key);
    call.json_text(body.to_owned()).send().await
}

fn packed(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
    STANDARD.encode(bytes).into()
}

fn numbers(vector: &[f32]) -> Value {
    let parts = vector.iter().map(|part| format!("{part:e}"));
    let text = format!("[{}]", parts.collect::<Vec<_>>().join(","));
    serde_json::from_str(&text).expect("a list of numbers")
}

/// An upstream that answers in one form, whatever it is asked for.
fn stubborn(form: impl Fn(&[f32]) -> Value) -> Script {
    let item = |(index, vector): (usize, &[f32; 3])| json!({"object": "embedding", "index": index, "embedding": form(vector), "extra": 1});
    let data: Vec<Value> = VECTORS.iter().enumerate().map(item).collect();
    let usage = json!({"prompt_tokens": 9, "total_tokens": 9});
    let body = json!({"object": "list", "data": data, "model": "upstream-model", "usage": usage, "meta": {"n": 1e2}});
    upstream::json(200, &body.to_string())
}

fn read_numbers(embedding: &Value) -> Vec<u32> {
    let parts = embedding
        .as_array()
        .unwrap_or_else(|| panic!("no list: {embedding}"));
    let single = |part: &Value| part.to_string().parse::<f32>().expect("a number").to_bits();
    parts.iter().map(single).collect()
}

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|part| part.to_bits()).collect()
}

#[tokio::test]
async fn case_28_inputs_of_every_form_are_passed_on_unchanged() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for input in [
        r#""one text""#,
        r#"["one","two"]"#,
        "[1, 2,3]",
        "[[1,2],[3]]",
        r#"["\u00e9"]"#,
    ] {
        for more in [
            "",
            r#","encoding_format":"base64""#,
            r#","encoding_format":"float","dimensions":2"#,
        ] {
            for kind in PASS_THROUGH {
                let body = |model: &str| {
                    format!("{{\"model\":\"{model}\",\"input\":{input}{more},\"user\":\"u\"}}")
                };
                embed(&gate, &key, &body(kind)).await.expect_status(200);
                let got = gate.upstream.calls().pop().expect("a call");
                assert_eq!(got.body_text(), body("upstream-model"), "{kind}");
            }
        }
    }
}

#[tokio::test]
async fn case_28_vectors_come_in_the_form_that_was_asked_for() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let wishes = [
        ("", false),
        (r#","encoding_format":"float""#, false),
        (r#","encoding_format":null"#, false),
        (r#","encoding_format":"base64""#, true),
    ];
    for kind in PASS_THROUGH {
        for script in [stubborn(numbers), stubborn(packed)] {
            gate.upstream.answers(script);
            for (wish, is_packed) in wishes {
                let body = format!("{{\"model\":\"{kind}\",\"input\":[\"a\",\"b\"]{wish}}}");
                let answer = embed(&gate, &key, &body).await.expect_status(200).json();
                let data = answer["data"].as_array().expect("data");
                assert_eq!(data.len(), VECTORS.len(), "{kind} {wish}");
                for (index, (item, vector)) in data.iter().zip(VECTORS).enumerate() {
                    assert_eq!(item["index"], index, "{kind} {wish}");
                    assert_eq!(item["object"], "embedding", "{kind} {wish}");
                    if is_packed {
                        assert_eq!(item["embedding"], packed(&vector), "{kind} {wish}");
                    } else {
                        assert_eq!(
                            read_numbers(&item["embedding"]),
                            bits(&vector),
                            "{kind} {wish}"
                        );
                    }
                }
                assert_eq!(
                    (&answer["model"], &answer["usage"]["prompt_tokens"]),
                    (&json!(kind), &json!(9))
                );
            }
        }
    }
}

#[tokio::test]
async fn case_28_an_answer_in_the_right_form_keeps_its_digits() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let exact = "[0.10000000000000000555,-0,1e-3]";
    for kind in PASS_THROUGH {
        gate.upstream.answers(upstream::json(200, &format!(
            "{{\"object\":\"list\",\"data\":[{{\"object\":\"embedding\",\"index\":0,\"embedding\":{exact}}}],\"model\":\"upstream-model\",\
             \"usage\":{{\"prompt_tokens\":1,\"total_tokens\":1}}}}"
        )));
        let answer = embed(
            &gate,
            &key,
            &format!("{{\"model\":\"{kind}\",\"input\":\"a\"}}"),
        )
        .await;
        let answer = answer.expect_status(200);
        assert!(answer.text().contains(exact), "{kind} {}", answer.text());
    }
}

#[tokio::test]
async fn case_28_an_unknown_form_of_vectors_gets_400() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        for wish in ["\"hex\"", "\"\"", "\"Float\"", "1", "true", "[\"float\"]"] {
            let body =
                format!("{{\"model\":\"{kind}\",\"input\":\"a\",\"encoding_format\":{wish}}}");
            let refusal = embed(&gate, &key, &body).await.refused_with(400);
            assert_eq!(
                refusal.param.as_deref(),
                Some("encoding_format"),
                "{kind} {wish}"
            );
        }
        for input in ["[]", "null", "7", "{}", "true"] {
            let body = format!("{{\"model\":\"{kind}\",\"input\":{input}}}");
            let refusal = embed(&gate, &key, &body).await.refused_with(400);
            assert_eq!(refusal.param.as_deref(), Some("input"), "{kind} {input}");
        }
        let refusal = embed(&gate, &key, &format!("{{\"model\":\"{kind}\"}}"))
            .await
            .refused(400, "missing_required_parameter");
        assert_eq!(refusal.param.as_deref(), Some("input"), "{kind}");
    }
    assert!(gate.upstream.calls().is_empty());
}
