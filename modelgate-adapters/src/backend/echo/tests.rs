//! The echo as a backend.

use std::future::poll_fn;

use modelgate_ports::driven::ReplyStream;
use modelgate_ports::test_util::{ManualClock, sample::NOON};

use super::*;
use crate::backend::sample::{self, Asked};

async fn send(asked: &Asked) -> Result<Reply, BackendError> {
    EchoBackend::new(Arc::new(ManualClock::new()))
        .send(asked.call())
        .await
}

async fn whole(asked: &Asked) -> (serde_json::Value, TokenUsage) {
    match send(asked).await.unwrap().body {
        ReplyBody::Whole { pieces, usage } => (
            serde_json::from_slice(&pieces.concat()).unwrap(),
            usage.unwrap(),
        ),
        ReplyBody::Stream(_) => panic!("a whole answer"),
    }
}

/// The frames of a stream: their text, and the sum of deltas and the last usage.
async fn streamed(asked: &Asked) -> (Vec<String>, u32, TokenUsage) {
    let ReplyBody::Stream(mut stream) = send(asked).await.unwrap().body else {
        panic!("a stream")
    };
    let (mut frames, mut deltas, mut usage) = (Vec::new(), 0, None);
    while let Some(frame) = poll_fn(|context| ReplyStream::poll_frame(&mut *stream, context))
        .await
        .unwrap()
    {
        frames.push(String::from_utf8(frame.bytes.to_vec()).unwrap());
        deltas += frame.deltas;
        usage = frame.usage.or(usage);
    }
    (frames, deltas, usage.unwrap())
}

fn events(frames: &[String]) -> Vec<serde_json::Value> {
    let text = frames.concat();
    let json = |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    text.split_terminator("\n\n").map(json).collect()
}

fn said(members: &str) -> Asked {
    let body = format!(
        r#"{{"model":"fast","messages":[{{"role":"user","content":"one two three"}}]{members}}}"#
    );
    sample::asked(Endpoint::Chat, &body)
}

const fn usage(prompt: u64, completion: u64) -> TokenUsage {
    TokenUsage {
        prompt,
        cached: 0,
        completion,
        reasoning: 0,
    }
}

#[tokio::test]
async fn a_chat_is_answered_with_its_last_message() {
    let (answer, told) = whole(&said("")).await;
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "fast");
    assert_eq!(answer["created"], NOON.seconds());
    assert_eq!(answer["choices"][0]["message"]["content"], "one two three");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["total_tokens"], 6);
    assert_eq!(told, usage(3, 3));
}

#[tokio::test]
async fn a_limit_cuts_the_answer() {
    let (answer, told) = whole(&said(r#","max_completion_tokens":2"#)).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "one two");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(told, usage(3, 2));
    let injected = Asked {
        output_limit: Some(1),
        ..said("")
    };
    assert_eq!(whole(&injected).await.1, usage(3, 1));
}

#[tokio::test]
async fn a_stream_goes_word_by_word_and_tells_usage_to_those_who_asked() {
    let (frames, deltas, told) = streamed(&said(r#","stream":true"#)).await;
    assert_eq!((frames.len(), deltas, told), (5, 3, usage(3, 3)));
    let events = events(&frames);
    let text: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "one two three");
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[4]["choices"][0]["finish_reason"], "stop");
    assert!(events.iter().all(|event| event["object"] == "chat.completion.chunk" && event.get("usage").is_none()));
    let (frames, ..) = streamed(&said(
        r#","stream":true,"stream_options":{"include_usage":true}"#,
    ))
    .await;
    let last = self::events(&frames).pop().unwrap();
    assert_eq!(
        (
            last["choices"].as_array().map(Vec::len),
            &last["usage"]["total_tokens"]
        ),
        (Some(0), &6.into())
    );
}

#[tokio::test]
async fn every_prompt_has_n_answers() {
    let body = r#"{"model":"fast","prompt":["a","b c"],"n":2}"#;
    let (answer, told) = whole(&sample::asked(Endpoint::Completions, body)).await;
    let choices = answer["choices"].as_array().unwrap();
    let texts: Vec<_> = choices
        .iter()
        .map(|choice| {
            (
                choice["index"].as_u64().unwrap(),
                choice["text"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(texts, [(0, "a"), (1, "a"), (2, "b c"), (3, "b c")]);
    assert_eq!(
        (answer["object"].as_str(), told),
        (Some("text_completion"), usage(3, 6))
    );
    let streaming = body.replace("\"n\":2", "\"n\":2,\"stream\":true");
    let (frames, deltas, _) = streamed(&sample::asked(Endpoint::Completions, &streaming)).await;
    assert_eq!(deltas, 6);
    let ends = events(&frames)
        .iter()
        .filter(|event| event["choices"][0]["finish_reason"] == "stop")
        .count();
    assert_eq!(ends, 4);
}

#[tokio::test]
async fn inputs_become_vectors() {
    let ask = |members: &str| {
        sample::asked(
            Endpoint::Embeddings,
            &format!(r#"{{"model":"fast","input":["a","b c"]{members}}}"#),
        )
    };
    let (answer, told) = whole(&ask("")).await;
    assert_eq!(answer["data"][1]["embedding"].as_array().unwrap().len(), 64);
    assert_eq!(
        (answer["data"][1]["index"].as_u64(), told),
        (Some(1), usage(3, 0))
    );
    let (answer, _) = whole(&ask(r#","dimensions":3,"encoding_format":"base64""#)).await;
    assert_eq!(answer["data"][0]["embedding"].as_str().unwrap().len(), 16);
    for bad in ["0", "-1", "4097", "\"3\"", "1.5"] {
        let refused = send(&ask(&format!(",\"dimensions\":{bad}")))
            .await
            .err()
            .unwrap();
        assert_eq!(
            refused.fault,
            BackendFault::Request {
                status: 400,
                sent: false
            }
        );
        assert_eq!(refused.param.as_deref(), Some("dimensions"));
    }
}

#[tokio::test]
async fn tools_are_left_out_and_named() {
    let asked = said(r#","tools":[{"type":"function","function":{"name":"f"}}]"#);
    assert_eq!(send(&asked).await.unwrap().dropped, ["tools"]);
    assert!(send(&said("")).await.unwrap().dropped.is_empty());
}
