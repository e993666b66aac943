//! What the cases of answers and streams share: the same words from a server of each kind, and reading of failures.

use serde_json::{Value, json};

use crate::client::{Event, Refusal, Stream};
use crate::gate::{Key, TestGate, UPSTREAM_KEY, chat_body};
use crate::upstream::{
    Latch, Recorded, Script, Upstream, ndjson, ollama_chat, ollama_stream, openai_chat,
    openai_chunk, openai_stream, sse, usage,
};

/// The kinds whose server is scripted here: all but `echo`.
pub(crate) const SCRIPTED: [&str; 5] = ["vllm", "llamacpp", "openai", "api3", "ollama"];

/// Where a server of that kind is asked for a chat.
pub(crate) fn chat_path(kind: &str) -> &'static str {
    if kind == "ollama" {
        "/api/chat"
    } else {
        "/v1/chat/completions"
    }
}

/// A body that asks for a stream.
pub(crate) fn stream_body(model: &str) -> Value {
    let mut body = chat_body(model, "hi");
    body["stream"] = true.into();
    body
}

/// A whole answer as a server of that kind gives it, with 7 and 3 tokens.
pub(crate) fn whole(kind: &str, text: &str) -> Script {
    match kind {
        "ollama" => ollama_chat(text, 7, 3),
        _ => openai_chat(text, usage(7, 3)),
    }
}

/// A complete stream as a server of that kind sends it, with 7 and 3 tokens.
pub(crate) fn streamed(kind: &str, texts: &[&str]) -> Script {
    match kind {
        "ollama" => ollama_stream(texts, 7, 3),
        _ => openai_stream(texts, usage(7, 3)),
    }
}

/// The head of a stream of that kind; pieces come after it.
pub(crate) fn stream_head(kind: &str) -> Script {
    match kind {
        "ollama" => ndjson::<&str>(&[]),
        _ => sse::<&str>(&[]),
    }
}

/// One text of a stream that goes on, as it stands on the wire.
pub(crate) fn text_piece(kind: &str, text: &str) -> String {
    match kind {
        "ollama" => format!("{}\n", ollama_line(&json!({"content": text}))),
        _ => format!(
            "data: {}\n\n",
            openai_chunk(&json!({"content": text}), None)
        ),
    }
}

/// One line of Ollama in mid-stream; `message` needs no role.
pub(crate) fn ollama_line(message: &Value) -> String {
    let mut line = json!({
        "model": "upstream-model", "created_at": "2026-01-01T00:00:00.5Z",
        "message": {"role": "assistant", "content": ""}, "done": false
    });
    for (name, value) in message.as_object().expect("a message") {
        line["message"][name] = value.clone();
    }
    line.to_string()
}

/// The last line of Ollama, with 7 and 3 tokens.
pub(crate) fn ollama_last(done_reason: &str) -> String {
    let mut line: Value = serde_json::from_str(&ollama_line(&json!({}))).expect("a line");
    line["done"] = true.into();
    line["done_reason"] = done_reason.into();
    line["prompt_eval_count"] = 7.into();
    line["eval_count"] = 3.into();
    line.to_string()
}

/// A failure before any output, with the status and in the words of a server of that kind.
pub(crate) fn refusal(kind: &str, status: u16, message: &str) -> Script {
    let body = match kind {
        "ollama" => json!({"error": message}),
        "llamacpp" => json!({"error": {"code": status, "message": message, "type": "any"}}),
        "vllm" => {
            json!({"error": {"message": message, "type": "Any", "param": null, "code": status}})
        }
        _ => json!({"error": {"message": message, "type": "any", "param": null, "code": null}}),
    };
    crate::upstream::json(status, &body.to_string())
}

/// A failure in mid-stream, as a server of that kind sends it.
pub(crate) fn error_piece(kind: &str, message: &str) -> String {
    match kind {
        "ollama" => format!("{}\n", json!({"error": message})),
        _ => format!(
            "data: {}\n\n",
            json!({"error": {"message": message, "type": "server_error"}})
        ),
    }
}

impl TestGate {
    /// Adds a model of each scripted kind, named like its kind, all on [`TestGate::upstream`]; and a free key.
    pub(crate) async fn with_scripted_kinds(&self) -> Key {
        for kind in SCRIPTED {
            self.add_model(self.model_form(kind, kind)).await;
        }
        self.free_key("key for scripted kinds").await
    }

    /// From now on, chats with a server of that kind are answered like this.
    pub(crate) fn plays(&self, kind: &str, script: Script) {
        self.upstream.on(chat_path(kind), script);
    }

    /// Starts a stream with the model of that name.
    pub(crate) async fn stream_of(&self, key: &Key, model: &str) -> Stream {
        self.chat_call(key, &stream_body(model)).stream().await
    }

    /// Adds a model with two targets of that kind: [`TestGate::upstream`] first, then `second`.
    pub(crate) async fn add_pair(&self, name: &str, kind: &str, second: &Upstream) {
        let targets = [
            target(kind, &self.upstream.url(), 0),
            target(kind, &second.url(), 1),
        ];
        self.add_model(json!({"name": name, "targets": targets}))
            .await;
    }
}

impl Upstream {
    /// The chats it was asked for, without questions about its models.
    pub(crate) fn chats(&self) -> Vec<Recorded> {
        let mut calls = self.calls();
        calls.retain(|call| SCRIPTED.iter().any(|kind| call.path == chat_path(kind)));
        calls
    }

    /// Waits for so many chats, and gives the last.
    pub(crate) async fn wait_for_chat(&self, count: usize) -> Recorded {
        let what = format!("{count} chats");
        crate::wait::until(&what, || self.chats().len() >= count).await;
        self.chats().remove(count - 1)
    }
}

impl Stream {
    /// The id of the request.
    pub(crate) fn request_id(&self) -> String {
        self.header("x-request-id")
            .expect("an x-request-id")
            .to_owned()
    }

    /// Reads events until `text` was said.
    pub(crate) async fn until_said(&mut self, text: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while !crate::client::content_of(&events).ends_with(text) {
            let event = self.next().await;
            events.push(event.unwrap_or_else(|| panic!("{text:?} never came: {}", self.text())));
        }
        events
    }
}

/// Puts a latch behind each piece: what comes next waits until the test has seen what was before.
pub(crate) fn with_latches(head: Script, pieces: &[String]) -> (Script, Vec<Latch>) {
    let latches: Vec<Latch> = pieces.iter().map(|_| Latch::new()).collect();
    let steps = pieces.iter().zip(&latches);
    let script = steps.fold(head, |script, (piece, latch)| {
        script.piece(piece.clone()).hold(latch)
    });
    (script, latches)
}

/// The failure that ended a stream: the last event, the only one of its kind, and no `[DONE]`.
pub(crate) fn failure_of(events: &[Event]) -> Refusal {
    let shown: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
    let is_failure = |event: &&Event| event.data.starts_with("{\"error\":");
    assert_eq!(events.iter().filter(is_failure).count(), 1, "{shown:#?}");
    assert!(!events.iter().any(Event::is_done), "{shown:#?}");
    Refusal::read(&events.last().expect("an event").json())
}

/// A target of a model.
pub(crate) fn target(kind: &str, url: &str, priority: u32) -> Value {
    let mut form = json!({"backend_type": kind, "base_url": url, "upstream_name": "upstream-model", "priority": priority});
    if matches!(kind, "openai" | "api3") {
        form["api_key"] = UPSTREAM_KEY.into();
    }
    form
}
