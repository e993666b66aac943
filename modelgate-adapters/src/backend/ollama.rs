//! Ollama, spoken natively: its OpenAI layer loses errors, options and thoughts.

mod answer;
mod calls;
mod capabilities;
mod chat;
mod chunks;
mod completed;
mod completion;
mod content;
mod discover;
mod dropped;
mod embedding;
mod envelope;
mod exchange;
mod format;
mod ids;
mod line;
mod lines;
mod locate;
mod messages;
mod native_request;
mod options;
mod parameters;
mod read;
mod refusal;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod think;
mod tools;
mod transcode;

use std::sync::Arc;

use async_trait::async_trait;
use modelgate_domain::{BackendKind, BaseUrl, Endpoint, Secret, Target};
use modelgate_ports::driven::{
    Backend, BackendError, BackendFault, Call, Clock, Discovered, Entropy, Reply, Upstream,
};

use self::capabilities::CapabilityCache;
use self::discover::Whereabouts;
use self::exchange::Exchange;
use super::transport::Transport;

/// Settings of the adapter.
#[derive(Debug, Clone, Default)]
pub struct OllamaConfig {
    /// The server of models without an address of their own, and its credential, which goes to that origin only.
    pub server: Option<(BaseUrl, Option<Secret>)>,
    /// Under which name clients see what a model thinks.
    pub reasoning_field: ReasoningField,
    /// Refuse parameters that cannot be passed on, instead of leaving them out.
    pub strict: bool,
}

/// Under which name clients see what a model thinks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReasoningField {
    /// `reasoning_content`, which most clients know.
    #[default]
    ReasoningContent,
    /// `reasoning`.
    Reasoning,
    /// Both of them.
    Both,
}

/// Ollama's native API behind OpenAI's bodies.
pub struct OllamaBackend {
    transport: Arc<Transport>,
    config: OllamaConfig,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    openai: Arc<dyn Backend>,
    capabilities: CapabilityCache,
}

impl OllamaBackend {
    /// A backend that speaks natively, except for models whose options say otherwise: those go to `openai`.
    pub fn new(
        transport: Arc<Transport>,
        config: OllamaConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        openai: Arc<dyn Backend>,
    ) -> Self {
        let capabilities = CapabilityCache::new(Arc::clone(&clock));
        Self {
            transport,
            config,
            clock,
            entropy,
            openai,
            capabilities,
        }
    }

    /// The address of a target, and the credential that goes there.
    fn reach<'a>(
        &'a self,
        target: &'a Target,
    ) -> Result<(&'a BaseUrl, Option<&'a Secret>), BackendError> {
        let own = self.config.server.as_ref();
        let Some(base) = target.base_url.as_ref().or(own.map(|(base, _)| base)) else {
            return Err(BackendError::new(
                BackendFault::Unreachable,
                "the model has no server",
            ));
        };
        Ok((
            base,
            target
                .credential
                .as_ref()
                .or_else(|| self.own_credential(base)),
        ))
    }

    /// The adapter's own credential, unless the address is somebody else's.
    fn own_credential(&self, base: &BaseUrl) -> Option<&Secret> {
        let (own, credential) = self.config.server.as_ref()?;
        credential
            .as_ref()
            .filter(|_| own.origin() == base.origin())
    }

    /// By the server's OpenAI layer. It reads no output limit but `max_tokens`, so every other one is sent under that name.
    async fn send_to_openai_layer(&self, call: Call<'_>) -> Result<Reply, BackendError> {
        let (base, credential) = self.reach(call.target)?;
        let base = BaseUrl::parse(BackendKind::Api3, base.as_str())
            .map_err(|error| BackendError::new(BackendFault::Unreachable, error.to_string()))?;
        let target = Target {
            base_url: Some(base),
            credential: credential.cloned(),
            ..call.target.clone()
        };
        let output_limit = call.output_limit.or(call.head.max_output);
        self.openai
            .send(Call {
                target: &target,
                output_limit,
                ..call
            })
            .await
    }
}

#[async_trait]
impl Backend for OllamaBackend {
    #[tracing::instrument(name = "ollama.send", skip_all)]
    async fn send<'a>(&self, call: Call<'a>) -> Result<Reply, BackendError> {
        if call.model.options.openai_api {
            return self.send_to_openai_layer(call).await;
        }
        let exchange = Exchange::new(self, call)?;
        match call.endpoint() {
            Endpoint::Chat => exchange.chat().await,
            Endpoint::Completions => exchange.completions().await,
            Endpoint::Embeddings => exchange.embeddings().await,
        }
    }

    #[tracing::instrument(name = "ollama.discover", skip_all)]
    async fn discover(&self, server: &Upstream) -> Result<Vec<Discovered>, BackendError> {
        let credential = server
            .credential
            .clone()
            .or_else(|| self.own_credential(&server.base_url).cloned());
        let whereabouts = Whereabouts {
            transport: Arc::clone(&self.transport),
            base: server.base_url.clone(),
            credential,
            patience: discover::PATIENCE,
        };
        whereabouts.models().await
    }
}
