//! JSON answers as servers send them.

use modelgate_ports::driven::BackendFault;

use super::*;
use crate::backend::sample::{self, Asked};

fn ask(asked: &Asked, chunks: &[&str]) -> Result<(String, Option<TokenUsage>), BackendError> {
    let call = asked.call();
    let pieces: Vec<_> = chunks
        .iter()
        .map(|chunk| Bytes::copy_from_slice(chunk.as_bytes()))
        .collect();
    match reply(&pieces, &call, &Names::of(&call, None))? {
        ReplyBody::Whole { pieces, usage } => {
            Ok((String::from_utf8(pieces.concat()).unwrap(), usage))
        }
        ReplyBody::Stream(_) => panic!("a whole answer"),
    }
}

fn chat(chunks: &[&str]) -> Result<(String, Option<TokenUsage>), BackendError> {
    ask(&sample::chat(r#""model":"fast""#), chunks)
}

#[test]
fn case_50_unknown_members_pass_and_only_the_model_is_rewritten() {
    let document = r#"{"id":"x","model":"org/real","choices":[{"stop_reason":null,"message":{"model":"org/real","content":"hi"}}],"n":1e400,"kv_transfer_params":{"a":18446744073709551616},"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let (text, usage) = chat(&[document]).unwrap();
    assert_eq!(text, document.replacen("org/real", "fast", 1));
    assert_eq!(
        usage,
        Some(TokenUsage {
            prompt: 3,
            completion: 4,
            ..TokenUsage::default()
        })
    );
    for at in 0..document.len() {
        let (first, second) = document.split_at(at);
        assert_eq!(chat(&[first, second]).unwrap().0, text);
    }
}

#[test]
fn an_answer_that_needs_no_change_is_not_copied() {
    let asked = sample::chat(r#""model":"fast""#);
    let document = Bytes::from_static(b"\n{\"model\":\"fast\",\"choices\":[]}\n");
    let Ok(ReplyBody::Whole { pieces, usage }) = reply(
        std::slice::from_ref(&document),
        &asked.call(),
        &Names::default(),
    ) else {
        panic!("a whole answer")
    };
    assert_eq!(pieces, [document.slice(1..document.len() - 1)]);
    assert_eq!((pieces[0].as_ptr(), usage), (document[1..].as_ptr(), None));
}

#[test]
fn case_51_blank_lines_before_the_json_are_dropped() {
    assert_eq!(
        chat(&["\n", "\r\n  ", "{\"a\":1}\n"]).unwrap().0,
        "{\"a\":1}"
    );
    assert_eq!(chat(&["\u{feff}{\"a\":1}"]).unwrap().0, "{\"a\":1}");
}

#[test]
fn case_52_an_error_with_a_good_status_is_an_error() {
    let check = |document: &str, fault: BackendFault, message: &str| {
        let error = chat(&[document]).unwrap_err();
        assert_eq!(
            (error.fault, error.message.as_str(), error.begun),
            (fault, message, false),
            "{document}"
        );
    };
    let request = BackendFault::Request {
        status: 400,
        sent: true,
    };
    check(
        r#"{"error":{"message":"boom"}}"#,
        BackendFault::Failed,
        "boom",
    );
    check(r#"{"error":"boom"}"#, BackendFault::Failed, "boom");
    check(
        r#"{"error":{"message":"maximum context length is 8"}}"#,
        request,
        "maximum context length is 8",
    );
    check(
        r#"{"object":"error","message":"boom","code":400}"#,
        request,
        "boom",
    );
    assert!(chat(&[r#"{"error":null,"choices":[]}"#]).is_ok());
}

#[test]
fn case_53_what_is_no_json_object_is_an_error() {
    let long = "<html>".repeat(1000);
    for document in [
        "",
        "\n \n",
        "<html></html>",
        "{\"choices\":[",
        "[]",
        "null",
        "{}{}",
        &long,
    ] {
        let error = chat(&[document]).unwrap_err();
        assert_eq!(error.fault, BackendFault::Failed);
        assert_eq!(error.message, "the model server's answer is no JSON object");
        assert!(error.begun);
    }
}

#[test]
fn usage_comes_from_where_it_is() {
    let usage = |document: &str| {
        chat(&[document])
            .unwrap()
            .1
            .map(|usage| (usage.prompt, usage.completion))
    };
    assert_eq!(
        usage(r#"{"usage":null,"timings":{"prompt_n":2,"predicted_n":3}}"#),
        Some((2, 3))
    );
    assert_eq!(
        usage(
            r#"{"usage":{"prompt_tokens":1,"completion_tokens":1},"timings":{"prompt_n":2,"predicted_n":3}}"#
        ),
        Some((1, 1))
    );
    assert_eq!(
        usage(r#"{"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}}"#),
        Some((1, 2))
    );
    assert_eq!(
        usage(r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1}}"#),
        None
    );
    assert_eq!(usage("{}"), None);
}

#[test]
fn case_28_vectors_have_the_form_that_was_asked_for() {
    let floats = r#"{"object":"list","data":[{"embedding":[1.0,2.0],"index":0}],"model":"org/real","usage":{"prompt_tokens":2,"total_tokens":2}}"#;
    let base64 = r#"{"object":"list","data":[{"embedding":"AACAPwAAAEA=","index":0}],"model":"org/real","usage":{"prompt_tokens":2,"total_tokens":2}}"#;
    let check = |asked: &str, document: &str, expected: &str| {
        let body = format!("{{\"model\":\"fast\",\"input\":\"x\"{asked}}}");
        let asked = sample::asked(Endpoint::Embeddings, &body);
        let (text, usage) = ask(&asked, &[document]).unwrap();
        assert_eq!(text, expected.replace("org/real", "fast"));
        assert_eq!(
            usage,
            Some(TokenUsage {
                prompt: 2,
                ..TokenUsage::default()
            })
        );
    };
    for document in [floats, base64] {
        check(r#","encoding_format":"base64""#, document, base64);
        check(r#","encoding_format":"float""#, document, floats);
        check("", document, floats);
    }
}
