//! Streams of legacy completions.

use super::json;
use super::recorded::COMPLETIONS;
use super::streams::{plan, run};
use crate::backend::ollama::chunks::Style;
use crate::backend::ollama::transcode::Plan;

#[test]
fn completions_have_chunks_of_their_own() {
    let told = run(plan(Style::Completion, true), &[COMPLETIONS[0].as_bytes()]);
    let chunk = |choice: &str, usage: &str| {
        json(&format!(
            r#"{{"id":"chatcmpl-1","object":"text_completion","created":1767268800,"model":"fast","system_fingerprint":"fp_ollama","choices":[{choice}],"usage":{usage}}}"#
        ))
    };
    let choice = |text: &str, reason: &str| {
        format!(r#"{{"index":0,"text":"{text}","logprobs":null,"finish_reason":{reason}}}"#)
    };
    assert_eq!(
        told.chunks(),
        [
            chunk(&choice("He", "null"), "null"),
            chunk(&choice("llo", "null"), "null"),
            chunk(&choice("", "\"stop\""), "null"),
            chunk(
                "",
                r#"{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}"#
            ),
        ]
    );
    assert_eq!(told.deltas, 2);
}

#[test]
fn completions_tell_thoughts_and_log_probabilities_too() {
    let chunks = run(plan(Style::Completion, false), &[COMPLETIONS[1].as_bytes()]).chunks();
    let choice =
        r#"{"index":0,"text":"","reasoning_content":"hm","logprobs":null,"finish_reason":null}"#;
    assert_eq!(chunks[0]["choices"][0], json(choice));
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "length");

    let echo = Some("π?".to_owned());
    let chunks = run(
        Plan {
            echo,
            ..plan(Style::Completion, false)
        },
        &[COMPLETIONS[2].as_bytes()],
    )
    .chunks();
    assert_eq!(chunks[0]["choices"][0]["text"], "π?");
    assert_eq!(
        chunks[1]["choices"][0]["logprobs"],
        json(
            r#"{"tokens":["é"],"token_logprobs":[-0.5],"top_logprobs":[{"é":-0.5,"e":-1}],"text_offset":[2]}"#
        )
    );
    assert_eq!(
        chunks[2]["choices"][0]["logprobs"],
        json(r#"{"tokens":["!"],"token_logprobs":[-0.25],"top_logprobs":[{}],"text_offset":[3]}"#)
    );
}
