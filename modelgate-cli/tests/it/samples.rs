//! Good requests to begin with: every backend kind, every POST route. Cases change one thing and send it.

use serde_json::{Value, json};

use crate::gate::{Key, TestGate, chat_body};

/// All backend kinds.
pub(crate) const KINDS: [&str; 6] = ["vllm", "llamacpp", "openai", "api3", "ollama", "echo"];

/// The kinds that get the client's own bytes.
pub(crate) const PASS_THROUGH: [&str; 4] = ["vllm", "llamacpp", "openai", "api3"];

/// The routes that take a body, each with a good one for the given model.
pub(crate) fn post_routes(model: &str) -> [(&'static str, Value); 3] {
    [
        ("/v1/chat/completions", chat_body(model, "hi")),
        ("/v1/completions", json!({"model": model, "prompt": "hi"})),
        ("/v1/embeddings", json!({"model": model, "input": "hi"})),
    ]
}

impl TestGate {
    /// One model of every kind, named like its kind, all on [`TestGate::upstream`]; and a free key.
    pub(crate) async fn with_all_kinds(&self) -> Key {
        for kind in KINDS {
            self.add_model(self.model_form(kind, kind)).await;
        }
        self.free_key("key for all kinds").await
    }
}
