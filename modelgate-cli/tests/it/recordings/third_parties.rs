//! Streams of servers that write events in their own ways.

use super::{Recording, events};

const ROLE: &str =
    r#"{"id":"t","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":"é"}}]}"#;
const TEXT: &str = r#"{"id":"t","model":"up","choices":[{"index":0,"delta":{"content":"b: c"}}]}"#;
const FINISH: &str =
    r#"{"id":"t","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

pub(super) fn all() -> Vec<Recording> {
    vec![
        Recording::new(
            "api3",
            "CRLF",
            events("\r\n", &[ROLE, TEXT, FINISH, "[DONE]"]),
        ),
        Recording::new("api3", "CR", events("\r", &[ROLE, TEXT, FINISH, "[DONE]"])),
        Recording::new("api3", "every field and comments", every_field()),
        Recording::new("api3", "mixed ends, two lines, no end", mixed()),
        Recording::new("api3", "an empty first chunk", azure()).asking_for_usage(),
        Recording::new("api3", "repeated roles, no index", careless()),
        Recording::new("api3", "an error among the choices", error_chunk()).failing(),
    ]
}

fn every_field() -> String {
    let events = [ROLE, TEXT, FINISH, "[DONE]"].iter().enumerate();
    let written = events.map(|(number, data)| {
        format!(
            ": PROCESSING\r\n\r\nevent: chunk\r\nid: {number}\r\nretry: 9\r\ndata: {data}\r\n\r\n"
        )
    });
    written.collect()
}

fn mixed() -> String {
    let (left, right) = TEXT.split_once(",\"choices").expect("two members");
    format!(
        "\u{feff}data:{ROLE}\r\n\ndata:{left},\rdata: \"choices{right}\n\r\ndata: {FINISH}\r\rdata: [DONE]"
    )
}

fn azure() -> String {
    events(
        "\n",
        &[
            r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#,
            ROLE,
            FINISH,
            r#"{"model":"up","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
            "[DONE]",
        ],
    )
}

fn careless() -> String {
    events(
        "\n",
        &[
            r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]}}]}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"tool_calls"}]}"#,
            "[DONE]",
        ],
    )
}

fn error_chunk() -> String {
    events(
        "\n",
        &[
            ROLE,
            r#"{"model":"up","error":{"code":502,"message":"lost"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            "[DONE]",
        ],
    )
}
