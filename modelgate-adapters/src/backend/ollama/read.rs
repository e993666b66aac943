//! Reading of the client's body: its members in order, and typed values with refusals that tell the place.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use modelgate_domain::json;
use modelgate_ports::driven::BackendError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::locate::path_at;
use super::refusal::{invalid_type, invalid_value, missing, refusal};
use super::text::{Text, has_lone_surrogate};

/// The members of an object as they were written. Nothing is parsed yet, so that number text and key order survive.
#[derive(Debug)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

/// The body in one piece, without a byte-order mark.
pub(super) fn contiguous(pieces: &[Bytes]) -> Cow<'_, [u8]> {
    match pieces {
        [] => Cow::Borrowed(&[]),
        [piece] => Cow::Borrowed(piece),
        pieces => Cow::Owned(pieces.concat()),
    }
}

/// Takes the members of the body, those that are `null` left out: `null` means "not given" throughout.
pub(super) fn members(body: &[u8]) -> Result<Vec<(Cow<'_, str>, &RawValue)>, BackendError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let Members(mut members) =
        serde_json::from_slice(body).map_err(|error| refuse("body", "", &error))?;
    members.retain(|(_, raw)| !json::is_null(raw.get().as_bytes()));
    Ok(members)
}

/// Reads the value of `field` as a `T`.
pub(super) fn read<'a, T: Deserialize<'a>>(
    field: &str,
    raw: &'a RawValue,
) -> Result<T, BackendError> {
    serde_json::from_str(raw.get()).map_err(|error| refuse(field, raw.get(), &error))
}

/// A number as it was written, of any precision but within what a float can hold.
pub(super) fn number<'a>(field: &str, raw: &'a RawValue) -> Result<&'a RawValue, BackendError> {
    let is_number = raw
        .get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match raw.get().parse::<f64>() {
        Ok(value) if is_number && value.is_finite() => Ok(raw),
        Ok(_) if is_number => Err(invalid_value(field, "a smaller number")),
        _ => Err(invalid_type(field, "a number")),
    }
}

/// An integer of 64 bits.
pub(super) fn integer(field: &str, raw: &RawValue) -> Result<i64, BackendError> {
    json::integer(raw.get().as_bytes()).ok_or_else(|| invalid_type(field, "an integer"))
}

/// An integer within bounds.
pub(super) fn integer_in(
    field: &str,
    raw: &RawValue,
    least: i64,
    most: i64,
) -> Result<i64, BackendError> {
    let value = integer(field, raw)?;
    if value < least {
        let message = format!("Invalid '{field}': expected at least {least}.");
        return Err(refusal("integer_below_min_value", field, &message));
    }
    if value > most {
        let message = format!("Invalid '{field}': expected at most {most}.");
        return Err(refusal("integer_above_max_value", field, &message));
    }
    Ok(value)
}

/// `true` or `false`.
pub(super) fn boolean(field: &str, raw: &RawValue) -> Result<bool, BackendError> {
    json::boolean(raw.get().as_bytes()).ok_or_else(|| invalid_type(field, "a boolean"))
}

/// A JSON object that goes on as it was written.
pub(super) fn object<'a>(field: &str, raw: &'a RawValue) -> Result<&'a RawValue, BackendError> {
    if !raw.get().starts_with('{') {
        return Err(invalid_type(field, "an object"));
    }
    if has_lone_surrogate(raw.get()) {
        return Err(lone_surrogate(field));
    }
    Ok(raw)
}

/// One string, or an array of them.
pub(super) fn texts<'a>(field: &str, raw: &'a RawValue) -> Result<Vec<Text<'a>>, BackendError> {
    match raw.get().as_bytes().first() {
        Some(b'"') => Ok(vec![read(field, raw)?]),
        Some(b'[') => read(field, raw),
        _ => Err(invalid_type(field, "a string or an array of strings")),
    }
}

/// Says what serde says in OpenAI's words, without the offending value, which may be confidential.
fn refuse(field: &str, json: &str, error: &serde_json::Error) -> BackendError {
    let param = format!("{field}{}", path_at(json, offset(json, error)));
    let said = error.to_string();
    if said.contains("surrogate") || said.contains("unexpected end of hex escape") {
        return lone_surrogate(&param);
    }
    if let Some(name) = said
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        return missing(&format!("{param}.{name}"));
    }
    match said.rsplit_once(", expected ") {
        Some((_, expected)) => invalid_type(
            &param,
            expected.split(" at line ").next().unwrap_or(expected),
        ),
        None => invalid_value(&param, "valid JSON, with no member twice"),
    }
}

fn lone_surrogate(param: &str) -> BackendError {
    invalid_value(param, "text without lone surrogates")
}

fn offset(json: &str, error: &serde_json::Error) -> usize {
    let lines = json
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    lines.map(str::len).sum::<usize>() + error.column()
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((name, raw)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            members.push((name.0, raw));
        }
        Ok(Members(members))
    }
}
