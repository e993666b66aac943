//! Embeddings: the OpenAI body in and out, `/api/embed` between.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelgate_domain::TokenUsage;
use modelgate_ports::driven::BackendError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::Written;
use super::completion::is_tokens;
use super::envelope::{push, separated};
use super::native_request::Asked;
use super::options::Options;
use super::parameters::{KeepAlive, Parameters};
use super::read::{integer_in, read, texts};
use super::refusal::{
    empty_array, invalid_value, long_array, missing, no_answer, unsupported_value, unwritable,
};
use super::text::Text;
use crate::backend::error::{Names, begun, in_stream};

/// OpenAI's own limit.
const MOST_INPUTS: usize = 2048;

/// A request for embeddings.
#[derive(Debug)]
pub(super) struct Embedding<'a> {
    parameters: Parameters<'a>,
    inputs: Vec<Text<'a>>,
    dimensions: Option<i64>,
    form: VectorForm,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum VectorForm {
    #[default]
    Numbers,
    /// Base64 of little-endian 32-bit floats.
    Base64,
}

#[derive(Serialize)]
struct NativeEmbedding<'a> {
    model: &'a str,
    input: &'a [Text<'a>],
    truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<&'a KeepAlive<'a>>,
    #[serde(skip_serializing_if = "Options::is_empty")]
    options: &'a Options<'a>,
}

#[derive(Deserialize)]
struct Embedded<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    embeddings: Option<Vec<&'a RawValue>>,
    prompt_eval_count: Option<u64>,
}

/// The native body, and what its answer needs.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) body: Vec<u8>,
    pub(super) inputs: usize,
    pub(super) form: VectorForm,
    pub(super) dropped: Vec<String>,
}

impl<'a> Embedding<'a> {
    /// Reads the members of the body.
    pub(super) fn read(
        members: Vec<(Cow<'a, str>, &'a RawValue)>,
        strict: bool,
    ) -> Result<Self, BackendError> {
        let mut embedding = Self {
            parameters: Parameters::new(strict),
            inputs: Vec::new(),
            dimensions: None,
            form: VectorForm::default(),
        };
        embedding.parameters.take_options(&members)?;
        for (name, raw) in members {
            embedding.take(&name, raw)?;
        }
        if embedding.inputs.is_empty() {
            Err(missing("input"))
        } else {
            Ok(embedding)
        }
    }

    /// The native body. Long inputs are an error and not silently cut, unless client or operator want that.
    pub(super) fn settle(mut self, asked: Asked<'a>) -> Result<Settled, BackendError> {
        self.parameters.overrule(asked.options, None);
        let native = NativeEmbedding {
            model: asked.upstream_name,
            input: &self.inputs,
            truncate: self.parameters.truncate.unwrap_or(asked.options.truncate),
            dimensions: self.dimensions,
            keep_alive: self.parameters.keep_alive.as_ref(),
            options: &self.parameters.options,
        };
        let body = serde_json::to_vec(&native).map_err(unwritable)?;
        let dropped = self.parameters.dropped.into_names();
        Ok(Settled {
            body,
            inputs: self.inputs.len(),
            form: self.form,
            dropped,
        })
    }

    fn take(&mut self, name: &str, raw: &'a RawValue) -> Result<(), BackendError> {
        match name {
            "input" if is_tokens(raw) => {
                return Err(unsupported_value(name, "this model takes text, not tokens"));
            }
            "input" => self.inputs = inputs(name, raw)?,
            "dimensions" => self.dimensions = Some(integer_in(name, raw, 1, i64::from(u32::MAX))?),
            "encoding_format" => self.form = form(name, raw)?,
            _ => self.parameters.take(name, raw)?,
        }
        Ok(())
    }
}

fn inputs<'a>(field: &str, raw: &'a RawValue) -> Result<Vec<Text<'a>>, BackendError> {
    let inputs = texts(field, raw)?;
    match inputs.len() {
        0 => Err(empty_array(field)),
        1..=MOST_INPUTS => Ok(inputs),
        _ => Err(long_array(field, MOST_INPUTS)),
    }
}

fn form(field: &str, raw: &RawValue) -> Result<VectorForm, BackendError> {
    match &*read::<Text<'_>>(field, raw)? {
        "float" => Ok(VectorForm::Numbers),
        "base64" => Ok(VectorForm::Base64),
        _ => Err(invalid_value(field, "one of float, base64")),
    }
}

/// Writes the answer of `/api/embed` as OpenAI's list.
pub(super) fn embedded(
    answer: &[u8],
    asked: &Settled,
    shown_model: &str,
    names: &Names,
) -> Result<Written, BackendError> {
    let embedded: Embedded<'_> = serde_json::from_slice(answer).map_err(no_sense)?;
    if let Some(error) = embedded.error {
        return Err(in_stream(error.get().as_bytes(), names));
    }
    let vectors = embedded.embeddings.unwrap_or_default();
    if vectors.len() != asked.inputs {
        return Err(no_sense(format!(
            "{} vectors for {} inputs",
            vectors.len(),
            asked.inputs
        )));
    }
    let vectors = vectors
        .into_iter()
        .map(|raw| vector(raw, asked.form))
        .collect::<Result<Vec<_>, _>>()?;
    let usage = embedded.prompt_eval_count.map(|prompt| {
        TokenUsage {
            prompt,
            ..TokenUsage::default()
        }
        .believable()
    });
    Ok(Written {
        json: list(&vectors, shown_model, usage.unwrap_or_default().prompt),
        usage,
    })
}

/// The JSON of one vector: the server's own digits, or the bytes they stand for.
fn vector(raw: &RawValue, form: VectorForm) -> Result<Cow<'_, str>, BackendError> {
    let numbers: Vec<f32> = serde_json::from_str(raw.get()).map_err(no_sense)?;
    if form == VectorForm::Numbers {
        return Ok(Cow::Borrowed(raw.get()));
    }
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok(Cow::Owned(format!("\"{}\"", STANDARD.encode(bytes))))
}

fn no_sense(cause: impl Into<modelgate_ports::BoxError>) -> BackendError {
    begun(no_answer(cause))
}

fn list(vectors: &[Cow<'_, str>], shown_model: &str, prompt: u64) -> Vec<u8> {
    let mut json = Vec::with_capacity(
        vectors
            .iter()
            .map(|vector| vector.len() + 64)
            .sum::<usize>()
            + 256,
    );
    json.extend_from_slice(br#"{"object":"list","data":["#);
    let numbered: Vec<_> = vectors.iter().enumerate().collect();
    separated(&numbered, &mut json, |(index, vector), json| {
        push(
            json,
            format_args!(r#"{{"object":"embedding","index":{index},"embedding":{vector}}}"#),
        );
    });
    json.extend_from_slice(br#"],"model":"#);
    modelgate_domain::json::quote(shown_model, &mut json);
    push(
        &mut json,
        format_args!(r#","usage":{{"prompt_tokens":{prompt},"total_tokens":{prompt}}}}}"#),
    );
    json
}
