//! The form the answer shall have: free text, any JSON, or JSON of a schema.

use modelgate_ports::driven::BackendError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::read::{object, read};
use super::refusal::{invalid_type, invalid_value};
use super::text::Text;

/// Value of `format`. A schema goes on as it was written.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub(super) enum Format<'a> {
    Json(&'static str),
    Schema(&'a RawValue),
}

#[derive(Deserialize)]
struct ResponseFormatForm<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    json_schema: Option<JsonSchemaForm<'a>>,
}

#[derive(Deserialize)]
struct JsonSchemaForm<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

impl<'a> Format<'a> {
    const ANY_JSON: Self = Self::Json("json");

    /// `response_format`, in OpenAI's words.
    pub(super) fn from_response_format(
        field: &str,
        raw: &'a RawValue,
    ) -> Result<Option<Self>, BackendError> {
        let form: ResponseFormatForm<'a> = read(field, raw)?;
        match &*form.kind {
            "text" => Ok(None),
            "json_object" => Ok(Some(Self::ANY_JSON)),
            "json_schema" => match form.json_schema.and_then(|form| form.schema) {
                Some(schema) => object(&format!("{field}.json_schema.schema"), schema)
                    .map(|raw| Some(Self::Schema(raw))),
                None => Ok(Some(Self::ANY_JSON)),
            },
            _ => Err(invalid_value(
                &format!("{field}.type"),
                "one of text, json_object, json_schema",
            )),
        }
    }

    /// `format`, in the server's own words.
    pub(super) fn from_native(
        field: &str,
        raw: &'a RawValue,
    ) -> Result<Option<Self>, BackendError> {
        match raw.get() {
            "\"\"" => Ok(None),
            "\"json\"" => Ok(Some(Self::ANY_JSON)),
            text if text.starts_with('{') => object(field, raw).map(|raw| Some(Self::Schema(raw))),
            text if text.starts_with('"') => Err(invalid_value(field, "json or a schema")),
            _ => Err(invalid_type(field, "json or a schema")),
        }
    }
}
