//! Embeddings, both ways.

use modelgate_domain::TokenUsage;
use modelgate_ports::driven::{BackendError, BackendFault};

use super::{Setup, json, refused};
use crate::backend::error::Names;
use crate::backend::ollama::answer::Written;
use crate::backend::ollama::embedding::{Embedding, Settled, VectorForm, embedded};
use crate::backend::ollama::read::members;

fn settle(body: &str) -> Result<Settled, BackendError> {
    let setup = Setup::default();
    Embedding::read(members(body.as_bytes())?, setup.strict)?.settle(setup.asked())
}

fn answer(native: &str, inputs: usize, form: VectorForm) -> Result<Written, BackendError> {
    let settled = Settled {
        body: Vec::new(),
        inputs,
        form,
        dropped: Vec::new(),
    };
    embedded(native.as_bytes(), &settled, "fast", &Names::default())
}

#[test]
fn case_28_texts_are_taken_and_tokens_are_not() {
    let check = |members: &str, expected: &str, dropped: &[&str]| {
        let settled = settle(&format!(r#"{{"model":"fast",{members}}}"#)).unwrap();
        let expected = format!(r#"{{"model":"qwen3:8b","truncate":false,{expected}}}"#);
        assert_eq!(
            json(std::str::from_utf8(&settled.body).unwrap()),
            json(&expected),
            "{members}"
        );
        assert_eq!(settled.dropped, dropped, "{members}");
    };
    check(r#""input":"a\n""#, r#""input":["a\n"]"#, &[]);
    check(
        r#""input":["a","b"],"dimensions":256"#,
        r#""input":["a","b"],"dimensions":256"#,
        &[],
    );
    check(
        r#""input":"a","encoding_format":"base64","user":"u""#,
        r#""input":["a"]"#,
        &["user"],
    );
    check(
        r#""input":"a","keep_alive":"5m","options":{"num_ctx":512}"#,
        r#""input":["a"],"keep_alive":"5m","options":{"num_ctx":512}"#,
        &[],
    );
}

#[test]
fn what_cannot_be_embedded_is_refused() {
    let check = |body: &str, code: &str, param: &str| {
        assert_eq!(refused(settle(body)), (code.into(), param.into()), "{body}");
    };
    check("{}", "missing_required_parameter", "input");
    check(r#"{"input":[]}"#, "empty_array", "input");
    check(r#"{"input":5}"#, "invalid_type", "input");
    check(r#"{"input":[1,2]}"#, "unsupported_value", "input");
    check(r#"{"input":[[1],[2]]}"#, "unsupported_value", "input");
    check(r#"{"input":["a",{}]}"#, "invalid_type", "input[1]");
    check(
        r#"{"input":"a","encoding_format":"hex"}"#,
        "invalid_value",
        "encoding_format",
    );
    check(
        r#"{"input":"a","encoding_format":5}"#,
        "invalid_type",
        "encoding_format",
    );
    check(
        r#"{"input":"a","dimensions":0}"#,
        "integer_below_min_value",
        "dimensions",
    );
    check(
        &format!(r#"{{"input":[{}"a"]}}"#, r#""a","#.repeat(2048)),
        "array_above_max_length",
        "input",
    );
}

#[test]
fn vectors_are_numbers_with_the_servers_own_digits() {
    let written = answer(r#"{"model":"m","embeddings":[[0.010071029,-1e-3,1],[0.5]],"total_duration":1,"prompt_eval_count":8}"#, 2, VectorForm::Numbers).unwrap();
    assert_eq!(
        std::str::from_utf8(&written.json).unwrap(),
        concat!(
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.010071029,-1e-3,1]},"#,
            r#"{"object":"embedding","index":1,"embedding":[0.5]}],"model":"fast","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
        )
    );
    assert_eq!(
        written.usage,
        Some(TokenUsage {
            prompt: 8,
            ..TokenUsage::default()
        })
    );
}

#[test]
fn case_28_base64_is_of_little_endian_floats() {
    let written = answer(r#"{"embeddings":[[1.0,-2,0.1]]}"#, 1, VectorForm::Base64).unwrap();
    // 1.0 = 3f800000, -2.0 = c0000000, 0.1 = 3dcccccd
    assert_eq!(
        json(std::str::from_utf8(&written.json).unwrap())["data"][0]["embedding"],
        "AACAPwAAAMDNzMw9"
    );
    assert_eq!(written.usage, None);
}

#[test]
fn case_29_two_thousand_inputs_keep_their_order() {
    let vectors: Vec<String> = (0..2048).map(|index| format!("[{index}]")).collect();
    let written = answer(
        &format!(r#"{{"embeddings":[{}]}}"#, vectors.join(",")),
        2048,
        VectorForm::Numbers,
    )
    .unwrap();
    let told = json(std::str::from_utf8(&written.json).unwrap());
    for index in [0, 1, 999, 2047] {
        assert_eq!(told["data"][index]["index"], index);
        assert_eq!(told["data"][index]["embedding"][0], index);
    }
    let inputs: Vec<String> = (0..2048).map(|index| format!("\"{index}\"")).collect();
    let settled = settle(&format!(r#"{{"input":[{}]}}"#, inputs.join(","))).unwrap();
    assert_eq!(settled.inputs, 2048);
}

#[test]
fn what_is_no_embedding_is_a_failure() {
    for native in [
        "{}",
        r#"{"embeddings":[]}"#,
        r#"{"embeddings":[[1],[2]]}"#,
        r#"{"embeddings":["x"]}"#,
        r#"{"embeddings":[[true]]}"#,
        "<html>",
        r#"{"error":"gone"}"#,
    ] {
        for form in [VectorForm::Numbers, VectorForm::Base64] {
            assert_eq!(
                answer(native, 1, form).unwrap_err().fault,
                BackendFault::Failed,
                "{native}"
            );
        }
    }
    let error = answer(
        r#"{"error":"the input length exceeds the context length"}"#,
        1,
        VectorForm::Numbers,
    )
    .unwrap_err();
    assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
}
