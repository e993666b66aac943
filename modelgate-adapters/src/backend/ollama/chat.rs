//! Requests for chats: the OpenAI body in, the body of `/api/chat` out.

use std::borrow::Cow;

use modelgate_ports::driven::BackendError;
use serde_json::value::RawValue;

use super::capabilities::Capabilities;
use super::messages::Messages;
use super::native_request::{Asked, NativeRequest};
use super::parameters::Parameters;
use super::read::{boolean, integer_in, read};
use super::refusal::{invalid_value, missing, unsupported_value};
use super::tools::{Choice, Tool};

/// Most alternatives that may be asked for each token.
const MOST_LOGPROBS: i64 = 20;

/// A request for a chat, read but not yet settled.
#[derive(Debug)]
pub(super) struct Chat<'a> {
    parameters: Parameters<'a>,
    messages: Messages<'a>,
    tools: Vec<Tool<'a>>,
    choice: Option<(Cow<'a, str>, Choice<'a>)>,
    logprobs: bool,
    top_logprobs: Option<i64>,
}

impl<'a> Chat<'a> {
    /// Reads the members of the body.
    pub(super) fn read(
        members: Vec<(Cow<'a, str>, &'a RawValue)>,
        strict: bool,
    ) -> Result<Self, BackendError> {
        let Some((_, messages)) = members.iter().rev().find(|(name, _)| name == "messages") else {
            return Err(missing("messages"));
        };
        let mut chat = Self {
            parameters: Parameters::new(strict),
            messages: Messages::read("messages", messages)?,
            tools: Vec::new(),
            choice: None,
            logprobs: false,
            top_logprobs: None,
        };
        chat.parameters.take_options(&members)?;
        for (name, raw) in members {
            chat.take(name, raw)?;
        }
        chat.check_logprobs()?;
        chat.choose_tools()?;
        Ok(chat)
    }

    /// Whether what the model can do decides what is sent: it is asked only then.
    pub(super) fn depends_on_capabilities(&self) -> bool {
        self.parameters.think().is_some() || self.messages.audio.is_some()
    }

    /// The native body, and the names of what it leaves out.
    pub(super) fn settle(
        mut self,
        asked: Asked<'a>,
        capabilities: &Capabilities,
    ) -> Result<(Vec<u8>, Vec<String>), BackendError> {
        if let Some(path) = self.messages.audio.as_deref()
            && capabilities.can("audio") == Some(false)
        {
            return Err(unsupported_value(
                &format!("{path}.content"),
                "this model takes no audio",
            ));
        }
        let think = self.parameters.think_for(capabilities.can("thinking"))?;
        self.parameters.overrule(asked.options, asked.output_limit);
        let request = NativeRequest {
            logprobs: self.logprobs.then_some(true),
            top_logprobs: self.top_logprobs,
            tools: &self.tools,
            messages: &self.messages.list,
            ..NativeRequest::new(asked, &self.parameters, think)
        };
        let body = request.to_json()?;
        Ok((body, self.parameters.dropped.into_names()))
    }

    fn take(&mut self, name: Cow<'a, str>, raw: &'a RawValue) -> Result<(), BackendError> {
        match &*name {
            "messages" => {}
            "tools" => self.tools.extend(Tool::list(&name, raw)?),
            "functions" => self.tools.extend(Tool::legacy_list(&name, raw)?),
            "tool_choice" | "function_call" => {
                let choice = Choice::read(&name, raw)?;
                self.choice = Some((name, choice));
            }
            "logprobs" => self.logprobs = boolean(&name, raw)?,
            "top_logprobs" => self.top_logprobs = Some(integer_in(&name, raw, 0, MOST_LOGPROBS)?),
            "modalities" if wants_only_audio(&read::<Vec<_>>(&name, raw)?) => {
                return Err(unsupported_value(&name, "this model answers in text"));
            }
            _ => self.parameters.take(&name, raw)?,
        }
        Ok(())
    }

    fn check_logprobs(&mut self) -> Result<(), BackendError> {
        if self.logprobs {
            return Ok(());
        }
        match self.top_logprobs.take() {
            Some(1..) => Err(invalid_value("logprobs", "true when top_logprobs is given")),
            _ => Ok(()),
        }
    }

    fn choose_tools(&mut self) -> Result<(), BackendError> {
        match self.choice.take() {
            Some((field, choice)) => {
                choice.apply(&field, &mut self.tools, &mut self.parameters.dropped)
            }
            None => Ok(()),
        }
    }
}

fn wants_only_audio(modalities: &[super::text::Text<'_>]) -> bool {
    !modalities.is_empty() && modalities.iter().all(|modality| &**modality == "audio")
}
