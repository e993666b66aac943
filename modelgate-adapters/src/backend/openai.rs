//! OpenAI-compatible servers: the client's own bytes go out with a few members changed, theirs come back the same way.

mod discover;
mod edit;
mod finish;
mod frames;
mod media;
mod normalize;
mod outline;
mod relay;
mod splice;
mod stream;
mod template;
mod translate;
mod usage;
mod vectors;
mod whole;

use std::sync::Arc;

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use modelgate_domain::head::Rewrite;
use modelgate_domain::{BackendKind, BaseUrl, Endpoint, Secret};
use modelgate_ports::driven::{
    Backend, BackendError, BackendFault, Call, Discovered, Reply, ReplyBody, Upstream,
};

pub use self::media::ImagePolicy;
use super::error::{self, Names};
use super::transport::{Answer, Outgoing, Transport};

/// Largest JSON answer that is taken.
const MOST_JSON: usize = 32 * 1024 * 1024;

/// One kind of OpenAI-compatible server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAiConfig {
    /// Which kind: decides the name of an injected output limit.
    pub kind: BackendKind,
    /// The configured server and its credential. Targets without one of their own get it if, and only if, they have
    /// the same origin.
    pub server: Option<(BaseUrl, Option<Secret>)>,
    /// Repair streams whose deltas repeat roles, names and ids, or lack the index of a tool call.
    pub normalize: bool,
    /// Ask for usage in streams. Off for servers that refuse `stream_options`.
    pub ask_usage: bool,
    /// Which images and files may be passed on.
    pub images: ImagePolicy,
}

impl OpenAiConfig {
    /// The defaults for a kind, without a server of its own.
    pub fn new(kind: BackendKind) -> Self {
        Self {
            kind,
            server: None,
            normalize: kind == BackendKind::Api3,
            ask_usage: true,
            images: ImagePolicy::Allow,
        }
    }
}

/// Speaks to servers of one kind.
pub struct OpenAiBackend {
    transport: Arc<Transport>,
    config: OpenAiConfig,
}

impl OpenAiBackend {
    /// Sets a backend up; connects to nothing.
    pub fn new(transport: Arc<Transport>, config: OpenAiConfig) -> Self {
        Self { transport, config }
    }

    fn outgoing<'a>(
        &'a self,
        call: &Call<'a>,
        credential: Option<&'a Secret>,
    ) -> Result<Outgoing<'a>, BackendError> {
        let head = call.head;
        let base_url = call.target.base_url.as_ref().ok_or_else(no_address)?;
        let edits = head.edits(&Rewrite {
            model: &call.target.upstream_name,
            ask_usage: self.config.ask_usage,
            output_limit: call
                .output_limit
                .map(|limit| (self.limit_name(head.endpoint), limit)),
            encoding: None,
        });
        Ok(Outgoing {
            method: Method::POST,
            url: format!("{base_url}{}", path(head.endpoint)),
            credential,
            request_id: Some(call.request),
            body: splice::spliced(call.body, edits),
            stream: head.stream,
            accept: if head.stream {
                "text/event-stream"
            } else {
                "application/json"
            },
        })
    }

    fn limit_name(&self, endpoint: Endpoint) -> &'static str {
        match (self.config.kind, endpoint) {
            (BackendKind::OpenAi, Endpoint::Chat) => "max_completion_tokens",
            _ => "max_tokens",
        }
    }

    fn credential<'a>(
        &'a self,
        own: Option<&'a Secret>,
        base_url: Option<&BaseUrl>,
    ) -> Option<&'a Secret> {
        own.or_else(|| {
            let (server, credential) = self.config.server.as_ref()?;
            let is_its_own = server.origin() == base_url?.origin();
            credential.as_ref().filter(|_| is_its_own)
        })
    }
}

#[async_trait]
impl Backend for OpenAiBackend {
    #[tracing::instrument(name = "openai.send", skip_all)]
    async fn send<'a>(&self, call: Call<'a>) -> Result<Reply, BackendError> {
        media::check(&self.config.images, call.body)?;
        let target = call.target;
        let credential = self.credential(target.credential.as_ref(), target.base_url.as_ref());
        let answer = self
            .transport
            .send(self.outgoing(&call, credential)?)
            .await?;
        let names = Names::of(&call, credential);
        if !answer.status.is_success() {
            return Err(error::from_answer(answer, &names).await);
        }
        let body = if call.head.stream && !is_json(&answer.headers) {
            let relay = relay::Relay::new(&call, names, self.config.normalize);
            ReplyBody::Stream(stream::open(answer.body, relay).await?)
        } else {
            whole(answer, &call, &names).await?
        };
        Ok(Reply {
            body,
            dropped: Vec::new(),
        })
    }

    #[tracing::instrument(name = "openai.discover", skip_all)]
    async fn discover(&self, server: &Upstream) -> Result<Vec<Discovered>, BackendError> {
        discover::discover(self, server).await
    }
}

async fn whole(answer: Answer, call: &Call<'_>, names: &Names) -> Result<ReplyBody, BackendError> {
    // What answers a stream with a page or a document has not begun one: another server may.
    let begun = |failure: BackendError| BackendError {
        begun: failure.begun && !call.head.stream,
        ..failure
    };
    let pieces = answer.body.whole(MOST_JSON).await;
    let pieces = pieces.map_err(|failure| begun(error::begun(failure)))?;
    let reply = whole::reply(&pieces, call, names).map_err(begun)?;
    if call.head.stream {
        let what = "the model server did not answer with a stream";
        return Err(error::nonsense(what, "JSON"));
    }
    Ok(reply)
}

/// A stream that was asked for and is none: mostly an error with the wrong status.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    let starts_with = |kind: &[u8]| {
        content_type
            .get(..kind.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(kind))
    };
    starts_with(b"application/json") || starts_with(b"text/html")
}

fn path(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Chat => "/chat/completions",
        Endpoint::Completions => "/completions",
        Endpoint::Embeddings => "/embeddings",
    }
}

fn no_address() -> BackendError {
    BackendError::new(BackendFault::Unreachable, "the model has no server address")
}
