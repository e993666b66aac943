//! Streams that fail, and those that are too long.

use modelgate_ports::driven::BackendFault;

use super::recorded::FAILURES;
use super::streams::chat;

#[test]
fn case_79_a_failure_in_mid_stream_is_an_error_and_not_an_end() {
    for stream in FAILURES {
        let told = chat(stream);
        let error = told
            .error
            .unwrap_or_else(|| panic!("{stream} seems complete"));
        assert_eq!(error.fault, BackendFault::Failed, "{stream}");
        assert!(!told.events.contains("finish_reason\":\""), "{stream}");
        assert_eq!(
            told.events.contains(r#"{"content":"a"}"#),
            stream.contains(r#""content":"a""#),
            "{stream}"
        );
    }
    assert_eq!(chat(FAILURES[0]).events, "");
    assert_eq!(
        chat(FAILURES[1]).error.unwrap().message,
        "model runner has stopped"
    );
    assert!(chat("").error.is_some());
}

#[test]
fn case_61_an_error_inside_of_an_error_is_unwrapped() {
    let inner = r#"{\"error\":{\"code\":400,\"message\":\"request (9 tokens) exceeds the available context size (4 tokens)\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9,\"n_ctx\":4}}"#;
    let error = chat(&format!("{{\"error\":\"{inner}\"}}\n")).error.unwrap();
    assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
    assert_eq!(
        error.message,
        "request (9 tokens) exceeds the available context size (4 tokens)"
    );
    assert!(matches!(
        error.fault,
        BackendFault::Request { status: 400, .. }
    ));
}

#[test]
fn case_78_a_long_line_is_taken_and_an_endless_one_is_not() {
    let line = |length: usize| {
        let start = r#"{"message":{"content":""#;
        let end = "\"},\"done\":true}\n";
        format!(
            "{start}{}{end}",
            "x".repeat(length - start.len() - end.len() + 1)
        )
    };
    let told = chat(&line(8 << 20));
    assert!(told.error.is_none() && told.events.len() > 8 << 20);
    assert!(chat(&line(16 << 20)).error.is_none());
    let told = chat(&line((16 << 20) + 1));
    assert_eq!(
        (told.error.unwrap().fault, told.events.as_str()),
        (BackendFault::Failed, "")
    );
}
