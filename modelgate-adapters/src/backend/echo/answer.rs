//! What the echo says, and the JSON around it.

use modelgate_domain::{Endpoint, TokenUsage, json};
use modelgate_ports::driven::Call;

use super::prompt::Prompt;

/// All answers to one request.
pub(super) struct Answers {
    endpoint: Endpoint,
    /// `"id":…,"created":…,"model":…,` for every object of this answer.
    identity: String,
    pub(super) choices: Vec<Choice>,
    pub(super) usage: TokenUsage,
}

/// One answer: the words it consists of, with the spaces before them.
pub(super) struct Choice {
    pub(super) words: Vec<String>,
    is_cut: bool,
}

impl Answers {
    pub(super) fn new(call: &Call<'_>, prompt: &Prompt, created: i64) -> Self {
        let limit = call
            .head
            .max_output
            .into_iter()
            .chain(call.output_limit)
            .min();
        let per_text = usize::try_from(prompt.answers).unwrap_or(1);
        let again = |text| std::iter::repeat_n(text, per_text);
        let choices: Vec<_> = prompt
            .texts
            .iter()
            .flat_map(again)
            .map(|text| Choice::new(text, limit))
            .collect();
        let completion = choices.iter().map(Choice::tokens).sum();
        let usage = TokenUsage {
            prompt: prompt.tokens,
            completion,
            ..TokenUsage::default()
        };
        Self {
            endpoint: call.head.endpoint,
            identity: identity(call, created),
            choices,
            usage,
        }
    }

    /// The answer as one JSON document.
    pub(super) fn whole(&self) -> (String, TokenUsage) {
        let mut out = self.open(self.object("chat.completion"));
        for (index, choice) in self.choices.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            let text = quoted(&choice.words.concat());
            let content = match self.endpoint {
                Endpoint::Completions => format!("\"text\":{text}"),
                _ => format!(
                    "\"message\":{{\"role\":\"assistant\",\"content\":{text},\"refusal\":null}}"
                ),
            };
            self.choice(index, &content, choice.finish_reason(), &mut out);
        }
        out.extend(["],", &self.usage(), "}"]);
        (out, self.usage)
    }

    /// An event for one choice: the start if `word` is `None`, else a further word.
    pub(super) fn delta(&self, index: usize, word: Option<&str>) -> String {
        let text = quoted(word.unwrap_or_default());
        let content = match (self.endpoint, word) {
            (Endpoint::Completions, _) => format!("\"text\":{text}"),
            (_, None) => "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}".to_owned(),
            (_, Some(_)) => format!("\"delta\":{{\"content\":{text}}}"),
        };
        self.event(index, &content, "null")
    }

    /// The last event for one choice.
    pub(super) fn finish(&self, index: usize) -> String {
        let content = match self.endpoint {
            Endpoint::Completions => "\"text\":\"\"",
            _ => "\"delta\":{}",
        };
        self.event(index, content, self.choices[index].finish_reason())
    }

    /// The event that tells usage.
    pub(super) fn usage_event(&self) -> String {
        let mut out = self.open(self.object("chat.completion.chunk"));
        out.extend(["],", &self.usage(), "}"]);
        out
    }

    /// A chat says its role first; a completion begins with its first word.
    pub(super) fn has_start(&self) -> bool {
        self.endpoint == Endpoint::Chat
    }

    fn event(&self, index: usize, content: &str, finish_reason: &str) -> String {
        let mut out = self.open(self.object("chat.completion.chunk"));
        self.choice(index, content, finish_reason, &mut out);
        out.push_str("]}");
        out
    }

    fn object(&self, of_chat: &'static str) -> &'static str {
        if self.endpoint == Endpoint::Completions {
            "text_completion"
        } else {
            of_chat
        }
    }

    fn open(&self, object: &str) -> String {
        format!("{{\"object\":\"{object}\",{}\"choices\":[", self.identity)
    }

    #[expect(
        clippy::unused_self,
        reason = "reads as a part of the document around it"
    )]
    fn choice(&self, index: usize, content: &str, finish_reason: &str, out: &mut String) {
        let parts = [
            "{\"index\":",
            &index.to_string(),
            ",",
            content,
            ",\"logprobs\":null,\"finish_reason\":",
            finish_reason,
            "}",
        ];
        out.extend(parts);
    }

    /// The member that tells usage.
    fn usage(&self) -> String {
        let TokenUsage {
            prompt, completion, ..
        } = self.usage;
        let total = self.usage.total();
        format!(
            "\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{total}}}"
        )
    }
}

impl Choice {
    fn new(text: &str, limit: Option<u64>) -> Self {
        let mut words = words(text);
        let most = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let is_cut = words.len() > most;
        words.truncate(most);
        Self { words, is_cut }
    }

    fn tokens(&self) -> u64 {
        self.words.len() as u64
    }

    /// As JSON.
    fn finish_reason(&self) -> &'static str {
        if self.is_cut {
            "\"length\""
        } else {
            "\"stop\""
        }
    }
}

/// The words of a text, each with the space before it; together they are the text. At least one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let word = rest.len() - rest.trim_start().len();
        let end = rest[word..]
            .find(char::is_whitespace)
            .map_or(rest.len(), |at| word + at);
        let end = if rest[end..].trim_start().is_empty() {
            rest.len()
        } else {
            end
        };
        words.push(rest[..end].to_owned());
        rest = &rest[end..];
        if rest.is_empty() {
            return words;
        }
    }
}

fn identity(call: &Call<'_>, created: i64) -> String {
    let prefix = if call.head.endpoint == Endpoint::Completions {
        "cmpl"
    } else {
        "chatcmpl"
    };
    let id = call.request.to_string().replace('-', "");
    format!(
        "\"id\":\"{prefix}-{id}\",\"created\":{created},\"model\":{},",
        quoted(call.shown_model)
    )
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::quote_into(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_text_in_parts() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text), expected, "{text:?}");
        check("", &[""]);
        check("one", &["one"]);
        check("one two  three", &["one", " two", "  three"]);
        check(" \n one\ttwo \n", &[" \n one", "\ttwo \n"]);
        check("   ", &["   "]);
    }

    #[test]
    fn a_limit_cuts_and_says_so() {
        let check = |limit, count, finish_reason| {
            let choice = Choice::new("a b c", limit);
            assert_eq!(
                (choice.words.len(), choice.finish_reason()),
                (count, finish_reason)
            );
        };
        check(None, 3, "\"stop\"");
        check(Some(3), 3, "\"stop\"");
        check(Some(2), 2, "\"length\"");
        check(Some(0), 0, "\"length\"");
    }
}
