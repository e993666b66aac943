//! Messages: OpenAI's roles, parts and calls in, the server's flat messages out.

use std::borrow::Cow;

use modelgate_ports::driven::BackendError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::calls::{Call, CallForm, CalledForm};
use super::content::{Content, Flat};
use super::read::read;
use super::refusal::empty_array;
use super::text::Text;

#[derive(Deserialize)]
struct MessageForm<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<CallForm<'a>>>,
    #[serde(borrow)]
    function_call: Option<CalledForm<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
}

/// A message as the server takes it.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    role: Cow<'static, str>,
    content: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Text<'a>>,
}

/// The conversation so far.
#[derive(Debug, Default)]
pub(super) struct Messages<'a> {
    pub(super) list: Vec<Message<'a>>,
    /// Where the first sound is, which only some models hear.
    pub(super) audio: Option<String>,
    /// Ids and names of all calls so far.
    called: Vec<(Text<'a>, Text<'a>)>,
}

impl<'a> Messages<'a> {
    /// `messages` of the body: at least one, since a request without any would only load the model.
    pub(super) fn read(field: &str, raw: &'a RawValue) -> Result<Self, BackendError> {
        let forms: Vec<MessageForm<'a>> = read(field, raw)?;
        if forms.is_empty() {
            return Err(empty_array(field));
        }
        let mut messages = Self {
            list: Vec::with_capacity(forms.len()),
            ..Self::default()
        };
        for (index, form) in forms.into_iter().enumerate() {
            messages.add(form, &format!("{field}[{index}]"))?;
        }
        Ok(messages)
    }

    fn add(&mut self, form: MessageForm<'a>, path: &str) -> Result<(), BackendError> {
        let role = role(&form.role);
        let is_result = role == "tool";
        let Flat {
            text,
            images,
            has_audio,
        } = match form.content {
            Some(content) => content.flatten(path)?,
            None => Flat {
                text: form.refusal.unwrap_or_default(),
                ..Flat::default()
            },
        };
        if has_audio && self.audio.is_none() {
            self.audio = Some(path.to_owned());
        }
        let tool_name = form
            .name
            .filter(|_| is_result)
            .or_else(|| self.name_of(form.tool_call_id.as_ref()));
        let tool_calls = self.calls(form.tool_calls, form.function_call, path)?;
        self.list.push(Message {
            role,
            content: text,
            thinking: form
                .reasoning_content
                .or(form.reasoning)
                .or(form.thinking)
                .filter(|text| !text.is_empty()),
            images,
            tool_calls,
            tool_name,
            tool_call_id: form.tool_call_id,
        });
        Ok(())
    }

    /// The name that goes with the id of a call; ids may come again, the last one counts.
    fn name_of(&self, id: Option<&Text<'a>>) -> Option<Text<'a>> {
        let id = id?;
        self.called
            .iter()
            .rev()
            .find(|(called, _)| called == id)
            .map(|(_, name)| name.clone())
    }

    fn calls(
        &mut self,
        forms: Option<Vec<CallForm<'a>>>,
        legacy: Option<CalledForm<'a>>,
        path: &str,
    ) -> Result<Vec<Call<'a>>, BackendError> {
        let mut calls = Vec::new();
        for (index, form) in forms.unwrap_or_default().into_iter().enumerate() {
            calls.push(Call::new(form, &format!("{path}.tool_calls[{index}]"))?);
        }
        if let Some(legacy) = legacy {
            calls.push(Call::legacy(legacy, &format!("{path}.function_call"))?);
        }
        self.called.extend(calls.iter().filter_map(Call::named_id));
        Ok(calls)
    }
}

/// Roles that templates know; they rarely know `developer`, and `function` is `tool` of old.
fn role(role: &str) -> Cow<'static, str> {
    let role = role.to_ascii_lowercase();
    match role.as_str() {
        "system" | "developer" => "system".into(),
        "user" => "user".into(),
        "assistant" => "assistant".into(),
        "tool" | "function" => "tool".into(),
        _ => role.into(),
    }
}
