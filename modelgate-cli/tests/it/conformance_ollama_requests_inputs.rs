//! Cases 26–29 for Ollama: names without a tag, empty and several prompts, embeddings.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Answer, Event};
use crate::conformance_ollama_requests::{generations, with_ollama};
use crate::gate::{Key, TestGate, chat_body};
use crate::samples::{KINDS, PASS_THROUGH, post_routes};
use crate::upstream::{self, Recorded, Script};

async fn post(gate: &TestGate, key: &Key, path: &str, body: &Value) -> Answer {
    gate.post(path).bearer(key).json(body).send().await
}

/// Embeds a text that is a number as a vector of that number.
fn embeds_numbers(request: &Recorded) -> Script {
    let body = request.json();
    let vector = |text: &Value| {
        let text = text.as_str().expect("a text");
        json!([text.parse::<u32>().expect("a number"), 0.5])
    };
    let vectors: Vec<Value> = match &body["input"] {
        Value::Array(texts) => texts.iter().map(vector).collect(),
        text => vec![vector(text)],
    };
    let answer = json!({"model": "upstream-model", "embeddings": vectors, "prompt_eval_count": vectors.len()});
    upstream::json(200, &answer.to_string())
}

#[tokio::test]
async fn case_26_a_name_without_a_tag_means_the_latest() {
    let gate = TestGate::start().await;
    gate.add_model(gate.model_form("llama3.2:latest", "ollama"))
        .await;
    let key = gate.free_key("k").await;
    for name in ["llama3.2", "llama3.2:latest"] {
        for (path, body) in post_routes(name) {
            let answer = post(&gate, &key, path, &body).await.expect_status(200);
            assert_eq!(answer.json()["model"], name, "{path}");
        }
        let mut stream = chat_body(name, "hi");
        stream["stream"] = true.into();
        let events = gate.chat_call(&key, &stream).stream().await.collect().await;
        let chunks = events.iter().filter(|event| !event.is_done());
        assert!(
            chunks.map(Event::json).all(|chunk| chunk["model"] == name),
            "{events:?}"
        );
    }
    for name in ["llama3.2:1b", "llama3", "llama3.2:", "Llama3.2"] {
        gate.chat_call(&key, &chat_body(name, "hi"))
            .send()
            .await
            .refused(404, "model_not_found");
    }
}

#[tokio::test]
async fn case_26_the_rules_of_the_whole_name_hold_for_the_short_one() {
    let gate = TestGate::start().await;
    gate.add_model(gate.model_form("a:latest", "ollama")).await;
    gate.add_model(gate.model_form("b:latest", "ollama")).await;
    gate.add_model(json!({"name": "b", "backend_type": "echo"}))
        .await;
    let form = json!({"name": "k", "quota": null, "rate_limit": null, "allowed_models": ["a:latest", "b"]});
    let key = gate.issue_key(form).await;
    gate.chat_call(&key, &chat_body("a", "hi"))
        .send()
        .await
        .expect_status(200);
    let before = gate.upstream.calls().len();
    gate.chat_call(&key, &chat_body("b", "hi"))
        .send()
        .await
        .expect_status(200);
    assert_eq!(
        gate.upstream.calls().len(),
        before,
        "the name as it is comes first"
    );
    gate.chat_call(&key, &chat_body("b:latest", "hi"))
        .send()
        .await
        .refused(404, "model_not_found");
}

#[tokio::test]
async fn case_27_no_messages_get_400() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        for messages in [json!([]), json!(null), json!("hi"), json!({}), json!(7)] {
            let body = json!({"model": kind, "messages": messages});
            let refusal = post(&gate, &key, "/v1/chat/completions", &body)
                .await
                .refused_with(400);
            assert_eq!(refusal.param.as_deref(), Some("messages"), "{body}");
        }
        post(&gate, &key, "/v1/chat/completions", &json!({"model": kind}))
            .await
            .refused(400, "missing_required_parameter");
        post(&gate, &key, "/v1/completions", &json!({"model": kind}))
            .await
            .refused(400, "missing_required_parameter");
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_27_several_prompts_are_passed_on_with_their_choices() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let choices: Vec<Value> = (0..6)
        .map(|index| json!({"index": index, "text": format!("t{index}"), "logprobs": null, "finish_reason": "stop"}))
        .collect();
    let body = json!({"id": "x", "object": "text_completion", "created": 1, "model": "upstream-model",
        "choices": choices, "usage": upstream::usage(3, 6)});
    gate.upstream
        .answers(upstream::json(200, &body.to_string()));
    for kind in PASS_THROUGH {
        let asked = json!({"model": kind, "prompt": ["a", "b", "c"], "n": 2});
        let answer = post(&gate, &key, "/v1/completions", &asked)
            .await
            .expect_status(200);
        assert_eq!(
            answer.json()["choices"],
            Value::from(choices.clone()),
            "{kind}"
        );
        let got = gate.upstream.calls().pop().expect("a call").json();
        assert_eq!(
            (&got["prompt"], &got["n"]),
            (&asked["prompt"], &asked["n"]),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_27_ollama_is_asked_once_for_each_prompt_in_order() {
    let (gate, key) = with_ollama().await;
    gate.upstream.answers_with(|request| {
        let answer = json!({"model": "upstream-model", "response": format!("re {}", request.json()["prompt"].as_str().expect("a text")),
            "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2});
        upstream::json(200, &answer.to_string())
    });
    let asked = json!({"model": "m", "prompt": ["a", "b", "c"]});
    let answer = post(&gate, &key, "/v1/completions", &asked)
        .await
        .expect_status(200)
        .json();
    let seen = |choice: &Value| (choice["index"].clone(), choice["text"].clone());
    let choices: Vec<_> = answer["choices"]
        .as_array()
        .expect("choices")
        .iter()
        .map(seen)
        .collect();
    let expected =
        [(0, "re a"), (1, "re b"), (2, "re c")].map(|(index, text)| (json!(index), json!(text)));
    assert_eq!(choices, expected);
    assert_eq!(answer["usage"], upstream::usage(9, 6));
    let calls = generations(&gate);
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(
            (call.path.as_str(), &call.json()["stream"]),
            ("/api/generate", &json!(false))
        );
    }
}

#[tokio::test]
async fn case_27_several_prompts_with_several_choices_are_all_there_or_refused() {
    let (gate, key) = with_ollama().await;
    let asked = json!({"model": "m", "prompt": ["a", "b", "c"], "n": 2});
    let answer = post(&gate, &key, "/v1/completions", &asked).await;
    if answer.status == 200 {
        let body = answer.json();
        let choices = body["choices"].as_array().expect("choices");
        let indexes: Vec<_> = choices
            .iter()
            .filter_map(|choice| choice["index"].as_u64())
            .collect();
        assert_eq!(indexes, [0, 1, 2, 3, 4, 5]);
        let prompts: Vec<_> = generations(&gate)
            .iter()
            .map(|call| call.json()["prompt"].clone())
            .collect();
        assert_eq!(prompts, ["a", "a", "b", "b", "c", "c"]);
    } else {
        assert_eq!(answer.refused_with(400).param.as_deref(), Some("n"));
        assert!(generations(&gate).is_empty());
    }
}

#[tokio::test]
async fn case_28_ollama_embeds_texts_in_both_forms() {
    let (gate, key) = with_ollama().await;
    gate.upstream.answers_with(embeds_numbers);
    for (input, count) in [(json!("7"), 1), (json!(["7"]), 1), (json!(["7", "8"]), 2)] {
        for wish in [None, Some("float"), Some("base64")] {
            let mut body = json!({"model": "m", "input": input});
            if let Some(wish) = wish {
                body["encoding_format"] = wish.into();
            }
            let answer = post(&gate, &key, "/v1/embeddings", &body)
                .await
                .expect_status(200)
                .json();
            assert_eq!(
                (&answer["object"], &answer["model"]),
                (&json!("list"), &json!("m"))
            );
            assert_eq!(
                answer["usage"],
                json!({"prompt_tokens": count, "total_tokens": count})
            );
            let data = answer["data"].as_array().expect("data");
            assert_eq!(data.len(), count, "{body}");
            for (index, item) in data.iter().enumerate() {
                assert_eq!(
                    (&item["object"], &item["index"]),
                    (&json!("embedding"), &json!(index))
                );
                assert_eq!(
                    vector_of(&item["embedding"], wish == Some("base64")),
                    [
                        7.0 + u8::try_from(index).map(f32::from).expect("small"),
                        0.5
                    ],
                    "{body}"
                );
            }
        }
    }
}

fn vector_of(embedding: &Value, is_packed: bool) -> Vec<f32> {
    if !is_packed {
        let parts = embedding.as_array().expect("a list of numbers");
        return parts
            .iter()
            .map(|part| part.to_string().parse().expect("a number"))
            .collect();
    }
    let bytes = STANDARD
        .decode(embedding.as_str().expect("a text"))
        .expect("base64");
    let parts = bytes.chunks_exact(4);
    parts
        .map(|part| f32::from_le_bytes([part[0], part[1], part[2], part[3]]))
        .collect()
}

#[tokio::test]
async fn case_28_ollama_takes_no_tokens_as_input() {
    let (gate, key) = with_ollama().await;
    for input in [
        json!([1, 2, 3]),
        json!([[1, 2], [3]]),
        json!(["a", 1]),
        json!(["a", ["b"]]),
        json!([null]),
        json!([{}]),
    ] {
        let body = json!({"model": "m", "input": input});
        let refusal = post(&gate, &key, "/v1/embeddings", &body)
            .await
            .refused_with(400);
        let param = refusal.param.unwrap_or_default();
        assert!(param.starts_with("input"), "{input}: {param}");
    }
    assert!(generations(&gate).is_empty());
}

#[tokio::test]
async fn case_29_an_input_that_is_too_long_is_an_error_and_not_cut() {
    let (gate, key) = with_ollama().await;
    let said = r#"{"error":"the input length exceeds the context length"}"#;
    gate.upstream.answers(upstream::json(400, said));
    let body = json!({"model": "m", "input": "x ".repeat(20_000)});
    let answer = post(&gate, &key, "/v1/embeddings", &body).await;
    let refusal = answer.refused(400, "context_length_exceeded");
    assert_eq!(refusal.kind, "invalid_request_error");
    let calls = generations(&gate);
    assert_eq!((calls.len(), calls[0].path.as_str()), (1, "/api/embed"));
    assert_eq!(calls[0].json()["truncate"], false);
}

#[tokio::test]
async fn case_29_as_many_inputs_as_are_allowed_keep_their_order() {
    let (gate, key) = with_ollama().await;
    gate.upstream.answers_with(embeds_numbers);
    let inputs: Vec<String> = (0..2_048).map(|number| (number * 7).to_string()).collect();
    let body = json!({"model": "m", "input": inputs});
    let answer = post(&gate, &key, "/v1/embeddings", &body)
        .await
        .expect_status(200)
        .json();
    let data = answer["data"].as_array().expect("data");
    assert_eq!(data.len(), 2_048);
    for (index, item) in data.iter().enumerate() {
        assert_eq!(item["index"], index);
        assert_eq!(item["embedding"][0], index * 7, "{item}");
    }
    let body = json!({"model": "m", "input": vec!["1"; 2_049]});
    let refusal = post(&gate, &key, "/v1/embeddings", &body)
        .await
        .refused(400, "array_above_max_length");
    assert_eq!(refusal.param.as_deref(), Some("input"));
}
