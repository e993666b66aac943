//! Legacy completions: the OpenAI body in, bodies of `/api/generate` out, one for each prompt.

use std::borrow::Cow;

use modelgate_ports::driven::BackendError;
use serde_json::value::RawValue;

use super::capabilities::Capabilities;
use super::native_request::{Asked, NativeRequest};
use super::parameters::Parameters;
use super::read::{boolean, integer_in, read, texts};
use super::refusal::{empty_array, long_array, missing, unsupported_value};
use super::text::Text;

/// Each prompt is a call of its own.
const MOST_PROMPTS: usize = 128;
/// Most alternatives that may be asked for each token.
const MOST_LOGPROBS: i64 = 20;

/// A request for completions, read but not yet settled.
#[derive(Debug)]
pub(super) struct Completion<'a> {
    parameters: Parameters<'a>,
    prompts: Vec<Text<'a>>,
    suffix: Option<Text<'a>>,
    echo: bool,
    raw: Option<bool>,
    logprobs: Option<i64>,
}

/// The native bodies, each with the text that its answer repeats, and the names of what they leave out.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) bodies: Vec<(Vec<u8>, Option<String>)>,
    pub(super) dropped: Vec<String>,
}

impl<'a> Completion<'a> {
    /// Reads the members of the body.
    pub(super) fn read(
        members: Vec<(Cow<'a, str>, &'a RawValue)>,
        strict: bool,
    ) -> Result<Self, BackendError> {
        let mut completion = Self {
            parameters: Parameters::new(strict),
            prompts: Vec::new(),
            suffix: None,
            echo: false,
            raw: None,
            logprobs: None,
        };
        completion.parameters.take_options(&members)?;
        let mut has_prompt = false;
        for (name, raw) in members {
            has_prompt |= name == "prompt";
            completion.take(&name, raw)?;
        }
        if has_prompt {
            Ok(completion)
        } else {
            Err(missing("prompt"))
        }
    }

    pub(super) fn depends_on_capabilities(&self) -> bool {
        self.parameters.think().is_some()
    }

    /// The native bodies.
    pub(super) fn settle(
        mut self,
        asked: Asked<'a>,
        capabilities: &Capabilities,
    ) -> Result<Settled, BackendError> {
        if asked.stream && self.prompts.len() > 1 {
            return Err(unsupported_value(
                "prompt",
                "this model streams the completion of one prompt only",
            ));
        }
        let think = self.parameters.think_for(capabilities.can("thinking"))?;
        self.parameters.overrule(asked.options, asked.output_limit);
        let body = |prompt: &Text<'a>| {
            let request = NativeRequest {
                logprobs: self.logprobs.map(|_| true),
                top_logprobs: self.logprobs,
                prompt: Some(prompt),
                suffix: self.suffix.as_deref(),
                raw: self.raw,
                ..NativeRequest::new(asked, &self.parameters, think)
            };
            Ok((request.to_json()?, self.echo.then(|| prompt.to_string())))
        };
        let bodies = self
            .prompts
            .iter()
            .map(body)
            .collect::<Result<_, BackendError>>()?;
        Ok(Settled {
            bodies,
            dropped: self.parameters.dropped.into_names(),
        })
    }

    fn take(&mut self, name: &str, raw: &'a RawValue) -> Result<(), BackendError> {
        match name {
            "prompt" => self.prompts = prompts(name, raw)?,
            "suffix" => {
                self.suffix = Some(read(name, raw)?).filter(|suffix: &Text<'_>| !suffix.is_empty());
            }
            "echo" => self.echo = boolean(name, raw)?,
            "raw" => self.raw = Some(boolean(name, raw)?),
            "logprobs" => self.logprobs = Some(integer_in(name, raw, 0, MOST_LOGPROBS)?),
            // Of several completions the best one is returned: one is enough for that.
            "best_of" => {}
            _ => self.parameters.take(name, raw)?,
        }
        Ok(())
    }
}

fn prompts<'a>(field: &str, raw: &'a RawValue) -> Result<Vec<Text<'a>>, BackendError> {
    if is_tokens(raw) {
        return Err(unsupported_value(
            field,
            "this model takes text, not tokens",
        ));
    }
    let prompts = texts(field, raw)?;
    match prompts.len() {
        0 => Err(empty_array(field)),
        1..=MOST_PROMPTS => Ok(prompts),
        _ => Err(long_array(field, MOST_PROMPTS)),
    }
}

/// Whether the value is an array of tokens, or of arrays of tokens.
pub(super) fn is_tokens(raw: &RawValue) -> bool {
    let first = modelgate_domain::json::elements(raw.get().as_bytes()).next();
    first.is_some_and(|at| matches!(raw.get().as_bytes()[at.start], b'[' | b'-' | b'0'..=b'9'))
}
