//! Ready-made answers of the dialects. All are plain scripts: add headers, pauses, cuts as you like.

use serde_json::{Value, json};

use super::Script;

/// Token counts as OpenAI-compatible backends tell them.
pub(crate) fn usage(prompt: u64, completion: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

/// A JSON answer of exact text.
pub(crate) fn json(status: u16, body: &str) -> Script {
    Script::status(status)
        .header("content-type", "application/json")
        .piece(body.to_owned())
}

/// A non-stream chat answer.
pub(crate) fn openai_chat(content: &str, usage: Value) -> Script {
    let message = json!({"role": "assistant", "content": content, "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    let mut body = json!({
        "id": "chatcmpl-up", "object": "chat.completion", "created": 1_700_000_000, "model": "upstream-model",
        "choices": [choice]});
    body["usage"] = usage;
    json(200, &body.to_string())
}

/// A chat stream: role chunk, one chunk per text, finish chunk, usage chunk (`null` = none), `[DONE]`.
pub(crate) fn openai_stream(texts: &[&str], usage: Value) -> Script {
    let mut events = vec![openai_chunk(
        &json!({"role": "assistant", "content": ""}),
        None,
    )];
    events.extend(
        texts
            .iter()
            .map(|text| openai_chunk(&json!({"content": text}), None)),
    );
    events.push(openai_chunk(&json!({}), Some("stop")));
    if !usage.is_null() {
        let mut chunk: Value = serde_json::from_str(&events[0]).expect("a chunk");
        chunk["choices"] = json!([]);
        chunk["usage"] = usage;
        events.push(chunk.to_string());
    }
    events.push("[DONE]".to_owned());
    sse(&events)
}

/// The JSON of one chat chunk, for streams put together by hand: `sse(&[openai_chunk(..), ..])`.
pub(crate) fn openai_chunk(delta: &Value, finish_reason: Option<&str>) -> String {
    let choice =
        json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
    let chunk = json!({
        "id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "upstream-model",
        "choices": [choice]
    });
    chunk.to_string()
}

/// A chunked event stream, one chunk on the wire per event.
pub(crate) fn sse<S: AsRef<str>>(data: &[S]) -> Script {
    let script = Script::status(200)
        .header("content-type", "text/event-stream")
        .chunked();
    data.iter().fold(script, |script, data| {
        script.piece(format!("data: {}\n\n", data.as_ref()))
    })
}

/// A chunked stream of lines as Ollama sends it.
pub(crate) fn ndjson<S: AsRef<str>>(lines: &[S]) -> Script {
    let script = Script::status(200)
        .header("content-type", "application/x-ndjson")
        .chunked();
    lines.iter().fold(script, |script, line| {
        script.piece(format!("{}\n", line.as_ref()))
    })
}

/// A non-stream answer of Ollama's `/api/chat`.
pub(crate) fn ollama_chat(content: &str, prompt: u64, completion: u64) -> Script {
    let mut body = ollama_end(prompt, completion);
    body["message"]["content"] = content.into();
    json(200, &body.to_string())
}

/// A stream of Ollama's `/api/chat`: one line per text and the closing line with the counts.
pub(crate) fn ollama_stream(texts: &[&str], prompt: u64, completion: u64) -> Script {
    let mut lines: Vec<String> = texts
        .iter()
        .map(|text| ollama_line(text).to_string())
        .collect();
    lines.push(ollama_end(prompt, completion).to_string());
    ndjson(&lines)
}

fn ollama_line(content: &str) -> Value {
    json!({
        "model": "upstream-model", "created_at": "2026-01-01T00:00:00.000000Z",
        "message": {"role": "assistant", "content": content}, "done": false
    })
}

fn ollama_end(prompt: u64, completion: u64) -> Value {
    let mut line = ollama_line("");
    line["done"] = true.into();
    line["done_reason"] = "stop".into();
    line["total_duration"] = 5_000_000.into();
    line["load_duration"] = 1_000_000.into();
    line["prompt_eval_count"] = prompt.into();
    line["prompt_eval_duration"] = 1_000_000.into();
    line["eval_count"] = completion.into();
    line["eval_duration"] = 1_000_000.into();
    line
}
