//! Calls of tools in the history: arguments as text in, as an object out.

use std::borrow::Cow;

use modelgate_ports::driven::BackendError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::read::read;
use super::refusal::{invalid_value, missing, unsupported_value};
use super::text::{Text, has_lone_surrogate};

#[derive(Deserialize)]
pub(super) struct CallForm<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<CalledForm<'a>>,
}

#[derive(Deserialize)]
pub(super) struct CalledForm<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// A call as the server takes it.
#[derive(Debug, Serialize)]
pub(super) struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Text<'a>>,
    function: Called<'a>,
}

#[derive(Debug, Serialize)]
struct Called<'a> {
    name: Text<'a>,
    arguments: Cow<'a, RawValue>,
}

impl<'a> Call<'a> {
    /// An element of `tool_calls`, which stands at `path`.
    pub(super) fn new(form: CallForm<'a>, path: &str) -> Result<Self, BackendError> {
        if form.kind.is_some_and(|kind| &*kind != "function") {
            return Err(unsupported_value(
                &format!("{path}.type"),
                "this model takes functions only",
            ));
        }
        let called = form
            .function
            .ok_or_else(|| missing(&format!("{path}.function")))?;
        let call = Self::legacy(called, &format!("{path}.function"))?;
        Ok(Self {
            id: form.id,
            ..call
        })
    }

    /// A `function_call`, the older form, which has no id.
    pub(super) fn legacy(form: CalledForm<'a>, path: &str) -> Result<Self, BackendError> {
        let arguments = arguments(form.arguments, &format!("{path}.arguments"))?;
        Ok(Self {
            id: None,
            function: Called {
                name: form.name,
                arguments,
            },
        })
    }

    /// Id and name, for the answer that refers to them.
    pub(super) fn named_id(&self) -> Option<(Text<'a>, Text<'a>)> {
        self.id.clone().map(|id| (id, self.function.name.clone()))
    }
}

/// An object in a string, as OpenAI has it, or as it is; nothing at all is no arguments.
fn arguments<'a>(raw: Option<&'a RawValue>, path: &str) -> Result<Cow<'a, RawValue>, BackendError> {
    let Some(raw) = raw else { return nothing(path) };
    let object = if raw.get().starts_with('"') {
        let Text(text) = read(path, raw)?;
        if text.trim().is_empty() {
            return nothing(path);
        }
        parse(text).ok_or_else(|| not_an_object(path))?
    } else {
        Cow::Borrowed(raw)
    };
    if !object.get().starts_with('{') || has_lone_surrogate(object.get()) {
        return Err(not_an_object(path));
    }
    Ok(object)
}

fn parse(text: Cow<'_, str>) -> Option<Cow<'_, RawValue>> {
    match text {
        Cow::Borrowed(text) => serde_json::from_str(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => serde_json::from_str::<Box<RawValue>>(&text)
            .ok()
            .map(Cow::Owned),
    }
}

fn nothing<'a>(path: &str) -> Result<Cow<'a, RawValue>, BackendError> {
    serde_json::from_str("{}")
        .map(Cow::Borrowed)
        .map_err(|_| not_an_object(path))
}

fn not_an_object(path: &str) -> BackendError {
    invalid_value(path, "a JSON object, written as a string")
}
