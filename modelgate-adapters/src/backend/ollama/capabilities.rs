//! What models can do, asked with `POST /api/show` and remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use modelgate_domain::time::Monotonic;
use modelgate_ports::driven::{BackendError, Clock};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::refusal::{no_answer, unwritable};
use super::server::Server;

/// How long an answer counts. A model that is pulled anew under its name rarely learns something.
const FRESH: Duration = Duration::from_secs(600);

/// How long a failure counts: long enough not to ask with each request, short enough not to be noticed.
const FAILED: Duration = Duration::from_secs(15);

/// How long a client waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// More models than any server has; the oldest knowledge gives way.
const MOST: usize = 1024;

/// What a model can do and how much it can read, as far as the server told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) words: Option<Vec<String>>,
    pub(super) context_length: Option<u64>,
}

#[derive(Deserialize)]
struct Show<'a> {
    capabilities: Option<Vec<String>>,
    #[serde(borrow)]
    model_info: Option<HashMap<String, &'a RawValue>>,
}

impl Capabilities {
    /// Whether the model can do that; `None` when nobody knows.
    pub(super) fn can(&self, word: &str) -> Option<bool> {
        self.words
            .as_ref()
            .map(|words| words.iter().any(|known| known == word))
    }

    /// What the catalog says, for when the server says nothing.
    pub(super) fn from_catalog(words: &[String]) -> Self {
        Self {
            words: (!words.is_empty()).then(|| words.to_vec()),
            context_length: None,
        }
    }

    /// Reads the answer of `/api/show`.
    pub(super) fn parse(show: &[u8]) -> Result<Self, BackendError> {
        let show: Show<'_> = serde_json::from_slice(show).map_err(no_answer)?;
        let context_length = show.model_info.as_ref().and_then(context_length);
        Ok(Self {
            words: show.capabilities,
            context_length,
        })
    }

    /// Asks the server. This does not load the model.
    pub(super) async fn ask(server: Server<'_>, name: &str) -> Result<Self, BackendError> {
        let body = serde_json::to_vec(&HashMap::from([("model", name)])).map_err(unwritable)?;
        let asked = tokio::time::timeout(PATIENCE, server.document("/api/show", Some(body)));
        let answer = asked.await.unwrap_or_else(|late| Err(no_answer(late)))?;
        Self::parse(&answer)
    }
}

fn context_length(info: &HashMap<String, &RawValue>) -> Option<u64> {
    let architecture: String =
        serde_json::from_str(info.get("general.architecture")?.get()).ok()?;
    info.get(&format!("{architecture}.context_length"))?
        .get()
        .parse()
        .ok()
}

/// Answers by server and model.
pub(super) struct CapabilityCache {
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<(String, String), Known>>,
}

#[derive(Clone)]
struct Known {
    until: Monotonic,
    /// `None` after a failure.
    answer: Option<Arc<Capabilities>>,
}

impl CapabilityCache {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            known: Mutex::default(),
        }
    }

    /// What the model can do: remembered, asked, or `None` if the server does not say.
    pub(super) async fn of(&self, server: Server<'_>, name: &str) -> Option<Arc<Capabilities>> {
        let key = (server.base.as_str().to_owned(), name.to_owned());
        if let Some(known) = self.remembered(&key) {
            return known.answer;
        }
        let answer = match Capabilities::ask(server, name).await {
            Ok(answer) => Some(Arc::new(answer)),
            Err(error) => {
                tracing::debug!(
                    model.upstream = name,
                    error = &error as &dyn std::error::Error,
                    "capabilities are unknown"
                );
                None
            }
        };
        self.remember(key, answer.clone());
        answer
    }

    fn remembered(&self, key: &(String, String)) -> Option<Known> {
        let now = self.clock.monotonic();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|known| known.until > now).cloned()
    }

    fn remember(&self, key: (String, String), answer: Option<Arc<Capabilities>>) {
        let now = self.clock.monotonic();
        let until = now.after(if answer.is_some() { FRESH } else { FAILED });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&key) {
            let oldest = known
                .iter()
                .min_by_key(|(_, known)| known.until)
                .map(|(key, _)| key.clone());
            oldest.and_then(|oldest| known.remove(&oldest));
        }
        known.insert(key, Known { until, answer });
    }
}
