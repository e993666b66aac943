//! What a server answers: a line of a stream, or a whole answer, which has the same form.

use modelgate_domain::{Timestamp, TokenUsage, json};
use modelgate_ports::driven::BackendError;
use serde::de::{self, Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::refusal::no_answer;
use super::text::Text;

/// One object of an answer. Texts stay as they were written, ready to be written again.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    created_at: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) response: Option<Quoted<'a>>,
    #[serde(borrow)]
    thinking: Option<Quoted<'a>>,
    #[serde(borrow)]
    pub(super) logprobs: Option<Vec<Logprob<'a>>>,
    done: Option<bool>,
    #[serde(borrow)]
    done_reason: Option<Text<'a>>,
    #[serde(borrow)]
    prompt_eval_count: Option<&'a RawValue>,
    #[serde(borrow)]
    eval_count: Option<&'a RawValue>,
}

/// `message` of a chat.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    content: Option<Quoted<'a>>,
    #[serde(borrow)]
    thinking: Option<Quoted<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

/// A complete call; servers never split them.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    id: Option<Quoted<'a>>,
    #[serde(borrow)]
    pub(super) function: Called<'a>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Called<'a> {
    #[serde(borrow)]
    pub(super) name: Quoted<'a>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Logprob<'a> {
    #[serde(borrow)]
    pub(super) token: Quoted<'a>,
    #[serde(borrow)]
    #[serde(rename = "logprob")]
    pub(super) value: Number<'a>,
    pub(super) bytes: Option<Vec<u8>>,
    #[serde(borrow)]
    pub(super) top_logprobs: Option<Vec<Logprob<'a>>>,
}

/// A JSON string with its quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a>(pub(super) &'a str);

/// A JSON number as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a>(pub(super) &'a str);

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Stop,
    Length,
}

impl<'a> Line<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, BackendError> {
        serde_json::from_slice(line).map_err(no_answer)
    }

    /// What the model says, unless that is nothing.
    pub(super) fn content(&self) -> Option<Quoted<'a>> {
        self.message
            .as_ref()
            .and_then(|message| message.content)
            .or(self.response)
            .filter(Quoted::says_something)
    }

    /// What the model thinks, unless that is nothing.
    pub(super) fn thinking(&self) -> Option<Quoted<'a>> {
        self.message
            .as_ref()
            .and_then(|message| message.thinking)
            .or(self.thinking)
            .filter(Quoted::says_something)
    }

    pub(super) fn calls(&self) -> &[Call<'a>] {
        self.message
            .as_ref()
            .and_then(|message| message.tool_calls.as_deref())
            .unwrap_or_default()
    }

    pub(super) fn logprobs(&self) -> Option<&[Logprob<'a>]> {
        self.logprobs
            .as_deref()
            .filter(|logprobs| !logprobs.is_empty())
    }

    /// Unix seconds of `created_at`.
    pub(super) fn created(&self) -> Option<i64> {
        Timestamp::parse(self.created_at.as_deref()?)
            .ok()
            .map(Timestamp::seconds)
    }

    /// Whether the answer is complete with this line.
    pub(super) fn is_done(&self) -> bool {
        self.done == Some(true)
    }

    /// Why it ended, if it says so.
    pub(super) fn ending(&self) -> Option<Ending> {
        match self.done_reason.as_deref() {
            Some("length") => Some(Ending::Length),
            Some(reason) if !reason.is_empty() => Some(Ending::Stop),
            _ => self.is_done().then_some(Ending::Stop),
        }
    }

    /// Tokens. Servers leave out counts that are zero; without either nothing was told.
    pub(super) fn usage(&self) -> Option<TokenUsage> {
        if self.prompt_eval_count.is_none() && self.eval_count.is_none() {
            return None;
        }
        let usage = TokenUsage {
            prompt: count(self.prompt_eval_count),
            completion: count(self.eval_count),
            ..TokenUsage::default()
        };
        Some(usage.believable())
    }
}

/// A count is untrusted: what is none counts as zero, what is too large as the largest.
fn count(raw: Option<&RawValue>) -> u64 {
    let Some(text) = raw.map(RawValue::get) else {
        return 0;
    };
    let is_too_large = || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    json::unsigned(text.as_bytes()).unwrap_or_else(|| if is_too_large() { u64::MAX } else { 0 })
}

impl<'a> Call<'a> {
    /// Its id, which older servers do not give.
    pub(super) fn id(&self) -> Option<Quoted<'a>> {
        self.id.filter(Quoted::says_something)
    }
}

impl Quoted<'static> {
    pub(super) const EMPTY: Self = Self("\"\"");
}

impl Quoted<'_> {
    fn says_something(&self) -> bool {
        self.0.len() > 2
    }

    /// How many characters it stands for.
    pub(super) fn characters(&self) -> usize {
        json::text(self.0.as_bytes()).map_or(0, |text| text.chars().count())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Quoted<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('"') {
            Ok(Self(raw))
        } else {
            Err(de::Error::custom("expected a string"))
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if is_number {
            Ok(Self(raw))
        } else {
            Err(de::Error::custom("expected a number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(counts: &str) -> Option<(u64, u64)> {
        let line = format!(r#"{{"done":true{counts}}}"#);
        Line::parse(line.as_bytes())
            .unwrap()
            .usage()
            .map(|usage| (usage.prompt, usage.completion))
    }

    #[test]
    fn counts_are_not_believed_blindly() {
        assert_eq!(
            usage(r#","prompt_eval_count":20,"eval_count":7"#),
            Some((20, 7))
        );
        assert_eq!(usage(r#","eval_count":7"#), Some((0, 7)));
        assert_eq!(usage(r#","prompt_eval_count":20"#), Some((20, 0)));
        assert_eq!(usage(""), None);
        assert_eq!(usage(r#","prompt_eval_count":null"#), None);
        assert_eq!(
            usage(r#","prompt_eval_count":-5,"eval_count":1.5"#),
            Some((0, 0))
        );
        assert_eq!(
            usage(r#","prompt_eval_count":"7","eval_count":[7]"#),
            Some((0, 0))
        );
        let most = TokenUsage::MOST;
        assert_eq!(
            usage(r#","prompt_eval_count":99999999999999999999,"eval_count":18446744073709551615"#),
            Some((most, most))
        );
    }

    #[test]
    fn endings_are_told_apart() {
        let check = |line: &str, expected: Option<Ending>| {
            assert_eq!(
                Line::parse(line.as_bytes()).unwrap().ending(),
                expected,
                "{line}"
            );
        };
        check(r#"{"done":true,"done_reason":"stop"}"#, Some(Ending::Stop));
        check(
            r#"{"done":true,"done_reason":"length"}"#,
            Some(Ending::Length),
        );
        check(r#"{"done":true,"done_reason":"load"}"#, Some(Ending::Stop));
        check(r#"{"done":true}"#, Some(Ending::Stop));
        check(r#"{"done":false,"done_reason":"stop"}"#, Some(Ending::Stop));
        check(r#"{"done":false,"done_reason":""}"#, None);
        check(r#"{"done":false}"#, None);
        check("{}", None);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for line in [
            "",
            "[]",
            "null",
            "{",
            "{}{}",
            r#"{"message":{"content":5}}"#,
            r#"{"response":{}}"#,
            "{\"response\":\"\u{1}\"}",
        ] {
            assert!(Line::parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Line::parse(b"{\"response\":\"\xff\"}").is_err());
    }
}
