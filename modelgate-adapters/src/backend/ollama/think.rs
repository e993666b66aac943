//! How hard the model shall think.

use modelgate_ports::driven::BackendError;
use serde::Serialize;
use serde_json::value::RawValue;

use super::read::read;
use super::refusal::{invalid_type, invalid_value};
use super::text::Text;

/// Value of `think`: models without levels take any of them for "on".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Think {
    Switch(bool),
    Level(&'static str),
}

impl Think {
    /// `reasoning_effort`, in OpenAI's words.
    pub(super) fn from_effort(field: &str, raw: &RawValue) -> Result<Self, BackendError> {
        let effort: Text<'_> = read(field, raw)?;
        match &*effort {
            "none" => Ok(Self::Switch(false)),
            "minimal" | "low" => Ok(Self::Level("low")),
            "medium" => Ok(Self::Level("medium")),
            "high" => Ok(Self::Level("high")),
            "xhigh" | "max" => Ok(Self::Level("max")),
            _ => Err(invalid_value(
                field,
                "one of none, minimal, low, medium, high, xhigh, max",
            )),
        }
    }

    /// `think`, in the server's own words.
    pub(super) fn from_native(field: &str, raw: &RawValue) -> Result<Self, BackendError> {
        match raw.get() {
            "true" => Ok(Self::Switch(true)),
            "false" => Ok(Self::Switch(false)),
            "\"low\"" => Ok(Self::Level("low")),
            "\"medium\"" => Ok(Self::Level("medium")),
            "\"high\"" => Ok(Self::Level("high")),
            "\"max\"" => Ok(Self::Level("max")),
            text if text.starts_with('"') => Err(invalid_value(
                field,
                "a boolean or one of low, medium, high, max",
            )),
            _ => Err(invalid_type(
                field,
                "a boolean or one of low, medium, high, max",
            )),
        }
    }

    /// Whether it asks for thinking at all.
    pub(super) fn is_wanted(self) -> bool {
        self != Self::Switch(false)
    }
}
