//! From what was found to what it means, or to why it is refused.

use super::{
    BadRequest, Caps, Encoding, Endpoint, Head, Media, Places,
    finder::{Finder, Kind, Number},
    member::Member,
};
use crate::json::JsonErrorKind;

/// Tokens are counted in signed integers.
const MAX_TOKENS: u64 = i64::MAX as u64;

/// Checks everything that the gateway reads.
pub(super) fn head(
    endpoint: Endpoint,
    caps: Caps,
    bytes: u64,
    found: &Finder,
) -> Result<Head, BadRequest> {
    let not_object = |at| BadRequest::not_json(JsonErrorKind::NotObject.at(at));
    let open = found.open.map_err(not_object)?;
    if let Some(name) = found.duplicate {
        return Err(BadRequest::duplicate(name));
    }
    if let Some(name) = found.misspelled {
        return Err(BadRequest::misspelled(name));
    }
    let (model, model_blank) = model(found)?;
    let prompts = prompts(endpoint, caps, found)?;
    let stream = flag(found, Member::Stream)? == Some(true) && endpoint != Endpoint::Embeddings;
    let chat = endpoint == Endpoint::Chat;
    Ok(Head {
        endpoint,
        model,
        model_blank,
        stream,
        include_usage: include_usage(found)?,
        stream_options: found.options.key.is_some(),
        max_output: max_output(endpoint, found)?,
        choices: choices(endpoint, caps, found)? * prompts,
        messages: if chat { found.list.count } else { 0 },
        prompts,
        tools: found.tools,
        media: if chat {
            found.list.media
        } else {
            Media::default()
        },
        token_input: !chat && (found.list.numbers > 0 || found.list.arrays),
        encoding: encoding(endpoint, found)?,
        bytes,
        places: Places::new(open, found),
    })
}

fn model(found: &Finder) -> Result<(Option<String>, bool), BadRequest> {
    let name = Member::Model.name();
    match kind(found, Member::Model) {
        None => Ok((None, false)),
        Some(Kind::Text(Some(model))) if model.trim().is_empty() => Ok((None, true)),
        Some(Kind::Text(Some(model))) => Ok((Some(model.clone()), false)),
        Some(Kind::Text(None)) => {
            let remedy = "It holds half of a surrogate pair. Send the model's name as text.";
            Err(BadRequest::invalid_value(name, remedy))
        }
        Some(other) => Err(BadRequest::invalid_type(name, "a string", other.name())),
    }
}

/// How many prompts there are; one chat is one.
fn prompts(endpoint: Endpoint, caps: Caps, found: &Finder) -> Result<u64, BadRequest> {
    match endpoint {
        Endpoint::Chat => messages(found),
        Endpoint::Completions if is_null(found, Member::Prompt) => Ok(1),
        Endpoint::Completions => texts(Member::Prompt, caps, found),
        Endpoint::Embeddings => texts(Member::Input, caps, found),
    }
}

fn messages(found: &Finder) -> Result<u64, BadRequest> {
    let name = Member::Messages.name();
    match kind(found, Member::Messages) {
        None => Err(BadRequest::missing(name)),
        Some(Kind::Array) if found.list.count == 0 => Err(BadRequest::empty_array(name)),
        Some(Kind::Array) => Ok(1),
        Some(other) => Err(BadRequest::invalid_type(
            name,
            "an array of objects",
            other.name(),
        )),
    }
}

fn texts(member: Member, caps: Caps, found: &Finder) -> Result<u64, BadRequest> {
    let name = member.name();
    let list = &found.list;
    match kind(found, member) {
        None => Err(BadRequest::missing(name)),
        Some(Kind::Text(_)) if member == Member::Input && length(found, member) == 2 => Err(
            BadRequest::invalid_value(name, "It is an empty string. Send at least one character."),
        ),
        Some(Kind::Text(_)) => Ok(1),
        Some(Kind::Array) if list.count == 0 => Err(BadRequest::empty_array(name)),
        Some(Kind::Array) if list.count == list.numbers => Ok(1),
        Some(Kind::Array) if list.count > caps.inputs => {
            Err(BadRequest::long_array(name, caps.inputs, list.count))
        }
        Some(Kind::Array) => Ok(list.count),
        Some(other) => Err(BadRequest::invalid_type(
            name,
            "a string or an array",
            other.name(),
        )),
    }
}

fn choices(endpoint: Endpoint, caps: Caps, found: &Finder) -> Result<u64, BadRequest> {
    if endpoint == Endpoint::Embeddings {
        return Ok(0);
    }
    let n = integer(found, Member::N, 1, caps.choices)?.unwrap_or(1);
    let best_of = integer(found, Member::BestOf, 0, caps.best_of)?.unwrap_or(0);
    Ok(n.max(best_of))
}

fn max_output(endpoint: Endpoint, found: &Finder) -> Result<Option<u64>, BadRequest> {
    if endpoint == Endpoint::Embeddings {
        return Ok(None);
    }
    let mut largest = None;
    for member in Member::LIMITS {
        largest = largest.max(integer(found, member, 0, MAX_TOKENS)?);
    }
    Ok(largest)
}

fn include_usage(found: &Finder) -> Result<bool, BadRequest> {
    const NAME: &str = "stream_options.include_usage";
    if let Some(other) = kind(found, Member::StreamOptions)
        && !matches!(other, Kind::Object)
    {
        let name = Member::StreamOptions.name();
        return Err(BadRequest::invalid_type(name, "an object", other.name()));
    }
    match &found.options.usage {
        _ if found.options.twice => Err(BadRequest::duplicate(NAME)),
        None | Some((_, Kind::Null)) => Ok(false),
        Some((_, Kind::Bool(usage))) => Ok(*usage),
        Some((_, other)) => Err(BadRequest::invalid_type(NAME, "a boolean", other.name())),
    }
}

fn encoding(endpoint: Endpoint, found: &Finder) -> Result<Option<Encoding>, BadRequest> {
    let name = Member::EncodingFormat.name();
    match kind(found, Member::EncodingFormat) {
        _ if endpoint != Endpoint::Embeddings => Ok(None),
        None => Ok(None),
        Some(Kind::Text(Some(text))) if text == "float" => Ok(Some(Encoding::Float)),
        Some(Kind::Text(Some(text))) if text == "base64" => Ok(Some(Encoding::Base64)),
        Some(Kind::Text(_)) => Err(BadRequest::invalid_value(
            name,
            "Supported values are 'float' and 'base64'.",
        )),
        Some(other) => Err(BadRequest::invalid_type(name, "a string", other.name())),
    }
}

fn flag(found: &Finder, member: Member) -> Result<Option<bool>, BadRequest> {
    match kind(found, member) {
        None => Ok(None),
        Some(Kind::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(BadRequest::invalid_type(
            member.name(),
            "a boolean",
            other.name(),
        )),
    }
}

fn integer(found: &Finder, member: Member, min: u64, max: u64) -> Result<Option<u64>, BadRequest> {
    let name = member.name();
    let Some(kind) = kind(found, member) else {
        return Ok(None);
    };
    match kind {
        Kind::Number(Number::Negative) => Err(BadRequest::below_min(name, min)),
        Kind::Number(Number::Huge) => Err(BadRequest::above_max(name, max)),
        Kind::Number(Number::Whole(value)) if *value < min => Err(BadRequest::below_min(name, min)),
        Kind::Number(Number::Whole(value)) if *value > max => Err(BadRequest::above_max(name, max)),
        Kind::Number(Number::Whole(value)) => Ok(Some(*value)),
        other => Err(BadRequest::invalid_type(name, "an integer", other.name())),
    }
}

/// What a member is; null is not given.
fn kind(found: &Finder, member: Member) -> Option<&Kind> {
    let given = found.given(member)?;
    (!matches!(given.kind, Kind::Null)).then_some(&given.kind)
}

fn is_null(found: &Finder, member: Member) -> bool {
    found
        .given(member)
        .is_some_and(|given| matches!(given.kind, Kind::Null))
}

fn length(found: &Finder, member: Member) -> usize {
    found.given(member).map_or(0, |given| given.value.len())
}
