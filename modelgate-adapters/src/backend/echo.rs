//! The built-in backend: says again what it was told, word by word, and counts it.

mod answer;
mod prompt;
mod stream;
mod vector;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use modelgate_domain::head::Encoding;
use modelgate_domain::{Endpoint, TokenUsage, json};
use modelgate_ports::driven::{
    Backend, BackendError, BackendFault, Call, Clock, Discovered, Reply, ReplyBody, Upstream,
};

use self::answer::Answers;
use self::prompt::Prompt;
use self::stream::EchoStream;
use super::joined::joined;

const DEFAULT_DIMENSIONS: u64 = 64;
const MOST_DIMENSIONS: u64 = 4096;

/// A model that needs no server, for demonstrations, load tests and clients' tests.
pub struct EchoBackend {
    clock: Arc<dyn Clock>,
}

impl EchoBackend {
    /// A backend whose answers are dated by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Backend for EchoBackend {
    #[tracing::instrument(name = "echo.send", skip_all)]
    async fn send<'a>(&self, call: Call<'a>) -> Result<Reply, BackendError> {
        let body = joined(call.body);
        let prompt = Prompt::read(call.head.endpoint, &body);
        let dropped = if call.head.tools {
            vec!["tools".to_owned()]
        } else {
            Vec::new()
        };
        let body = if call.head.endpoint == Endpoint::Embeddings {
            vectors(&call, &body, &prompt)?
        } else {
            let answers = Answers::new(&call, &prompt, self.clock.now().seconds());
            if call.head.stream {
                ReplyBody::Stream(Box::new(EchoStream::new(answers, call.head.include_usage)))
            } else {
                let (text, usage) = answers.whole();
                ReplyBody::Whole {
                    pieces: vec![Bytes::from(text)],
                    usage: Some(usage),
                }
            }
        };
        Ok(Reply { body, dropped })
    }

    async fn discover(&self, _: &Upstream) -> Result<Vec<Discovered>, BackendError> {
        let capabilities = ["completion", "embedding"].map(str::to_owned).to_vec();
        Ok(vec![Discovered {
            name: "echo".to_owned(),
            context_length: None,
            capabilities,
        }])
    }
}

fn vectors(call: &Call<'_>, body: &[u8], prompt: &Prompt) -> Result<ReplyBody, BackendError> {
    let dimensions = dimensions(body)?;
    let encoding = call.head.encoding.unwrap_or(Encoding::Float);
    let data: Vec<String> = prompt
        .texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector::written(text, dimensions, encoding);
            format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":{vector}}}")
        })
        .collect();
    let mut model = String::new();
    json::quote_into(call.shown_model, &mut model);
    let (tokens, data) = (prompt.tokens, data.join(","));
    let text = format!(
        "{{\"object\":\"list\",\"data\":[{data}],\"model\":{model},\
         \"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}}}"
    );
    let usage = TokenUsage {
        prompt: tokens,
        ..TokenUsage::default()
    };
    Ok(ReplyBody::Whole {
        pieces: vec![Bytes::from(text)],
        usage: Some(usage),
    })
}

fn dimensions(body: &[u8]) -> Result<u64, BackendError> {
    let [given] = json::members(body, &["dimensions"]).unwrap_or([None]);
    let Some(raw) = given.map(|at| &body[at]).filter(|raw| !json::is_null(raw)) else {
        return Ok(DEFAULT_DIMENSIONS);
    };
    let dimensions = json::unsigned(raw).filter(|given| (1..=MOST_DIMENSIONS).contains(given));
    dimensions.ok_or_else(|| {
        let fault = BackendFault::Request {
            status: 400,
            sent: false,
        };
        let message =
            format!("Invalid 'dimensions': expected an integer from 1 to {MOST_DIMENSIONS}.");
        let mut error = BackendError::new(fault, message);
        error.code = Some("invalid_value".to_owned());
        error.param = Some("dimensions".to_owned());
        error
    })
}

#[cfg(test)]
mod tests;
