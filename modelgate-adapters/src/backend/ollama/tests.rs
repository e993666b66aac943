//! The adapter against tables of requests, recorded streams, and a server that says what the test wrote down.

mod abilities;
mod answers;
mod begun;
mod chats;
mod completing;
mod completions;
mod embeddings;
mod failing;
mod fake;
mod models;
mod options;
mod recorded;
mod refused;
mod schemas;
mod splits;
mod streams;
mod wire;
mod wire_streams;

use std::sync::Arc;

use modelgate_domain::model::ModelOptions;
use modelgate_domain::{RequestId, Timestamp};
use modelgate_ports::driven::{BackendError, BackendFault};
use modelgate_ports::test_util::SeededEntropy;
use serde_json::Value;

use super::ReasoningField;
use super::capabilities::Capabilities;
use super::chat::Chat;
use super::envelope::Envelope;
use super::ids::Ids;
use super::native_request::Asked;
use super::read::members;

/// How a request is translated; everything else is ordinary.
#[derive(Clone, Default)]
struct Setup {
    options: ModelOptions,
    output_limit: Option<u64>,
    can: Option<&'static [&'static str]>,
    strict: bool,
    stream: bool,
}

impl Setup {
    fn asked(&self) -> Asked<'_> {
        Asked {
            upstream_name: "qwen3:8b",
            stream: self.stream,
            options: &self.options,
            output_limit: self.output_limit,
        }
    }

    fn capabilities(&self) -> Capabilities {
        let words = self
            .can
            .map(|words| words.iter().map(|&word| word.to_owned()).collect());
        Capabilities {
            words,
            context_length: None,
        }
    }

    /// The native text of a chat, and what was left out.
    fn chat(&self, body: &str) -> Result<(String, Vec<String>), BackendError> {
        let chat = Chat::read(members(body.as_bytes())?, self.strict)?;
        let (native, dropped) = chat.settle(self.asked(), &self.capabilities())?;
        Ok((String::from_utf8(native).unwrap(), dropped))
    }

    /// The native form of a chat with these members beside a short message.
    fn chat_with(&self, members: &str) -> Result<(Value, Vec<String>), BackendError> {
        let comma = if members.is_empty() { "" } else { "," };
        let body = format!(
            r#"{{"model":"fast","messages":[{{"role":"user","content":"hi"}}]{comma}{members}}}"#
        );
        let (native, dropped) = self.chat(&body)?;
        Ok((json(&native), dropped))
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Code and field of a refusal, after checking that it is one: 400, nothing sent.
fn refused<T>(outcome: Result<T, BackendError>) -> (String, String) {
    let Err(error) = outcome else {
        panic!("it was taken")
    };
    assert_eq!(
        error.fault,
        BackendFault::Request {
            status: 400,
            sent: false
        },
        "{error:?}"
    );
    assert!(
        !error.message.is_empty() && error.message.chars().count() <= 300,
        "{error:?}"
    );
    (
        error.code.unwrap_or_default(),
        error.param.unwrap_or_default(),
    )
}

fn request_id() -> RequestId {
    RequestId::new(Timestamp::from_millis(1_700_000_000_123), [0xff; 10])
}

fn ids() -> Ids {
    Ids::new(request_id(), Arc::new(SeededEntropy::new(7)))
}

fn envelope(id: &str, reasoning: ReasoningField) -> Envelope {
    Envelope::new(id.into(), "fast", 1_767_268_800, reasoning)
}
