//! The models of a server, with what they can do.

use std::sync::Arc;

use modelgate_domain::{BaseUrl, Secret};
use modelgate_ports::driven::{BackendError, Discovered};
use serde::Deserialize;
use tokio::task::JoinSet;

use super::capabilities::Capabilities;
use super::refusal::no_answer;
use super::server::Server;
use crate::backend::transport::Transport;

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

#[derive(Default, Deserialize)]
struct Details {
    context_length: Option<u64>,
}

/// A server to ask about several models at once.
#[derive(Clone)]
pub(super) struct Whereabouts {
    pub(super) transport: Arc<Transport>,
    pub(super) base: BaseUrl,
    pub(super) credential: Option<Secret>,
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
        let answer = self.server().document("/api/tags", None).await?;
        let tags: Tags = serde_json::from_slice(&answer).map_err(no_answer)?;
        let mut waiting = tags.models.unwrap_or_default().into_iter().enumerate();
        let mut found = Vec::new();
        let mut asking = JoinSet::new();
        loop {
            while asking.len() < AT_ONCE
                && let Some((place, tag)) = waiting.next()
            {
                let here = self.clone();
                asking.spawn(async move { (place, here.learn(tag).await) });
            }
            match asking.join_next().await {
                Some(learned) => found.push(learned.map_err(no_answer)?),
                None => break,
            }
        }
        found.sort_by_key(|(place, _)| *place);
        Ok(found.into_iter().map(|(_, model)| model).collect())
    }

    async fn learn(&self, tag: Tag) -> Discovered {
        let context_length = tag.details.unwrap_or_default().context_length;
        let shown = match (&tag.capabilities, context_length) {
            (Some(_), Some(_)) => Capabilities::default(),
            _ => Capabilities::ask(self.server(), &tag.name)
                .await
                .unwrap_or_else(|error| {
                    tracing::debug!(
                        model.upstream = tag.name,
                        error = &error as &dyn std::error::Error,
                        "a model says nothing of itself"
                    );
                    Capabilities::default()
                }),
        };
        Discovered {
            name: tag.name,
            context_length: shown.context_length.or(context_length),
            capabilities: shown.words.or(tag.capabilities).unwrap_or_default(),
        }
    }
}
