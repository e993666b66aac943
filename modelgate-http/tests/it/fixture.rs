//! A gateway over fakes, with an admin, a user and a model that says what the test wrote down.

mod answer;
mod backend;
mod raw;
mod running;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use modelgate_domain::time::Zone;
use modelgate_domain::{BackendKind, KeyName, Role};
use modelgate_http::{Body, Inbound, ServerConfig, Service, handle};
use modelgate_ports::driven::{Backend, Catalog, Frame, KeyRecord};
use modelgate_ports::driving::console::KeyPatch;
use modelgate_ports::driving::{App, Backends, Policy, Ports};
use modelgate_ports::test_util::{
    FakeCatalog, FakeKeyStore, FakeLedger, FakeLimiter, ManualClock, ScriptedBackend,
    SeededEntropy, StreamStep, sample,
};
use serde_json::{Value, json};

pub(crate) use answer::Answer;
pub(crate) use backend::{FedBackend, PanickingBackend};
pub(crate) use raw::RawClient;
pub(crate) use running::{Running, until};

pub(crate) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
pub(crate) const CHAT: &str = "/v1/chat/completions";

pub(crate) struct Gate {
    pub(crate) app: App,
    pub(crate) service: Arc<Service>,
    pub(crate) backend: Arc<ScriptedBackend>,
    pub(crate) catalog: Arc<FakeCatalog>,
    pub(crate) ledger: Arc<FakeLedger>,
    pub(crate) admin: String,
    pub(crate) user: String,
}

impl Gate {
    pub(crate) async fn new() -> Self {
        Self::with(ServerConfig::default()).await
    }

    pub(crate) async fn with(config: ServerConfig) -> Self {
        let backend = Arc::new(ScriptedBackend::new());
        Self::over(config, Arc::clone(&backend) as Arc<dyn Backend>, backend).await
    }

    /// A gate whose model `m` is served by `served`.
    pub(crate) async fn over(
        config: ServerConfig,
        served: Arc<dyn Backend>,
        backend: Arc<ScriptedBackend>,
    ) -> Self {
        let clock = Arc::new(ManualClock::new());
        let ledger = Arc::new(FakeLedger::new(Zone::UTC));
        let catalog = Arc::new(FakeCatalog::new());
        catalog
            .insert(&sample::new_model("m"))
            .await
            .expect("the first of its name");
        let ports = Ports {
            keys: Arc::new(FakeKeyStore::new()),
            catalog: Arc::clone(&catalog) as Arc<dyn Catalog>,
            ledger: Arc::clone(&ledger) as _,
            usage: Arc::new(ledger.usage_log()),
            limiter: Arc::new(FakeLimiter::new(Arc::clone(&clock) as _)),
            backends: Backends::new().with(BackendKind::Vllm, served),
            clock,
            entropy: Arc::new(SeededEntropy::new(7)),
        };
        let app = App::new(ports, Policy::default());
        let admin = issue(&app, "root", Role::Admin, KeyPatch::default())
            .await
            .1;
        let free = KeyPatch {
            rpm: Some(None),
            quota: Some(None),
            ..KeyPatch::default()
        };
        let user = issue(&app, "user", Role::User, free).await.1;
        let service = Service::new(app.clone(), config);
        Self {
            app,
            service,
            backend,
            catalog,
            ledger,
            admin,
            user,
        }
    }

    /// A key of that name and what it may do.
    pub(crate) async fn key(&self, name: &str, role: Role, patch: KeyPatch) -> (KeyRecord, String) {
        issue(&self.app, name, role, patch).await
    }

    pub(crate) async fn respond(&self, request: Request<Inbound>) -> Response<Body> {
        handle(&self.service, PEER, request).await
    }

    pub(crate) async fn send(&self, request: Request<Inbound>) -> Answer {
        Answer::read(self.respond(request).await).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.send(call("GET", path, key, "")).await
    }

    pub(crate) async fn chat(&self, body: &Value) -> Answer {
        self.send(call("POST", CHAT, &self.user, &body.to_string()))
            .await
    }

    /// An admin call with that body.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(call(method, path, &self.admin, &body.to_string()))
            .await
    }
}

async fn issue(app: &App, name: &str, role: Role, patch: KeyPatch) -> (KeyRecord, String) {
    let name = KeyName::new(name).expect("a good name");
    let issued = app
        .console
        .issue_key(KeyPatch {
            name: Some(name),
            role: Some(role),
            ..patch
        })
        .await
        .expect("a key");
    (issued.record, issued.secret.reveal().to_owned())
}

/// A request with a bearer token (none if empty) and a JSON body (none if empty).
pub(crate) fn call(method: &str, path: &str, key: &str, body: &str) -> Request<Inbound> {
    let mut builder = Request::builder().method(method).uri(path);
    if !key.is_empty() {
        builder = builder.header("authorization", format!("Bearer {key}"));
    }
    if !body.is_empty() {
        builder = builder.header("content-type", "application/json");
    }
    builder
        .body(Bytes::copy_from_slice(body.as_bytes()).into())
        .expect("a request")
}

/// The smallest chat body.
pub(crate) fn chat_body() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
}

pub(crate) fn stream_body() -> Value {
    let mut body = chat_body();
    body["stream"] = true.into();
    body
}

/// One event with that text and one token of output.
pub(crate) fn event(text: &str) -> StreamStep {
    StreamStep::Frame(frame(text))
}

pub(crate) fn frame(text: &str) -> Frame {
    Frame {
        bytes: format!("data: {{\"text\":\"{text}\"}}\n\n").into(),
        usage: None,
        deltas: 1,
    }
}
