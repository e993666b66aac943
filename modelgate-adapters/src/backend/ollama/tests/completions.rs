//! Legacy completions, both ways.

use modelgate_domain::TokenUsage;
use modelgate_ports::driven::BackendError;

use super::{Setup, envelope, json, refused};
use crate::backend::error::Names;
use crate::backend::ollama::ReasoningField;
use crate::backend::ollama::completed::Completed;
use crate::backend::ollama::completion::{Completion, Settled};
use crate::backend::ollama::read::members;

fn settle(setup: &Setup, body: &str) -> Result<Settled, BackendError> {
    Completion::read(members(body.as_bytes())?, setup.strict)?
        .settle(setup.asked(), &setup.capabilities())
}

/// Checks what a completion with these members adds to the plain native request.
fn check(members: &str, expected: &str, dropped: &[&str]) {
    let setup = Setup {
        can: Some(&["thinking"]),
        ..Setup::default()
    };
    let settled = settle(
        &setup,
        &format!(r#"{{"model":"fast","prompt":"hi",{members}}}"#),
    )
    .unwrap();
    let comma = if expected.is_empty() { "" } else { "," };
    let expected = format!(
        r#"{{"model":"qwen3:8b","stream":false,"truncate":false,"prompt":"hi"{comma}{expected}}}"#
    );
    let native = std::str::from_utf8(&settled.bodies[0].0).unwrap();
    assert_eq!(
        (json(native), settled.bodies.len()),
        (json(&expected), 1),
        "{members}"
    );
    assert_eq!(settled.dropped, dropped, "{members}");
}

#[test]
fn parameters_go_where_the_server_wants_them() {
    check(
        r#""max_tokens":5,"temperature":0.5,"stop":"x""#,
        r#""options":{"num_predict":5,"temperature":0.5,"stop":["x"]}"#,
        &[],
    );
    check(r#""suffix":"}""#, r#""suffix":"}""#, &[]);
    check(r#""suffix":"""#, "", &[]);
    check(r#""raw":true"#, r#""raw":true"#, &[]);
    check(
        r#""logprobs":3"#,
        r#""logprobs":true,"top_logprobs":3"#,
        &[],
    );
    check(
        r#""logprobs":0"#,
        r#""logprobs":true,"top_logprobs":0"#,
        &[],
    );
    check(r#""think":false"#, r#""think":false"#, &[]);
    check(r#""reasoning_effort":"xhigh""#, r#""think":"max""#, &[]);
    check(
        r#""response_format":{"type":"json_object"},"keep_alive":"1h""#,
        r#""format":"json","keep_alive":"1h""#,
        &[],
    );
    check(r#""best_of":3,"n":1,"echo":true,"stream":false"#, "", &[]);
    check(
        r#""user":"u","logit_bias":{"1":2}"#,
        "",
        &["user", "logit_bias"],
    );
}

#[test]
fn case_27_each_prompt_is_a_call_of_its_own_in_order() {
    let settled = settle(&Setup::default(), r#"{"prompt":["a","","c"],"echo":true}"#).unwrap();
    let prompts: Vec<_> = settled
        .bodies
        .iter()
        .map(|(body, echo)| {
            (
                json(std::str::from_utf8(body).unwrap())["prompt"].clone(),
                echo.clone().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        prompts,
        [
            (json("\"a\""), "a".into()),
            (json("\"\""), String::new()),
            (json("\"c\""), "c".into())
        ]
    );
}

#[test]
fn what_cannot_be_completed_is_refused() {
    let check = |body: &str, code: &str, param: &str| {
        let setup = Setup {
            stream: body.contains("\"stream\":true"),
            ..Setup::default()
        };
        assert_eq!(
            refused(settle(&setup, body)),
            (code.into(), param.into()),
            "{body}"
        );
    };
    check("{}", "missing_required_parameter", "prompt");
    check(r#"{"prompt":null}"#, "missing_required_parameter", "prompt");
    check(r#"{"prompt":[]}"#, "empty_array", "prompt");
    check(r#"{"prompt":5}"#, "invalid_type", "prompt");
    check(r#"{"prompt":[1,2]}"#, "unsupported_value", "prompt");
    check(r#"{"prompt":[[1],[2]]}"#, "unsupported_value", "prompt");
    check(r#"{"prompt":["a",5]}"#, "invalid_type", "prompt[1]");
    check(r#"{"prompt":"\ud800"}"#, "invalid_value", "prompt");
    check(
        &format!(r#"{{"prompt":[{}"a"]}}"#, r#""a","#.repeat(128)),
        "array_above_max_length",
        "prompt",
    );
    check(
        r#"{"prompt":["a","b"],"stream":true}"#,
        "unsupported_value",
        "prompt",
    );
    check(r#"{"prompt":"a","n":2}"#, "unsupported_value", "n");
    check(
        r#"{"prompt":"a","logprobs":true}"#,
        "invalid_type",
        "logprobs",
    );
    check(r#"{"prompt":"a","suffix":5}"#, "invalid_type", "suffix");
    check(r#"{"prompt":"a","raw":1}"#, "invalid_type", "raw");
    check(r#"{"prompt":"a","echo":1}"#, "invalid_type", "echo");
}

#[test]
fn answers_become_choices_in_order() {
    let envelope = envelope("cmpl-1", ReasoningField::ReasoningContent);
    let names = Names::default();
    let mut completed = Completed::new(&envelope, &names);
    completed.add(br#"{"created_at":"2026-01-01T12:00:00Z","response":" \"b\"","done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":2}"#, Some("a\n")).unwrap();
    completed.add(br#"{"response":"","thinking":"hm","done":true,"done_reason":"length","prompt_eval_count":3,"eval_count":4}"#, None).unwrap();
    let written = completed.finish();
    assert_eq!(
        std::str::from_utf8(&written.json).unwrap(),
        concat!(
            r#"{"id":"cmpl-1","object":"text_completion","created":1767268800,"model":"fast","system_fingerprint":"fp_ollama","choices":["#,
            r#"{"index":0,"text":"a\n \"b\"","logprobs":null,"finish_reason":"stop"},"#,
            r#"{"index":1,"text":"","reasoning_content":"hm","logprobs":null,"finish_reason":"length"}],"#,
            r#""usage":{"prompt_tokens":4,"completion_tokens":6,"total_tokens":10}}"#,
        )
    );
    assert_eq!(
        written.usage,
        Some(TokenUsage {
            prompt: 4,
            completion: 6,
            ..TokenUsage::default()
        })
    );
}

#[test]
fn log_probabilities_have_the_form_of_completions() {
    let envelope = envelope("cmpl-1", ReasoningField::ReasoningContent);
    let names = Names::default();
    let mut completed = Completed::new(&envelope, &names);
    let native = r#"{"response":"éa","done":true,"logprobs":[{"token":"é","logprob":-0.5,"top_logprobs":[{"token":"x","logprob":-1.0}]},{"token":"a","logprob":-2}]}"#;
    completed.add(native.as_bytes(), Some("pi")).unwrap();
    let told = json(std::str::from_utf8(&completed.finish().json).unwrap());
    assert_eq!(
        told["choices"][0]["logprobs"],
        json(
            r#"{"tokens":["é","a"],"token_logprobs":[-0.5,-2],"top_logprobs":[{"x":-1.0},{}],"text_offset":[2,3]}"#
        )
    );
}

#[test]
fn if_one_answer_tells_no_usage_none_is_told() {
    let envelope = envelope("cmpl-1", ReasoningField::ReasoningContent);
    let names = Names::default();
    for order in [[0, 1], [1, 0]] {
        let answers = [
            r#"{"response":"a","done":true,"eval_count":2}"#,
            r#"{"response":"a","done":true}"#,
        ];
        let mut completed = Completed::new(&envelope, &names);
        for which in order {
            completed.add(answers[which].as_bytes(), None).unwrap();
        }
        assert_eq!(completed.finish().usage, None);
    }
}

#[test]
fn what_is_no_completion_is_a_failure() {
    let envelope = envelope("cmpl-1", ReasoningField::ReasoningContent);
    let names = Names::default();
    for native in [
        "{}",
        r#"{"error":"gone"}"#,
        r#"{"message":{"content":"a"}}"#,
        "<html>",
    ] {
        assert!(
            Completed::new(&envelope, &names)
                .add(native.as_bytes(), None)
                .is_err(),
            "{native}"
        );
    }
}
