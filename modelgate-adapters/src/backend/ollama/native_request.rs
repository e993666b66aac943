//! The body of a native request, for chats and for completions.

use modelgate_domain::model::ModelOptions;
use modelgate_ports::driven::BackendError;
use serde::Serialize;

use super::format::Format;
use super::messages::Message;
use super::options::Options;
use super::parameters::{KeepAlive, Parameters};
use super::refusal::unwritable;
use super::think::Think;
use super::tools::Tool;

/// What the gateway decided about a request before it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// What the server calls the model.
    pub(super) upstream_name: &'a str,
    pub(super) stream: bool,
    pub(super) options: &'a ModelOptions,
    /// Output limit to send if the client gave none.
    pub(super) output_limit: Option<u64>,
}

/// `stream` and `truncate` always go out, since both default to `true`: the one would change the form of the answer, the
/// other drop messages without a word.
#[derive(Debug, Serialize)]
pub(super) struct NativeRequest<'a> {
    pub(super) model: &'a str,
    pub(super) stream: bool,
    pub(super) truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shift: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) think: Option<Think>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep_alive: Option<&'a KeepAlive<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_logprobs: Option<i64>,
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub(super) options: &'a Options<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) tools: &'a [Tool<'a>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) messages: &'a [Message<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suffix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw: Option<bool>,
}

impl<'a> NativeRequest<'a> {
    /// A request with these parameters and still without a prompt.
    pub(super) fn new(
        asked: Asked<'a>,
        parameters: &'a Parameters<'a>,
        think: Option<Think>,
    ) -> Self {
        Self {
            model: asked.upstream_name,
            stream: asked.stream,
            truncate: parameters.truncate.unwrap_or(asked.options.truncate),
            shift: parameters.shift,
            think,
            format: parameters.format,
            keep_alive: parameters.keep_alive.as_ref(),
            logprobs: None,
            top_logprobs: None,
            options: &parameters.options,
            tools: &[],
            messages: &[],
            prompt: None,
            suffix: None,
            raw: None,
        }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, BackendError> {
        serde_json::to_vec(self).map_err(unwritable)
    }
}
