//! Cases 14–16 and 20, 21 for Ollama: what becomes of stop words, limits, sampling, tool choice and several choices.

use serde_json::{Value, json};

use crate::conformance_ollama_requests::{
    chatted, chatted_text, generations, refused, with_ollama,
};
use crate::gate::{TestGate, chat_body};
use crate::samples::{KINDS, PASS_THROUGH};
use crate::upstream;

fn tools() -> Value {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "description": "d", "parameters": {"type": "object", "properties": {}}}});
    json!([tool("one"), tool("two")])
}

fn names(tools: &Value) -> Vec<&str> {
    let tools = tools.as_array().map(Vec::as_slice).unwrap_or_default();
    tools
        .iter()
        .filter_map(|tool| tool["function"]["name"].as_str())
        .collect()
}

#[tokio::test]
async fn case_14_ollama_gets_stop_as_a_list_without_empty_words() {
    let (gate, key) = with_ollama().await;
    let table = [
        (json!("END"), json!(["END"])),
        (json!(["END"]), json!(["END"])),
        (json!(["a", "b", "c", "d"]), json!(["a", "b", "c", "d"])),
        (
            json!(["a", "b", "c", "d", "e"]),
            json!(["a", "b", "c", "d", "e"]),
        ),
        (json!(["", "a", ""]), json!(["a"])),
        (json!(""), json!([])),
        (json!([]), json!([])),
        (json!([""]), json!([])),
        (json!(null), json!([])),
    ];
    for (stop, expected) in table {
        let got = chatted(&gate, &key, &json!({"stop": stop})).await;
        let options = &got["options"];
        let sent = options.get("stop").cloned().unwrap_or(json!([]));
        assert_eq!(sent, expected, "{stop}: {got}");
    }
    for stop in [json!(7), json!([1]), json!({}), json!(["a", null])] {
        let answer = refused(&gate, &key, &json!({"stop": stop})).await;
        let param = answer.refused_with(400).param.unwrap_or_default();
        assert!(param.starts_with("stop"), "{stop}: {param}");
    }
}

#[tokio::test]
async fn case_15_the_newer_limit_wins() {
    let (gate, key) = with_ollama().await;
    let table = [
        (
            json!({"max_completion_tokens": 64, "max_tokens": 7}),
            Some(64),
        ),
        (
            json!({"max_completion_tokens": 7, "max_tokens": 64}),
            Some(7),
        ),
        (json!({"max_completion_tokens": 64}), Some(64)),
        (json!({"max_tokens": 7}), Some(7)),
        (json!({"max_completion_tokens": 0}), Some(0)),
        (json!({"max_tokens": 0}), Some(0)),
        (
            json!({"max_completion_tokens": null, "max_tokens": 7}),
            Some(7),
        ),
        (
            json!({"max_completion_tokens": 0, "max_tokens": 7}),
            Some(0),
        ),
        (json!({}), None),
    ];
    for (fields, expected) in table {
        let got = chatted(&gate, &key, &fields).await;
        let sent = got["options"].get("num_predict").and_then(Value::as_i64);
        assert_eq!(sent, expected, "{fields}: {got}");
        assert_eq!(
            (got.get("max_tokens"), got.get("max_completion_tokens")),
            (None, None)
        );
    }
}

#[tokio::test]
async fn case_16_defaults_of_the_modelfile_stay() {
    let (gate, key) = with_ollama().await;
    for fields in [
        json!({}),
        json!({"temperature": null, "top_p": null, "seed": null}),
        json!({"max_tokens": 5}),
    ] {
        let got = chatted(&gate, &key, &fields).await;
        let options = got
            .get("options")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let sent: Vec<_> = options
            .keys()
            .filter(|name| *name != "num_predict")
            .collect();
        assert!(sent.is_empty(), "{fields}: {got}");
        assert!(got.get("think").is_none(), "{got}");
        assert_eq!(
            (&got["stream"], &got["model"]),
            (&json!(false), &json!("upstream-model"))
        );
    }
}

#[tokio::test]
async fn case_16_what_the_client_gives_is_sent_with_its_digits() {
    let (gate, key) = with_ollama().await;
    let given = r#""temperature":0.10,"top_p":1.0,"seed":9223372036854775807,"presence_penalty":-0.5,"frequency_penalty":0,"top_k":40,"min_p":0.05,"repeat_penalty":1.1"#;
    let body = format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}],{given}}}"
    );
    let got = chatted_text(&gate, &key, &body).await;
    let sent = got.json();
    let expected: Value = serde_json::from_str(&format!("{{{given}}}")).expect("an object");
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(
            sent["options"][name].to_string(),
            value.to_string(),
            "{name}"
        );
        assert!(
            sent.get(name).is_none(),
            "{name} stands outside of options: {sent}"
        );
    }
}

#[tokio::test]
async fn case_20_tool_choice_none_sends_no_tools() {
    let (gate, key) = with_ollama().await;
    let got = chatted(
        &gate,
        &key,
        &json!({"tools": tools(), "tool_choice": "none"}),
    )
    .await;
    assert_eq!(names(&got["tools"]), [] as [&str; 0], "{got}");
    for choice in [json!("auto"), json!(null)] {
        let got = chatted(
            &gate,
            &key,
            &json!({"tools": tools(), "tool_choice": choice}),
        )
        .await;
        assert_eq!(names(&got["tools"]), ["one", "two"], "{got}");
    }
    assert!(!got_text(&chatted(&gate, &key, &json!({"tools": tools()})).await).contains("strict"));
}

fn got_text(got: &Value) -> String {
    assert_eq!(names(&got["tools"]), ["one", "two"], "{got}");
    got.to_string()
}

#[tokio::test]
async fn case_20_a_choice_that_cannot_be_enforced_is_sent_with_a_warning() {
    let (gate, key) = with_ollama().await;
    let named = json!({"type": "function", "function": {"name": "two"}});
    for (choice, sent) in [
        (json!("required"), vec!["one", "two"]),
        (named, vec!["two"]),
    ] {
        let mut body = chat_body("m", "hi");
        body["tools"] = tools();
        body["tool_choice"] = choice.clone();
        let answer = gate.chat_call(&key, &body).send().await.expect_status(200);
        let dropped = answer.header("x-modelgate-dropped").unwrap_or_default();
        assert!(
            dropped.split(',').any(|name| name.trim() == "tool_choice"),
            "{choice}: {dropped}"
        );
        let got = generations(&gate).pop().expect("a call").json();
        assert_eq!(names(&got["tools"]), sent, "{choice}");
    }
}

#[tokio::test]
async fn case_20_a_strict_gateway_refuses_what_it_cannot_enforce() {
    let gate = TestGate::with()
        .env("MG_STREAMS_STRICT_PARAMS", "true")
        .start()
        .await;
    let key = gate.with_model("m", "ollama").await;
    let named = json!({"type": "function", "function": {"name": "two"}});
    for choice in [json!("required"), named] {
        let answer = refused(
            &gate,
            &key,
            &json!({"tools": tools(), "tool_choice": choice}),
        )
        .await;
        let refusal = answer.refused_with(400);
        assert_eq!(refusal.param.as_deref(), Some("tool_choice"), "{choice}");
    }
    let got = chatted(
        &gate,
        &key,
        &json!({"tools": tools(), "tool_choice": "none"}),
    )
    .await;
    assert_eq!(names(&got["tools"]), [] as [&str; 0]);
}

#[tokio::test]
async fn case_21_several_choices_are_passed_on_with_their_answer() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let choice = |index: u32| json!({"index": index, "message": {"role": "assistant", "content": format!("c{index}")}, "finish_reason": "stop"});
    let body = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "upstream-model",
        "choices": [choice(0), choice(1)], "usage": upstream::usage(3, 4)});
    gate.upstream
        .answers(upstream::json(200, &body.to_string()));
    for kind in PASS_THROUGH {
        let mut asked = chat_body(kind, "hi");
        asked["n"] = 2.into();
        let answer = gate.chat_call(&key, &asked).send().await.expect_status(200);
        assert_eq!(answer.json()["choices"], body["choices"], "{kind}");
        let got = gate.upstream.calls().pop().expect("a call").json();
        assert_eq!(got["n"], 2, "{kind}");
    }
}

#[tokio::test]
async fn case_21_several_choices_never_become_one() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS
        .into_iter()
        .filter(|kind| !PASS_THROUGH.contains(kind))
    {
        for route in ["/v1/chat/completions", "/v1/completions"] {
            let mut body = chat_body(kind, "hi");
            body["prompt"] = "hi".into();
            body["n"] = 2.into();
            let before = generations(&gate).len();
            let answer = gate.post(route).bearer(&key).json(&body).send().await;
            if answer.status == 200 {
                let body = answer.json();
                let choices = body["choices"].as_array().expect("choices");
                let indexes: Vec<_> = choices.iter().map(|choice| &choice["index"]).collect();
                assert_eq!(indexes, [&json!(0), &json!(1)], "{kind} {route}");
            } else {
                assert_eq!(
                    answer.refused_with(400).param.as_deref(),
                    Some("n"),
                    "{kind} {route}"
                );
                assert_eq!(generations(&gate).len(), before, "{kind} {route}");
            }
        }
    }
}
