//! The program under test, as an operator runs it: the real binary, a folder of its own, a free port.
//!
//! ```ignore
//! let gate = TestGate::start().await;
//! let gate = TestGate::with().env("MG_MAX_BODY_SIZE", "2048").start().await;
//! let key = gate.issue_key(json!({"name": "k", "quota": 10, "rate_limit": null})).await;
//! gate.add_model(json!({"name": "m", "backend_type": "vllm", "base_url": gate.upstream.url()})).await;
//! ```
//!
//! - `gate.upstream` is there from the start and unknown to the gateway until a model names it;
//!   `with_model("m", "vllm")` adds a model on it and issues a key without limits.
//! - `get`, `post`, `put`, `delete`, `call` begin a [`Call`]; `chat(&key, text)` and `chat_stream(&key, text)` are whole.
//! - `gate/process.rs`: `stop()`, `terminate()`, `kill9()`, `restart()`, output, memory.
//! - `gate/records.rs`: `rows()`, `row_of(&answer)`, `log_lines()`, `request_log(id)`, `assert_secret_absent(..)`.
//! - `gate/builder.rs`: settings, and `exit()` for a start that must fail.

mod builder;
mod process;
mod records;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Call, H2Client, RawClient, Stream};
use crate::upstream::Upstream;
use builder::GateBuilder;
use process::Process;
pub(crate) use records::log_field;

/// The configured admin key. Any text will do; this one is easy to find where it must not be.
pub(crate) const ADMIN_KEY: &str = "admin-canary-5f0c1b7e9d2a4863";

/// The credential that models of the kinds `openai` and `api3` have for their upstream.
pub(crate) const UPSTREAM_KEY: &str = "upstream-canary-c41d77aa";

pub(crate) struct TestGate {
    pub(crate) upstream: Upstream,
    builder: GateBuilder,
    folder: TempDir,
    process: Process,
    address: SocketAddr,
}

/// An issued key: pass it where a secret is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: i64,
    pub(crate) secret: String,
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.secret
    }
}

impl TestGate {
    /// A gate with the default settings of these tests (see `gate/builder.rs`).
    pub(crate) async fn start() -> Self {
        Self::with().start().await
    }

    pub(crate) fn with() -> GateBuilder {
        GateBuilder::new()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The data folder: database, key file, configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub(crate) fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        Call::new(self.address, method, path)
    }

    /// A GET with the admin key that must succeed.
    pub(crate) async fn admin(&self, path: &str) -> Value {
        self.get(path)
            .bearer(ADMIN_KEY)
            .send()
            .await
            .expect_status(200)
            .json()
    }

    pub(crate) async fn raw(&self) -> RawClient {
        RawClient::connect(self.address).await
    }

    pub(crate) async fn h2(&self) -> H2Client {
        H2Client::connect(self.address).await
    }

    /// `POST /admin/keys`.
    pub(crate) async fn issue_key(&self, form: Value) -> Key {
        let issued = self.create("/admin/keys", &form).await;
        let secret = issued["key"].as_str().expect("the secret, once").to_owned();
        Key {
            id: id_of(&issued),
            secret,
        }
    }

    /// A key without quota and rate limit.
    pub(crate) async fn free_key(&self, name: &str) -> Key {
        self.issue_key(json!({"name": name, "quota": null, "rate_limit": null}))
            .await
    }

    /// `POST /admin/models`; the id of the new model.
    pub(crate) async fn add_model(&self, form: Value) -> i64 {
        id_of(&self.create("/admin/models", &form).await)
    }

    /// Adds a model of the given kind on [`TestGate::upstream`], called `upstream-model` there, and issues a free key.
    pub(crate) async fn with_model(&self, name: &str, kind: &str) -> Key {
        self.add_model(self.model_form(name, kind)).await;
        self.free_key(&format!("key for {name}")).await
    }

    /// The form that [`TestGate::with_model`] sends, to be changed before it is sent.
    pub(crate) fn model_form(&self, name: &str, kind: &str) -> Value {
        let mut form = json!({"name": name, "backend_type": kind});
        if kind != "echo" {
            form["base_url"] = self.upstream.url().into();
            form["upstream_name"] = "upstream-model".into();
        }
        if matches!(kind, "openai" | "api3") {
            form["api_key"] = UPSTREAM_KEY.into();
        }
        form
    }

    /// A chat call on model `m`.
    pub(crate) async fn chat(&self, key: &Key, text: &str) -> Answer {
        self.chat_call(key, &chat_body("m", text)).send().await
    }

    /// A streamed chat call on model `m`.
    pub(crate) async fn chat_stream(&self, key: &Key, text: &str) -> Stream {
        let mut body = chat_body("m", text);
        body["stream"] = true.into();
        self.chat_call(key, &body).stream().await
    }

    pub(crate) fn chat_call(&self, key: &Key, body: &Value) -> Call {
        self.post("/v1/chat/completions").bearer(key).json(body)
    }

    async fn create(&self, path: &str, form: &Value) -> Value {
        let answer = self.post(path).bearer(ADMIN_KEY).json(form).send().await;
        answer.expect_status(201).json()
    }
}

/// The smallest chat body.
pub(crate) fn chat_body(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

fn id_of(created: &Value) -> i64 {
    created["id"]
        .as_i64()
        .unwrap_or_else(|| panic!("no id in {created}"))
}
