//! Which models a server offers.

use std::time::Duration;

use http::Method;
use modelgate_domain::BackendKind;
use modelgate_ports::driven::{BackendError, BackendFault, Discovered, Timer, Upstream};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::error::{self, Names, nonsense};
use super::super::transport::Outgoing;
use super::OpenAiBackend;

/// A server that lists its models has them at hand.
const LIMIT: Duration = Duration::from_secs(10);
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Asks `GET /models`, and a llama.cpp that does not tell its context there, `GET /props`.
pub(super) async fn discover(
    backend: &OpenAiBackend,
    server: &Upstream,
) -> Result<Vec<Discovered>, BackendError> {
    match tokio::time::timeout(LIMIT, ask(backend, server)).await {
        Ok(found) => found,
        Err(_) => Err(BackendError::new(
            BackendFault::TimedOut(Timer::Answer),
            format!("the model server did not list its models within {LIMIT:?}"),
        )),
    }
}

async fn ask(backend: &OpenAiBackend, server: &Upstream) -> Result<Vec<Discovered>, BackendError> {
    let list: List = get(backend, server, format!("{}/models", server.base_url)).await?;
    let mut found = list.discovered();
    let is_silent = |model: &Discovered| model.context_length.is_none();
    if server.kind == BackendKind::LlamaCpp && found.iter().any(is_silent) {
        let root = root(server.base_url.as_str());
        // A server that does not tell has no worse models.
        if let Ok(props) = get::<Props>(backend, server, format!("{root}/props")).await {
            props.complete(&mut found);
        }
    }
    Ok(found)
}

async fn get<T: DeserializeOwned>(
    backend: &OpenAiBackend,
    server: &Upstream,
    url: String,
) -> Result<T, BackendError> {
    let credential = backend.credential(server.credential.as_ref(), Some(&server.base_url));
    let request = Outgoing {
        method: Method::GET,
        url,
        credential,
        request_id: None,
        body: Vec::new(),
        stream: false,
        accept: "application/json",
    };
    let answer = backend.transport.send(request).await?;
    if !answer.status.is_success() {
        let names = Names::of_server(&server.base_url, credential);
        return Err(error::from_answer(answer, &names).await);
    }
    let body = answer.body.whole(MOST_BYTES).await?.concat();
    serde_json::from_slice(body.trim_ascii())
        .map_err(|cause| nonsense("the model server's list of models makes no sense", cause))
}

/// The address without its version segment, below which llama.cpp's own routes are.
fn root(base_url: &str) -> &str {
    base_url.rsplit_once('/').map_or(base_url, |(root, _)| root)
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Vec<Item>,
    /// llama.cpp's second list, in Ollama's form.
    #[serde(default)]
    models: Vec<Card>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    max_model_len: Option<u64>,
    context_length: Option<u64>,
    context_window: Option<u64>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    n_ctx: Option<u64>,
}

#[derive(Deserialize)]
struct Card {
    #[serde(default)]
    name: String,
    #[serde(default)]
    capabilities: Vec<String>,
}

#[derive(Deserialize)]
struct Props {
    default_generation_settings: Option<Meta>,
    modalities: Option<Modalities>,
}

#[derive(Deserialize)]
struct Modalities {
    #[serde(default)]
    vision: bool,
    #[serde(default)]
    audio: bool,
}

impl List {
    fn discovered(self) -> Vec<Discovered> {
        let Self { data, models } = self;
        let capabilities = |name: &str| {
            let card = models.iter().find(|card| card.name == name);
            card.map(|card| card.capabilities.clone())
                .unwrap_or_default()
        };
        data.into_iter()
            .filter(|item| !item.id.trim().is_empty())
            .map(|item| Discovered {
                capabilities: capabilities(&item.id),
                context_length: item.context(),
                name: item.id,
            })
            .collect()
    }
}

impl Item {
    fn context(&self) -> Option<u64> {
        let meta = || self.meta.as_ref().and_then(|meta| meta.n_ctx);
        let told = self
            .max_model_len
            .or(self.context_length)
            .or(self.context_window);
        told.or_else(meta).filter(|context| *context > 0)
    }
}

impl Modalities {
    fn names(self) -> Vec<String> {
        let told = [("vision", self.vision), ("audio", self.audio)];
        told.into_iter()
            .filter(|(_, has)| *has)
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}

impl Props {
    fn complete(self, found: &mut [Discovered]) {
        let context = self
            .default_generation_settings
            .and_then(|settings| settings.n_ctx);
        let senses = self.modalities.map(Modalities::names).unwrap_or_default();
        for model in found {
            model.context_length = model.context_length.or(context);
            let known = std::mem::take(&mut model.capabilities);
            let news = senses
                .iter()
                .filter(|sense| !known.contains(sense))
                .cloned();
            model.capabilities = known.iter().cloned().chain(news).collect();
        }
    }
}
