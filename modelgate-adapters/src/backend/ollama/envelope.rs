//! What stands around every answer, and the parts that whole answers and chunks share.

use std::borrow::Cow;
use std::io::Write;

use modelgate_domain::{TokenUsage, json};

use super::ReasoningField;
use super::ids::Ids;
use super::line::{Call, Ending, Logprob, Quoted};

/// The constant members of all answers to one request.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) id: String,
    /// The client's name for the model, as a JSON string.
    model: String,
    /// Unix seconds, for servers that do not tell when they began.
    now: i64,
    pub(super) reasoning: ReasoningField,
}

impl Envelope {
    pub(super) fn new(id: String, shown_model: &str, now: i64, reasoning: ReasoningField) -> Self {
        let mut model = String::new();
        json::quote_into(shown_model, &mut model);
        Self {
            id,
            model,
            now,
            reasoning,
        }
    }

    /// Writes everything up to the first choice.
    pub(super) fn begin(&self, object: &str, created: Option<i64>, out: &mut Vec<u8>) {
        let Self { id, model, now, .. } = self;
        let created = created.unwrap_or(*now);
        push(
            out,
            format_args!(
                r#"{{"id":"{id}","object":"{object}","created":{created},"model":{model},"system_fingerprint":"fp_ollama","choices":["#
            ),
        );
    }

    /// Writes what the model thinks, under the name or names that clients look for.
    pub(super) fn thinking(&self, thinking: Quoted<'_>, out: &mut Vec<u8>) {
        let names = match self.reasoning {
            ReasoningField::ReasoningContent => &["reasoning_content"][..],
            ReasoningField::Reasoning => &["reasoning"],
            ReasoningField::Both => &["reasoning_content", "reasoning"],
        };
        separated(names, out, |name, out| {
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(thinking.0.as_bytes());
        });
    }
}

/// Writes formatted text; a `Vec` takes everything.
pub(super) fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Writes the members of a call, without braces.
pub(super) fn call(call: &Call<'_>, ids: &mut Ids, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"id\":");
    match call.id() {
        Some(id) => out.extend_from_slice(id.0.as_bytes()),
        None => json::quote(&ids.call(), out),
    }
    push(
        out,
        format_args!(
            r#","type":"function","function":{{"name":{},"arguments":"#,
            call.function.name.0
        ),
    );
    match call.function.arguments.map_or("{}", |raw| raw.get()) {
        "null" => out.extend_from_slice(b"\"{}\""),
        text if text.starts_with('"') => out.extend_from_slice(text.as_bytes()),
        object => json::quote(&compact(object), out),
    }
    out.push(b'}');
}

/// The reason a client is told: calls are one of their own, unless the answer was cut.
pub(super) fn finish_reason(ending: Ending, has_calls: bool) -> &'static str {
    match ending {
        Ending::Length => "length",
        Ending::Stop if has_calls => "tool_calls",
        Ending::Stop => "stop",
    }
}

pub(super) fn usage(usage: TokenUsage, out: &mut Vec<u8>) {
    let TokenUsage {
        prompt, completion, ..
    } = usage;
    let total = usage.total();
    push(
        out,
        format_args!(
            r#""usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}}}"#
        ),
    );
}

/// Writes the value of `logprobs` of a chat.
pub(super) fn chat_logprobs(logprobs: Option<&[Logprob<'_>]>, out: &mut Vec<u8>) {
    let Some(logprobs) = logprobs else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"content\":[");
    separated(logprobs, out, |logprob, out| {
        token(logprob, out);
        out.extend_from_slice(b",\"top_logprobs\":[");
        separated(
            logprob.top_logprobs.as_deref().unwrap_or_default(),
            out,
            |top, out| {
                token(top, out);
                out.push(b'}');
            },
        );
        out.extend_from_slice(b"]}");
    });
    out.extend_from_slice(b"],\"refusal\":null}");
}

/// Writes the value of `logprobs` of a completion, whose text so far has `offset` characters.
pub(super) fn text_logprobs(
    logprobs: Option<&[Logprob<'_>]>,
    offset: &mut usize,
    out: &mut Vec<u8>,
) {
    let Some(logprobs) = logprobs else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"tokens\":[");
    separated(logprobs, out, |logprob, out| {
        out.extend_from_slice(logprob.token.0.as_bytes());
    });
    out.extend_from_slice(b"],\"token_logprobs\":[");
    separated(logprobs, out, |logprob, out| {
        out.extend_from_slice(logprob.value.0.as_bytes());
    });
    out.extend_from_slice(b"],\"top_logprobs\":[");
    separated(logprobs, out, |logprob, out| {
        out.push(b'{');
        separated(
            logprob.top_logprobs.as_deref().unwrap_or_default(),
            out,
            |top, out| {
                push(out, format_args!("{}:{}", top.token.0, top.value.0));
            },
        );
        out.push(b'}');
    });
    out.extend_from_slice(b"],\"text_offset\":[");
    separated(logprobs, out, |logprob, out| {
        push(out, format_args!("{offset}"));
        *offset += logprob.token.characters();
    });
    out.extend_from_slice(b"]}");
}

/// Writes a token and its bytes, and leaves the object open.
fn token(logprob: &Logprob<'_>, out: &mut Vec<u8>) {
    push(
        out,
        format_args!(
            r#"{{"token":{},"logprob":{},"bytes":"#,
            logprob.token.0, logprob.value.0
        ),
    );
    match &logprob.bytes {
        Some(bytes) => push(out, format_args!("{bytes:?}")),
        None => out.extend_from_slice(b"null"),
    }
}

/// Writes items with commas between them.
pub(super) fn separated<T>(
    items: &[T],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Vec<u8>),
) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}

/// JSON without white space between its tokens; everything else stays as it was written.
pub(super) fn compact(json: &str) -> Cow<'_, str> {
    if !json.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Cow::Borrowed(json);
    }
    let (mut in_string, mut is_escaped) = (false, false);
    let keep = |letter: &char| {
        if in_string {
            in_string = *letter != '"' || is_escaped;
            is_escaped = *letter == '\\' && !is_escaped;
            return true;
        }
        in_string = *letter == '"';
        !letter.is_ascii_whitespace()
    };
    Cow::Owned(json.chars().filter(keep).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_from_between_tokens_only() {
        let check = |json: &str, expected: &str| assert_eq!(compact(json), expected, "{json}");
        check(r#"{"a":1}"#, r#"{"a":1}"#);
        check(
            "{ \"a b\" :\r\n [ 1.0 , \"c\\\" d\\\\\" ] , \"é \": 1e400 }",
            r#"{"a b":[1.0,"c\" d\\"],"é ":1e400}"#,
        );
    }
}
