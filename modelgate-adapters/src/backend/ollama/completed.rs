//! Whole answers to legacy completions, in OpenAI's form.

use modelgate_domain::{TokenUsage, json};
use modelgate_ports::driven::BackendError;

use super::answer::{Written, read};
use super::envelope::{self, Envelope, push};
use super::line::{Ending, Line};
use super::refusal::no_answer;
use crate::backend::error::{Names, begun};

/// Collects the answers to the prompts of one request.
pub(super) struct Completed<'a> {
    envelope: &'a Envelope,
    names: &'a Names,
    json: Vec<u8>,
    choices: usize,
    /// The sum, as long as every answer told its part: any other would be too small.
    usage: Option<TokenUsage>,
}

impl<'a> Completed<'a> {
    pub(super) fn new(envelope: &'a Envelope, names: &'a Names) -> Self {
        Self {
            envelope,
            names,
            json: Vec::new(),
            choices: 0,
            usage: Some(TokenUsage::default()),
        }
    }

    /// Adds the answer to the next prompt, which it repeats if `echo` holds it.
    pub(super) fn add(&mut self, answer: &[u8], echo: Option<&str>) -> Result<(), BackendError> {
        let line = read(answer, self.names)?;
        if line.response.is_none() {
            return Err(begun(no_answer("there is no response in it")));
        }
        if self.choices == 0 {
            self.envelope
                .begin("text_completion", line.created(), &mut self.json);
        } else {
            self.json.push(b',');
        }
        self.choice(&line, echo);
        self.choices += 1;
        self.usage = self
            .usage
            .zip(line.usage())
            .map(|(so_far, next)| sum(so_far, next));
        Ok(())
    }

    pub(super) fn finish(mut self) -> Written {
        self.json.extend_from_slice(b"],");
        envelope::usage(self.usage.unwrap_or_default(), &mut self.json);
        self.json.push(b'}');
        Written {
            json: self.json,
            usage: self.usage,
        }
    }

    fn choice(&mut self, line: &Line<'_>, echo: Option<&str>) {
        let json = &mut self.json;
        push(json, format_args!(r#"{{"index":{},"text":"#, self.choices));
        let response = line.content().map_or("\"\"", |content| content.0);
        match echo {
            Some(prompt) => {
                json::quote(prompt, json);
                json.pop();
                json.extend_from_slice(&response.as_bytes()[1..]);
            }
            None => json.extend_from_slice(response.as_bytes()),
        }
        if let Some(thinking) = line.thinking() {
            json.push(b',');
            self.envelope.thinking(thinking, json);
        }
        json.extend_from_slice(b",\"logprobs\":");
        let mut offset = echo.map_or(0, |prompt| prompt.chars().count());
        envelope::text_logprobs(line.logprobs(), &mut offset, json);
        let reason = envelope::finish_reason(line.ending().unwrap_or(Ending::Stop), false);
        push(json, format_args!(r#","finish_reason":"{reason}"}}"#));
    }
}

fn sum(a: TokenUsage, b: TokenUsage) -> TokenUsage {
    let prompt = a.prompt.saturating_add(b.prompt);
    let completion = a.completion.saturating_add(b.completion);
    TokenUsage {
        prompt,
        completion,
        ..TokenUsage::default()
    }
}
