//! Calls as the gateway makes them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use modelgate_adapters::backend::{OpenAiBackend, OpenAiConfig, Transport, TransportConfig};
use modelgate_domain::head::{self, Head};
use modelgate_domain::{BackendKind, BaseUrl, Endpoint, Model, ModelId, Secret, Target, TargetId};
use modelgate_ports::driven::{Backend, BackendError, Call, Reply, ReplyBody, ReplyStream};
use modelgate_ports::test_util::sample::{NOON, new_model, request_id};

/// A request and where it goes.
pub(crate) struct Ask {
    pub(crate) head: Head,
    pub(crate) body: Vec<Bytes>,
    pub(crate) model: Model,
    pub(crate) target: Target,
    pub(crate) output_limit: Option<u64>,
}

impl Ask {
    pub(crate) fn new(endpoint: Endpoint, url: &str, body: &str) -> Self {
        let new = new_model("fast");
        let target = Target {
            id: TargetId(1),
            kind: BackendKind::Vllm,
            base_url: Some(BaseUrl::parse(BackendKind::Vllm, url).expect("a good address")),
            upstream_name: "org/real".to_owned(),
            credential: None,
            priority: 0,
        };
        let model = Model {
            id: ModelId(1),
            name: new.name,
            aliases: Vec::new(),
            enabled: true,
            tiers: Vec::new(),
            options: new.options,
            context_length: None,
            capabilities: Vec::new(),
            targets: vec![target.clone()],
            created_at: new.created_at,
        };
        Self {
            head: head::read(endpoint, body.as_bytes()).expect("a good body"),
            body: vec![Bytes::copy_from_slice(body.as_bytes())],
            model,
            target,
            output_limit: None,
        }
    }

    /// A chat that wants a whole answer.
    pub(crate) fn chat(url: &str) -> Self {
        Self::new(
            Endpoint::Chat,
            url,
            r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#,
        )
    }

    /// A chat that wants a stream.
    pub(crate) fn stream(url: &str) -> Self {
        let body = r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
        Self::new(Endpoint::Chat, url, body)
    }

    pub(crate) fn with_credential(mut self, credential: &str) -> Self {
        self.target.credential = Secret::new(credential);
        self
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            request: request_id(NOON, 1),
            head: &self.head,
            body: &self.body,
            shown_model: "fast",
            model: &self.model,
            target: &self.target,
            output_limit: self.output_limit,
        }
    }

    /// Sends it and reads the whole answer, be it a document or a stream.
    pub(crate) async fn send(&self, backend: &OpenAiBackend) -> Result<String, BackendError> {
        match backend.send(self.call()).await?.body {
            ReplyBody::Whole { pieces, .. } => Ok(text(&pieces.concat())),
            ReplyBody::Stream(mut stream) => {
                let (text, end) = drain(&mut *stream).await;
                end.map(|()| text)
            }
        }
    }

    /// Sends it and returns the stream, with its first event in it.
    pub(crate) async fn open(
        &self,
        backend: &OpenAiBackend,
    ) -> Result<Box<dyn ReplyStream>, BackendError> {
        let Reply { body, .. } = backend.send(self.call()).await?;
        match body {
            ReplyBody::Stream(stream) => Ok(stream),
            ReplyBody::Whole { .. } => panic!("a stream"),
        }
    }
}

/// All that a stream still gives, and how it ends.
pub(crate) async fn drain(stream: &mut dyn ReplyStream) -> (String, Result<(), BackendError>) {
    let mut all = String::new();
    loop {
        match next(stream).await {
            Ok(Some(frame)) => all.push_str(&frame),
            Ok(None) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

pub(crate) async fn next(stream: &mut dyn ReplyStream) -> Result<Option<String>, BackendError> {
    let frame = std::future::poll_fn(|context| stream.poll_frame(context)).await?;
    Ok(frame.map(|frame| text(&frame.bytes)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

pub(crate) fn backend() -> OpenAiBackend {
    backend_with(TransportConfig::default())
}

pub(crate) fn backend_with(config: TransportConfig) -> OpenAiBackend {
    let transport = Arc::new(Transport::new(config).expect("good settings"));
    OpenAiBackend::new(transport, OpenAiConfig::new(BackendKind::Vllm))
}

/// Timers short enough to wait for.
pub(crate) fn impatient() -> TransportConfig {
    let short = Duration::from_millis(300);
    TransportConfig {
        first_event: short,
        idle: short,
        answer: short,
        ..TransportConfig::default()
    }
}

/// An event with one word for the first choice.
pub(crate) fn delta(word: &str) -> String {
    format!(
        "data: {{\"model\":\"org/real\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The same as the client sees it.
pub(crate) fn shown(word: &str) -> String {
    delta(word).replace("org/real", "fast")
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";
