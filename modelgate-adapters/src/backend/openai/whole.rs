//! JSON answers: checked to be whole, read for usage, shown under the client's name for the model.

use std::ops::Range;

use bytes::Bytes;
use modelgate_domain::head::Encoding;
use modelgate_domain::{Endpoint, TokenUsage, json};
use modelgate_ports::driven::{BackendError, Call, ReplyBody};

use super::super::error::{self, Names, nonsense};
use super::super::joined::joined;
use super::edit::Edit;
use super::{outline, usage, vectors};

/// What the pieces of a successful answer mean.
///
/// # Errors
/// It is an error after all, or makes no sense.
pub(super) fn reply(
    pieces: &[Bytes],
    call: &Call<'_>,
    names: &Names,
) -> Result<ReplyBody, BackendError> {
    let document = trimmed(&joined(pieces));
    let found = Found::read(&document).map_err(error::begun)?;
    if let Some(error) = found.error(&document) {
        return Err(error::in_stream(&document[error], names));
    }
    let mut edits = Vec::new();
    if let Some(model) = &found.model {
        edits.extend(shown(&document, model, call.shown_model));
    }
    if let (Endpoint::Embeddings, Some(data)) = (call.head.endpoint, &found.data) {
        let wanted = call.head.encoding.unwrap_or(Encoding::Float);
        let vectors = vectors::edits(&document, data.clone(), wanted);
        edits.extend(vectors.map_err(error::begun)?);
    }
    edits.sort_by_key(|edit| edit.at.start);
    let usage = found.usage(&document);
    Ok(ReplyBody::Whole {
        pieces: spliced(&document, edits),
        usage,
    })
}

/// Where the members are that matter here.
struct Found {
    model: Option<Range<usize>>,
    usage: Option<Range<usize>>,
    error: Option<Range<usize>>,
    object: Option<Range<usize>>,
    data: Option<Range<usize>>,
    timings: Option<Range<usize>>,
    groq: Option<Range<usize>>,
}

impl Found {
    fn read(document: &[u8]) -> Result<Self, BackendError> {
        let names = [
            "model", "usage", "error", "object", "data", "timings", "x_groq",
        ];
        let found = json::members(document, &names)
            .map_err(|cause| nonsense("the model server's answer is no JSON object", cause))?;
        let [model, usage, error, object, data, timings, groq] = found;
        Ok(Self {
            model,
            usage,
            error,
            object,
            data,
            timings,
            groq,
        })
    }

    /// The error in an answer that claims success: a member of it, or all of it.
    fn error(&self, document: &[u8]) -> Option<Range<usize>> {
        let is_error = |at: &Range<usize>| &document[at.clone()] == b"\"error\"";
        let all = self
            .object
            .as_ref()
            .filter(|at| is_error(at))
            .map(|_| 0..document.len());
        let member = self
            .error
            .clone()
            .filter(|at| outline::is_truthy(&document[at.clone()]));
        member.or(all)
    }

    fn usage(&self, document: &[u8]) -> Option<TokenUsage> {
        let read = |at: &Option<Range<usize>>, of: fn(&[u8]) -> Option<TokenUsage>| {
            at.clone().and_then(|at| of(&document[at]))
        };
        read(&self.usage, usage::of)
            .or_else(|| read(&self.groq, usage::of_groq))
            .or_else(|| read(&self.timings, usage::of_timings))
    }
}

/// Puts the client's name for the model in place of the server's.
fn shown(document: &[u8], model: &Range<usize>, name: &str) -> Option<Edit<Bytes>> {
    let mut quoted = Vec::with_capacity(name.len() + 2);
    json::quote(name, &mut quoted);
    (document[model.clone()] != *quoted).then(|| Edit::new(model.clone(), Bytes::from(quoted)))
}

/// Some servers send blank lines while a request is queued.
fn trimmed(document: &Bytes) -> Bytes {
    let mark = if document.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let text = document[mark..].trim_ascii();
    if text.is_empty() {
        Bytes::new()
    } else {
        document.slice_ref(text)
    }
}

fn spliced(document: &Bytes, edits: Vec<Edit<Bytes>>) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(2 * edits.len() + 1);
    let mut done = 0;
    for Edit { at, with } in edits {
        pieces.push(document.slice(done..at.start));
        pieces.push(with);
        done = at.end;
    }
    pieces.push(document.slice(done..));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests;
