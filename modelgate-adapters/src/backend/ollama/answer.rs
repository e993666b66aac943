//! Whole answers to chats, in OpenAI's form.

use modelgate_domain::TokenUsage;
use modelgate_ports::driven::BackendError;

use super::envelope::{self, Envelope, push, separated};
use super::ids::Ids;
use super::line::{Ending, Line};
use super::refusal::no_answer;
use crate::backend::error::{Names, begun, in_stream};

/// An answer, written, and the tokens that the server told.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) json: Vec<u8>,
    pub(super) usage: Option<TokenUsage>,
}

/// Reads an answer that may be an error with a good status.
pub(super) fn read<'a>(answer: &'a [u8], names: &Names) -> Result<Line<'a>, BackendError> {
    let line = Line::parse(answer).map_err(begun)?;
    match line.error {
        Some(error) => Err(in_stream(error.get().as_bytes(), names)),
        None => Ok(line),
    }
}

/// Writes the answer of `/api/chat` as a `chat.completion`.
pub(super) fn chat(
    answer: &[u8],
    envelope: &Envelope,
    ids: &mut Ids,
    names: &Names,
) -> Result<Written, BackendError> {
    let line = read(answer, names)?;
    if line.message.is_none() {
        return Err(begun(no_answer("there is no message in it")));
    }
    let mut json = Vec::with_capacity(answer.len() + 512);
    envelope.begin("chat.completion", line.created(), &mut json);
    json.extend_from_slice(br#"{"index":0,"message":{"role":"assistant","content":"#);
    message(&line, envelope, ids, &mut json);
    json.extend_from_slice(br#"},"logprobs":"#);
    envelope::chat_logprobs(line.logprobs(), &mut json);
    let ending = line.ending().unwrap_or(Ending::Stop);
    let reason = envelope::finish_reason(ending, !line.calls().is_empty());
    push(
        &mut json,
        format_args!(r#","finish_reason":"{reason}"}}],"#),
    );
    envelope::usage(line.usage().unwrap_or_default(), &mut json);
    json.push(b'}');
    Ok(Written {
        json,
        usage: line.usage(),
    })
}

/// Writes the message from the value of `content` on.
fn message(line: &Line<'_>, envelope: &Envelope, ids: &mut Ids, json: &mut Vec<u8>) {
    let calls = line.calls();
    let silence = if calls.is_empty() { "\"\"" } else { "null" };
    json.extend_from_slice(
        line.content()
            .map_or(silence, |content| content.0)
            .as_bytes(),
    );
    json.extend_from_slice(b",\"refusal\":null");
    if let Some(thinking) = line.thinking() {
        json.push(b',');
        envelope.thinking(thinking, json);
    }
    if calls.is_empty() {
        return;
    }
    json.extend_from_slice(b",\"tool_calls\":[");
    separated(calls, json, |call, json| {
        json.push(b'{');
        envelope::call(call, ids, json);
        json.push(b'}');
    });
    json.push(b']');
}
