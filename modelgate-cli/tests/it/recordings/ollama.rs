//! Streams of Ollama: lines, not events.

use super::Recording;

const TEXT: &str = r#"{"model":"up","created_at":"2026-01-01T00:00:00.5Z","message":{"role":"assistant","content":"Grüße 😀"},"done":false}"#;
const LAST: &str = r#"{"model":"up","created_at":"2026-01-01T00:00:01Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":20,"eval_count":7}"#;
const THINKING: &str =
    r#"{"message":{"role":"assistant","content":"","thinking":"Let"},"done":false}"#;
const BOTH: &str =
    r#"{"message":{"role":"assistant","content":"Ok","thinking":"\u00e9"},"done":false}"#;
const CALL: &str = r#"{"message":{"role":"assistant","content":"","tool_calls":[{"id":"call_ab12cd34","function":{"index":0,"name":"w","arguments":{"c":"Rome", "n": 1.50}}}]},"done":false}"#;
const CALL_LAST: &str = r#"{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":"v","arguments":{}}}]},"done":true,"eval_count":7}"#;
const LENGTH: &str = r#"{"message":{"content":"a"},"logprobs":[{"token":"a","logprob":-0.25,"bytes":[97]}],"done":true,"done_reason":"length","eval_count":1}"#;
const GENERATED: &str = r#"{"model":"up","response":"Hi","thinking":"","done":false}"#;
const GENERATED_LAST: &str =
    r#"{"model":"up","response":"","done":true,"done_reason":"stop","context":[1],"eval_count":1}"#;
const ERROR: &str = r#"{"error":"model runner has stopped"}"#;

pub(super) fn all() -> Vec<Recording> {
    vec![
        Recording::new("ollama", "text", lines("\n", &[TEXT, LAST])).asking_for_usage(),
        Recording::new("ollama", "thinking", lines("\n", &[THINKING, BOTH, LAST])),
        Recording::new("ollama", "tools", lines("\n", &[CALL, CALL_LAST])),
        Recording::new(
            "ollama",
            "CRLF and blank lines",
            lines("\r\n\r\n \n", &[TEXT, LAST]),
        ),
        Recording::new("ollama", "length and logprobs", lines("\n", &[LENGTH])).asking_for_usage(),
        Recording::new(
            "ollama",
            "generated text",
            lines("\n", &[GENERATED, GENERATED_LAST]),
        )
        .legacy(),
        Recording::new("ollama", "error", lines("\n", &[TEXT, ERROR])).failing(),
        Recording::new("ollama", "error first", lines("\n", &[ERROR])).failing(),
    ]
}

fn lines(line_end: &str, lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, line_end]).collect()
}
