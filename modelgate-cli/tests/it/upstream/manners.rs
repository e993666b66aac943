//! What an unscripted upstream answers: "hello" with usage (5, 2), in the dialect of the path that was asked.

use serde_json::{Value, json};

use super::{
    Recorded, Script, ollama_chat, ollama_stream, openai_chat, openai_stream, replies, usage,
};

pub(super) fn answer(request: &Recorded) -> Script {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match (request.method.as_str(), request.bare_path()) {
        ("GET", "/v1/models") => reply(&json!({"object": "list", "data": [model()]})),
        ("GET", "/api/tags") => {
            reply(&json!({"models": [{"name": "upstream-model", "model": "upstream-model"}]}))
        }
        ("GET", "/health" | "/api/version") => reply(&json!({"status": "ok", "version": "0.0.0"})),
        ("POST", "/api/show") => {
            reply(&json!({"capabilities": ["completion", "tools"], "model_info": {}}))
        }
        ("POST", "/v1/chat/completions") if body["stream"] == true => {
            openai_stream(&["hel", "lo"], usage(5, 2))
        }
        ("POST", "/v1/chat/completions") => openai_chat("hello", usage(5, 2)),
        ("POST", "/v1/completions") if body["stream"] == true => completion_stream(),
        ("POST", "/v1/completions") => reply(&completion("hello", Some("stop"), &usage(5, 2))),
        ("POST", "/v1/embeddings") => reply(&embeddings()),
        ("POST", "/api/chat") if body["stream"] == false => ollama_chat("hello", 5, 2),
        ("POST", "/api/chat") => ollama_stream(&["hel", "lo"], 5, 2),
        ("POST", "/api/generate") => generated(body["stream"] != false),
        ("POST", "/api/embed") => reply(
            &json!({"model": "upstream-model", "embeddings": [[0.5, -0.5]], "prompt_eval_count": 5}),
        ),
        (method, path) => replies::json(
            404,
            &json!({"error": format!("no answer to {method} {path}")}).to_string(),
        ),
    }
}

fn reply(body: &Value) -> Script {
    replies::json(200, &body.to_string())
}

fn model() -> Value {
    json!({"id": "upstream-model", "object": "model", "created": 1_700_000_000, "owned_by": "upstream"})
}

fn completion(text: &str, finish_reason: Option<&str>, usage: &Value) -> Value {
    let choice =
        json!({"index": 0, "text": text, "logprobs": null, "finish_reason": finish_reason});
    json!({
        "id": "cmpl-up", "object": "text_completion", "created": 1_700_000_000, "model": "upstream-model",
        "choices": [choice], "usage": usage
    })
}

fn completion_stream() -> Script {
    let mut last = completion("", None, &usage(5, 2));
    last["choices"] = json!([]);
    let texts = [("hel", None), ("lo", Some("stop"))];
    let mut events: Vec<String> = texts
        .iter()
        .map(|(text, reason)| completion(text, *reason, &Value::Null).to_string())
        .collect();
    events.push(last.to_string());
    events.push("[DONE]".to_owned());
    replies::sse(&events)
}

fn embeddings() -> Value {
    let one = json!({"object": "embedding", "index": 0, "embedding": [0.5, -0.5]});
    json!({"object": "list", "data": [one], "model": "upstream-model", "usage": {"prompt_tokens": 5, "total_tokens": 5}})
}

fn generated(streamed: bool) -> Script {
    let line =
        |text: &str, done: bool| json!({"model": "upstream-model", "response": text, "done": done});
    let mut last = line(if streamed { "" } else { "hello" }, true);
    last["done_reason"] = "stop".into();
    last["prompt_eval_count"] = 5.into();
    last["eval_count"] = 2.into();
    if streamed {
        return replies::ndjson(&[
            line("hel", false).to_string(),
            line("lo", false).to_string(),
            last.to_string(),
        ]);
    }
    reply(&last)
}
