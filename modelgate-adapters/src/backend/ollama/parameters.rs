//! What requests for chats and for completions have in common: everything but the prompt.

use std::borrow::Cow;

use modelgate_domain::model::ModelOptions;
use modelgate_ports::driven::BackendError;
use serde::Serialize;
use serde_json::value::RawValue;

use super::dropped::Dropped;
use super::format::Format;
use super::options::Options;
use super::read::{Members, boolean, integer_in, read};
use super::refusal::{invalid_type, unsupported_value};
use super::text::Text;
use super::think::Think;

/// The parameters of one request, as the server writes them.
#[derive(Debug, Default)]
pub(super) struct Parameters<'a> {
    pub(super) options: Options<'a>,
    pub(super) format: Option<Format<'a>>,
    pub(super) keep_alive: Option<KeepAlive<'a>>,
    pub(super) truncate: Option<bool>,
    pub(super) shift: Option<bool>,
    pub(super) dropped: Dropped,
    effort: Option<Think>,
    think: Option<Think>,
}

/// How long the model stays loaded: seconds or a duration such as `5m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum KeepAlive<'a> {
    Seconds(i64),
    Duration(Cow<'a, str>),
}

impl<'a> Parameters<'a> {
    pub(super) fn new(strict: bool) -> Self {
        Self {
            dropped: Dropped::new(strict),
            ..Self::default()
        }
    }

    /// Takes the nested `options`, before any other, because what stands at the top level is stronger.
    pub(super) fn take_options(
        &mut self,
        members: &[(Cow<'a, str>, &'a RawValue)],
    ) -> Result<(), BackendError> {
        let Some((_, raw)) = members.iter().rev().find(|(name, _)| name == "options") else {
            return Ok(());
        };
        let Members(nested) = read("options", raw)?;
        for (name, raw) in nested {
            let field = format!("options.{name}");
            if raw.get() != "null" && !self.take_native(&name, &field, raw)? {
                self.dropped.take(&field, raw)?;
            }
        }
        Ok(())
    }

    /// Takes any parameter: one that is known, or one that will be left out.
    pub(super) fn take(&mut self, name: &str, raw: &'a RawValue) -> Result<(), BackendError> {
        match name {
            // What the head says, which was read before.
            "model" | "stream" | "stream_options" | "options" => {}
            "n" if integer_in(name, raw, 1, i64::MAX)? == 1 => {}
            "n" => return Err(unsupported_value(name, "this model gives one choice only")),
            "response_format" => {
                self.format = Format::from_response_format(name, raw)?.or(self.format);
            }
            "reasoning_effort" => self.effort = Some(Think::from_effort(name, raw)?),
            "reasoning" => self.take_reasoning(raw)?,
            _ if self.options.take_limit(name, raw)? || self.take_native(name, name, raw)? => {}
            _ => self.dropped.take(name, raw)?,
        }
        Ok(())
    }

    /// How hard to think, if the client said so; the server's own word is stronger than OpenAI's.
    pub(super) fn think(&self) -> Option<Think> {
        self.think.or(self.effort)
    }

    /// What may be sent to a model of which it is known whether it thinks: nothing at all if it does not.
    pub(super) fn think_for(
        &mut self,
        can_think: Option<bool>,
    ) -> Result<Option<Think>, BackendError> {
        let Some(think) = self.think() else {
            return Ok(None);
        };
        if can_think != Some(false) {
            return Ok(Some(think));
        }
        if think.is_wanted() {
            self.dropped.leave_out(if self.think.is_some() {
                "think"
            } else {
                "reasoning_effort"
            })?;
        }
        Ok(None)
    }

    /// Puts the operator's word above the client's.
    pub(super) fn overrule(&mut self, model: &'a ModelOptions, output_limit: Option<u64>) {
        self.options.limit_output(output_limit);
        if !self.options.set_context(model) {
            self.dropped.note("num_ctx");
        }
        if let Some(operator) = model.keep_alive.as_deref().map(KeepAlive::parse) {
            if self
                .keep_alive
                .as_ref()
                .is_some_and(|asked| *asked != operator)
            {
                self.dropped.note("keep_alive");
            }
            self.keep_alive = Some(operator);
        }
    }

    /// Parameters in the server's own words, which may stand at the top level or in `options`.
    fn take_native(
        &mut self,
        name: &str,
        field: &str,
        raw: &'a RawValue,
    ) -> Result<bool, BackendError> {
        match name {
            "think" => self.think = Some(Think::from_native(field, raw)?),
            "format" => self.format = Format::from_native(field, raw)?,
            "keep_alive" => self.keep_alive = Some(KeepAlive::read(field, raw)?),
            "truncate" => self.truncate = Some(boolean(field, raw)?),
            "shift" => self.shift = Some(boolean(field, raw)?),
            _ => return self.options.take(name, field, raw),
        }
        Ok(true)
    }

    fn take_reasoning(&mut self, raw: &'a RawValue) -> Result<(), BackendError> {
        let Members(members) = read("reasoning", raw)?;
        for (name, raw) in members {
            match &*name {
                _ if raw.get() == "null" => {}
                "effort" => self.effort = Some(Think::from_effort("reasoning.effort", raw)?),
                _ => self.dropped.take(&format!("reasoning.{name}"), raw)?,
            }
        }
        Ok(())
    }
}

impl<'a> KeepAlive<'a> {
    fn read(field: &str, raw: &'a RawValue) -> Result<Self, BackendError> {
        match raw.get().as_bytes().first() {
            Some(b'"') => Ok(Self::parse_text(read(field, raw)?)),
            Some(b'-' | b'0'..=b'9') => {
                integer_in(field, raw, i64::MIN, i64::MAX).map(Self::Seconds)
            }
            _ => Err(invalid_type(field, "seconds or a duration such as 5m")),
        }
    }

    /// As the operator wrote it; digits without a unit are seconds.
    fn parse(text: &'a str) -> Self {
        Self::parse_text(Text(Cow::Borrowed(text)))
    }

    fn parse_text(text: Text<'a>) -> Self {
        match text.trim().parse() {
            Ok(seconds) => Self::Seconds(seconds),
            Err(_) => Self::Duration(text.0),
        }
    }
}
