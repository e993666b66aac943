//! The models of a server, with what they can do.

use std::sync::Arc;
use std::time::Duration;

use modelgate_domain::{BaseUrl, Secret};
use modelgate_ports::driven::{BackendError, BackendFault, Discovered, Timer};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::capabilities::Capabilities;
use super::refusal::no_answer;
use super::server::Server;
use crate::backend::transport::Transport;

/// How long the list of models may take, and then all that is asked about them.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How many models are asked about at once.
const AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Tags {
    models: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    capabilities: Option<Vec<String>>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    context_length: Option<u64>,
}

/// A server to ask about several models at once.
#[derive(Clone)]
pub(super) struct Whereabouts {
    pub(super) transport: Arc<Transport>,
    pub(super) base: BaseUrl,
    pub(super) credential: Option<Secret>,
    pub(super) patience: Duration,
}

impl Whereabouts {
    fn server(&self) -> Server<'_> {
        Server {
            transport: &self.transport,
            base: &self.base,
            credential: self.credential.as_ref(),
        }
    }

    /// All models, in the server's order. A model about which nothing can be learned is listed all the same.
    pub(super) async fn models(&self) -> Result<Vec<Discovered>, BackendError> {
        let listing = timeout(self.patience, self.tags()).await;
        let tags = listing.unwrap_or_else(|_| Err(self.too_late()))?;
        let is_silent = |tag: &Tag| tag.capabilities.is_none() || tag.context_length().is_none();
        let silent: Vec<_> = (0..tags.len()).filter(|&at| is_silent(&tags[at])).collect();
        let mut found: Vec<_> = tags.into_iter().map(Discovered::from).collect();
        let learning = timeout(self.patience, self.learn(silent, &mut found));
        if learning.await.is_err() {
            tracing::debug!("some models were not asked in time what they can do");
        }
        Ok(found)
    }

    async fn tags(&self) -> Result<Vec<Tag>, BackendError> {
        let answer = self.server().document("/api/tags", None).await?;
        let tags: Tags = serde_json::from_slice(&answer).map_err(no_answer)?;
        Ok(tags.models.unwrap_or_default())
    }

    /// Asks about the models at these places. Dropped early, it keeps what came.
    async fn learn(&self, places: Vec<usize>, found: &mut [Discovered]) {
        let mut waiting = places.into_iter();
        let mut asking = JoinSet::new();
        loop {
            while asking.len() < AT_ONCE
                && let Some(place) = waiting.next()
            {
                let (here, name) = (self.clone(), found[place].name.clone());
                asking.spawn(async move { (place, here.ask(&name).await) });
            }
            match asking.join_next().await {
                Some(Ok((place, shown))) => complete(&mut found[place], shown),
                Some(Err(cause)) => tracing::error!(%cause, "asking about a model failed"),
                None => break,
            }
        }
    }

    async fn ask(&self, name: &str) -> Capabilities {
        let asked = Capabilities::ask(self.server(), name).await;
        asked.unwrap_or_else(|error| {
            tracing::debug!(
                model.upstream = name,
                error = &error as &dyn std::error::Error,
                "a model says nothing of itself"
            );
            Capabilities::default()
        })
    }

    fn too_late(&self) -> BackendError {
        BackendError::new(
            BackendFault::TimedOut(Timer::Answer),
            format!(
                "the model server did not list its models within {:?}",
                self.patience
            ),
        )
    }
}

impl Tag {
    fn context_length(&self) -> Option<u64> {
        self.details.as_ref()?.context_length
    }
}

impl From<Tag> for Discovered {
    fn from(tag: Tag) -> Self {
        Self {
            context_length: tag.context_length(),
            name: tag.name,
            capabilities: tag.capabilities.unwrap_or_default(),
        }
    }
}

fn complete(model: &mut Discovered, shown: Capabilities) {
    model.context_length = shown.context_length.or(model.context_length);
    if let Some(words) = shown.words {
        model.capabilities = words;
    }
}
