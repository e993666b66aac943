//! Streams: native lines in, OpenAI's events out.

use modelgate_domain::TokenUsage;
use modelgate_ports::driven::BackendError;
use serde_json::Value;

use super::recorded::{CHATS, PLAIN};
use super::{envelope, ids, json};
use crate::backend::error::Names;
use crate::backend::ollama::ReasoningField;
use crate::backend::ollama::chunks::Style;
use crate::backend::ollama::transcode::{Plan, Transcoder};

/// All that came out of a stream.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) events: String,
    pub(super) usage: Option<TokenUsage>,
    pub(super) deltas: u32,
    pub(super) error: Option<BackendError>,
}

impl Told {
    /// The JSON of each event.
    pub(super) fn chunks(&self) -> Vec<Value> {
        let event = |event: &str| {
            json(
                event
                    .strip_prefix("data: ")
                    .unwrap_or_else(|| panic!("{event}")),
            )
        };
        self.events.split_terminator("\n\n").map(event).collect()
    }

    /// What is special about each chunk of a chat: delta and reason.
    fn deltas(&self) -> Vec<String> {
        let told = |chunk: Value| match &chunk["choices"][0] {
            Value::Null => chunk["usage"].to_string(),
            choice if choice["finish_reason"].is_null() => choice["delta"].to_string(),
            choice => format!("{} {}", choice["delta"], choice["finish_reason"]),
        };
        self.chunks().into_iter().map(told).collect()
    }
}

pub(super) fn plan(style: Style, tells_usage: bool) -> Plan {
    let envelope = envelope("chatcmpl-1", ReasoningField::ReasoningContent);
    Plan {
        style,
        envelope,
        ids: ids(),
        names: Names::default(),
        tells_usage,
        echo: None,
    }
}

pub(super) fn run(plan: Plan, pieces: &[&[u8]]) -> Told {
    let mut transcoder = Transcoder::new(plan);
    let mut told = Told::default();
    let mut frames: Vec<_> = pieces.iter().map(|piece| transcoder.push(piece)).collect();
    frames.push(transcoder.finish());
    for frame in frames {
        told.events
            .push_str(std::str::from_utf8(&frame.bytes).unwrap());
        told.usage = frame.usage.or(told.usage);
        told.deltas += frame.deltas;
    }
    told.error = transcoder.outcome().expect("it has ended").err();
    told
}

pub(super) fn chat(stream: &str) -> Told {
    run(plan(Style::Chat, false), &[stream.as_bytes()])
}

/// Checks what is special about each chunk of a complete chat.
fn check(stream: &str, expected: &[&str]) {
    let told = chat(stream);
    assert!(told.error.is_none(), "{:?}", told.error);
    assert_eq!(told.deltas(), expected, "{stream}");
}

const ROLE: &str = r#"{"role":"assistant","content":""}"#;
const STOP: &str = r#"{} "stop""#;

#[test]
fn case_63_a_plain_stream_is_written_exactly_like_this() {
    let chunk = |delta: &str, reason: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1767268800,\"model\":\"fast\",\
             \"system_fingerprint\":\"fp_ollama\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let told = chat(PLAIN);
    let expected = [
        chunk(ROLE, "null"),
        chunk(r#"{"content":"He"}"#, "null"),
        chunk(r#"{"content":"llo"}"#, "null"),
        chunk("{}", "\"stop\""),
    ];
    assert_eq!(told.events, expected.concat());
    assert_eq!(
        told.usage,
        Some(TokenUsage {
            prompt: 20,
            completion: 7,
            ..TokenUsage::default()
        })
    );
    assert_eq!(told.deltas, 2);
}

#[test]
fn case_64_usage_comes_once_if_it_was_asked_for() {
    let told = run(plan(Style::Chat, true), &[PLAIN.as_bytes()]);
    let chunks = told.chunks();
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json("[]"));
    assert_eq!(
        last["usage"],
        json(r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27}"#)
    );
    assert!(
        others
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
    assert!(
        chat(PLAIN)
            .chunks()
            .iter()
            .all(|chunk| chunk.get("usage").is_none())
    );
}

#[test]
fn the_worked_example_of_the_protocol_comes_in_as_written() {
    let line = |message: &str| {
        format!(
            "{{\"model\":\"qwen3:8b\",\"created_at\":\"2026-01-01T12:00:00Z\",\"message\":{message},\"done\":false}}\n"
        )
    };
    let stream = [
        line(r#"{"role":"assistant","content":"","thinking":"Let"}"#),
        line(r#"{"role":"assistant","content":"Ok"}"#),
        line(r#"{"role":"assistant","content":"","tool_calls":[{"id":"call_ab12cd34","function":{"index":0,"name":"w","arguments":{"c":"Rome"}}}]}"#),
        r#"{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":9,"prompt_eval_count":20,"eval_count":7}"#.into(),
    ]
    .concat();
    let told = run(plan(Style::Chat, true), &[stream.as_bytes()]);
    assert_eq!(
        told.deltas(),
        [
            ROLE,
            r#"{"reasoning_content":"Let"}"#,
            r#"{"content":"Ok"}"#,
            r#"{"tool_calls":[{"index":0,"id":"call_ab12cd34","type":"function","function":{"name":"w","arguments":"{\"c\":\"Rome\"}"}}]}"#,
            r#"{} "tool_calls""#,
            r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27}"#,
        ]
    );
    assert!(told.error.is_none());
}

#[test]
fn id_time_and_model_are_the_same_in_all_chunks() {
    for stream in CHATS {
        let chunks = chat(stream).chunks();
        for chunk in &chunks {
            assert_eq!(
                (&chunk["id"], &chunk["model"]),
                (&json("\"chatcmpl-1\""), &json("\"fast\""))
            );
            assert_eq!(chunk["created"], chunks[0]["created"], "{stream}");
        }
    }
    assert_eq!(chat(CHATS[1]).chunks()[0]["created"], json("1767265200"));
    assert_eq!(chat(CHATS[2]).chunks()[0]["created"], json("1767268800"));
}

#[test]
fn case_80_calls_are_numbered_as_they_arrive() {
    let calls = |stream: &str| -> Vec<(u64, String, String)> {
        let chunks = chat(stream).chunks();
        let calls = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0].as_object());
        calls
            .map(|call| {
                assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()));
                let function = &call["function"];
                (
                    call["index"].as_u64().unwrap(),
                    function["name"].as_str().unwrap().into(),
                    function["arguments"].as_str().unwrap().into(),
                )
            })
            .collect()
    };
    let call =
        |index: u64, name: &str, arguments: &str| (index, name.to_owned(), arguments.to_owned());
    assert_eq!(
        calls(CHATS[3]),
        [call(0, "a", "{}"), call(1, "b", r#"{"x":[1,2.50]}"#)]
    );
    assert_eq!(
        calls(CHATS[4]),
        [
            call(0, "a", r#"{"n":9007199254740993}"#),
            call(1, "b", "{}"),
            call(2, "c", "{}")
        ]
    );
    assert_eq!(calls(CHATS[17]), [call(0, "fé", r#"{"a": 1}"#)]);
    assert!(
        chat(CHATS[3])
            .events
            .contains(r#""finish_reason":"tool_calls""#)
    );
    assert!(
        chat(CHATS[4])
            .events
            .contains(r#""finish_reason":"length""#)
    );
}

#[test]
fn ids_of_calls_that_have_none_are_unique() {
    let chunks = chat(CHATS[3]).chunks();
    let ids: std::collections::HashSet<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(
        ids.iter()
            .all(|id| id.starts_with("call_") && id.len() == 29),
        "{ids:?}"
    );
}

#[test]
fn case_81_thoughts_come_before_words_and_nothing_is_an_answer_too() {
    check(
        CHATS[1],
        &[
            ROLE,
            r#"{"reasoning_content":"Let"}"#,
            r#"{"reasoning_content":" me"}"#,
            r#"{"content":"Ok"}"#,
            STOP,
        ],
    );
    check(CHATS[5], &[ROLE, STOP]);
    check(CHATS[11], &[ROLE, STOP]);
}

#[test]
fn thoughts_have_the_name_that_was_configured() {
    let names = |reasoning| {
        let envelope = envelope("x", reasoning);
        let plan = Plan {
            envelope,
            ..plan(Style::Chat, false)
        };
        run(plan, &[CHATS[1].as_bytes()]).deltas()[1].clone()
    };
    assert_eq!(
        names(ReasoningField::ReasoningContent),
        r#"{"reasoning_content":"Let"}"#
    );
    assert_eq!(names(ReasoningField::Reasoning), r#"{"reasoning":"Let"}"#);
    assert_eq!(
        names(ReasoningField::Both),
        r#"{"reasoning_content":"Let","reasoning":"Let"}"#
    );
}

#[test]
fn text_stays_what_it_was() {
    let contents: String = chat(CHATS[9])
        .chunks()
        .iter()
        .filter_map(|chunk| {
            chunk["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(contents, "né 中 😀 😀 <b> \"q\" \\ \n\t\0\u{2028}é\u{2028}");
}

#[test]
fn log_probabilities_ride_on_their_chunk() {
    let chunks = chat(CHATS[12]).chunks();
    assert_eq!(
        chunks[1]["choices"][0]["logprobs"],
        json(
            r#"{"content":[{"token":"Hi","logprob":-0.10,"bytes":[72,105],"top_logprobs":[{"token":"Hi","logprob":-0.10,"bytes":[72,105]},
            {"token":"Ho","logprob":-2.5,"bytes":null}]}],"refusal":null}"#
        )
    );
    assert_eq!(chunks[2]["choices"][0]["delta"], json(r#"{"content":""}"#));
    assert_eq!(
        chunks[2]["choices"][0]["logprobs"]["content"][0]["logprob"],
        json("-1e-7")
    );
    let chunks = chat(CHATS[13]).chunks();
    let tokens: Vec<_> = chunks
        .iter()
        .map(|chunk| chunk["choices"][0]["logprobs"]["content"][0]["token"].as_str())
        .collect();
    assert_eq!(tokens, [None, Some("hm"), None, Some("a"), None]);
}
