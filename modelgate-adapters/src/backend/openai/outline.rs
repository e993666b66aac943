//! What one event of a stream says, found in a single pass over its JSON.

use std::ops::Range;

use modelgate_domain::json::{JsonError, JsonErrorKind, Scanner, Token, Visitor};

/// Where things are in an event, and what its choices say.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "findings of one scan that do not depend on each other"
)]
pub(super) struct Outline {
    pub(super) model: Option<Range<usize>>,
    pub(super) usage: Option<Range<usize>>,
    pub(super) error: Option<Range<usize>>,
    pub(super) choices: Option<Range<usize>>,
    pub(super) timings: Option<Range<usize>>,
    pub(super) groq: Option<Range<usize>>,
    pub(super) id: Option<Range<usize>>,
    pub(super) object: Option<Range<usize>>,
    pub(super) created: Option<Range<usize>>,
    /// A top-level `message` or `detail`: an error, where there are no choices.
    pub(super) complaint: bool,
    /// The choices of the event.
    pub(super) each: Vec<Choice>,
    /// Inside of the quotes of the last text that a delta carries.
    pub(super) content: Option<Range<usize>>,
    /// A delta carries output: a text that is not empty, or a list or an object that is not.
    pub(super) output: bool,
    /// A delta names a role.
    pub(super) role: bool,
    /// A delta holds tool calls.
    pub(super) tools: bool,
    place: Place,
}

/// One choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) index: u64,
    /// It has a `finish_reason`.
    pub(super) finished: bool,
}

/// Where the scan is.
#[derive(Debug, Default)]
struct Place {
    top: Top,
    in_choice: InChoice,
    in_delta: InDelta,
    /// Where the value began at each of the depths 1 to 4, and the document at 0.
    starts: [usize; 5],
    choice: Choice,
    stranger: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Top {
    #[default]
    Other,
    Model,
    Usage,
    Error,
    Choices,
    Timings,
    Groq,
    Id,
    Object,
    Created,
    Complaint,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum InChoice {
    #[default]
    Other,
    Index,
    FinishReason,
    Delta,
    Text,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum InDelta {
    #[default]
    Other,
    Role,
    ToolCalls,
}

/// Whether the value of an `error` member says that there is one.
pub(super) fn is_truthy(raw: &[u8]) -> bool {
    let nothing: [&[u8]; 6] = [b"null", b"false", b"\"\"", b"{}", b"[]", b"0"];
    !nothing.contains(&raw)
}

impl Outline {
    /// Reads one event. The old outline gives its memory.
    ///
    /// # Errors
    /// The event is no JSON object.
    pub(super) fn read(old: Self, event: &[u8]) -> Result<Self, JsonError> {
        let mut each = old.each;
        each.clear();
        let mut scanner = Scanner::new(Self {
            each,
            ..Self::default()
        });
        scanner.feed(event)?;
        let outline = scanner.finish()?;
        match outline.place.stranger {
            None => Ok(outline),
            Some(at) => Err(JsonError {
                kind: JsonErrorKind::NotObject,
                at,
            }),
        }
    }

    fn top_key(&mut self, text: &[u8]) {
        self.place.top = match text {
            b"model" => Top::Model,
            b"usage" => Top::Usage,
            b"error" => Top::Error,
            b"choices" => Top::Choices,
            b"timings" => Top::Timings,
            b"x_groq" => Top::Groq,
            b"id" => Top::Id,
            b"object" => Top::Object,
            b"created" => Top::Created,
            b"message" | b"detail" => Top::Complaint,
            _ => Top::Other,
        };
    }

    fn top_value(&mut self, at: Range<usize>) {
        let place = match self.place.top {
            Top::Model => &mut self.model,
            Top::Usage => &mut self.usage,
            Top::Error => &mut self.error,
            Top::Choices => &mut self.choices,
            Top::Timings => &mut self.timings,
            Top::Groq => &mut self.groq,
            Top::Id => &mut self.id,
            Top::Object => &mut self.object,
            Top::Created => &mut self.created,
            Top::Complaint => {
                self.complaint = true;
                return;
            }
            Top::Other => return,
        };
        *place = Some(at);
    }

    fn choice_key(&mut self, text: &[u8]) {
        self.place.in_choice = match text {
            b"index" => InChoice::Index,
            b"finish_reason" => InChoice::FinishReason,
            b"delta" => InChoice::Delta,
            b"text" => InChoice::Text,
            _ => InChoice::Other,
        };
    }

    fn choice_value(&mut self, token: Token, at: Range<usize>, text: &[u8]) {
        match (self.place.in_choice, token) {
            (InChoice::Index, Token::Number) => {
                self.place.choice.index = modelgate_domain::json::unsigned(text).unwrap_or(0);
            }
            (InChoice::FinishReason, Token::String) => self.place.choice.finished = at.len() > 2,
            (InChoice::Text, Token::String) => self.text(&at),
            _ => {}
        }
    }

    fn delta_key(&mut self, text: &[u8]) {
        self.place.in_delta = match text {
            b"role" => InDelta::Role,
            b"tool_calls" => InDelta::ToolCalls,
            _ => InDelta::Other,
        };
    }

    fn delta_value(&mut self, token: Token, at: &Range<usize>) {
        match (self.place.in_delta, token) {
            (InDelta::Role, Token::String) => self.role = true,
            (InDelta::Role, _) => {}
            (_, Token::String) => self.text(at),
            (key, Token::Array | Token::Object) => {
                self.output |= at.len() > 2;
                self.tools |= key == InDelta::ToolCalls && token == Token::Array;
            }
            _ => {}
        }
    }

    /// A string at `at`, quotes included.
    fn text(&mut self, at: &Range<usize>) {
        if at.len() > 2 {
            self.output = true;
            self.content = Some(at.start + 1..at.end - 1);
        }
    }

    fn in_choices(&self) -> bool {
        self.place.top == Top::Choices
    }

    fn in_delta(&self) -> bool {
        self.in_choices() && self.place.in_choice == InChoice::Delta
    }
}

impl Visitor for Outline {
    #[inline]
    fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool {
        if depth > 4 {
            return false;
        }
        if token != Token::Key {
            self.place.starts[depth] = at;
            match depth {
                0 if token != Token::Object => self.place.stranger = Some(at),
                2 => self.place.choice = Choice::default(),
                _ => {}
            }
            return depth == 3 && token == Token::Number;
        }
        match depth {
            1 => true,
            3 => self.in_choices(),
            4 => self.in_delta(),
            _ => false,
        }
    }

    #[inline]
    fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]) {
        match (depth, token) {
            (1, Token::Key) => self.top_key(text),
            (1, _) => self.top_value(self.place.starts[1]..end),
            (2, Token::Object) if self.in_choices() => self.each.push(self.place.choice),
            (3, Token::Key) if self.in_choices() => self.choice_key(text),
            (3, _) if self.in_choices() => {
                self.choice_value(token, self.place.starts[3]..end, text);
            }
            (4, Token::Key) if self.in_delta() => self.delta_key(text),
            (4, _) if self.in_delta() => self.delta_value(token, &(self.place.starts[4]..end)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str) -> Outline {
        Outline::read(Outline::default(), event.as_bytes()).unwrap()
    }

    fn choice(index: u64, finished: bool) -> Choice {
        Choice { index, finished }
    }

    #[test]
    fn places_of_top_level_members_are_found() {
        let event = r#"{"id":"x","object":"o","created":1,"model":"m","choices":[{"model":"no","usage":1}],"usage":null,"error":{"a":[]},"timings":{},"x_groq":{"usage":{}}}"#;
        let outline = read(event);
        let at = |place: &Option<Range<usize>>| place.clone().map(|at| &event[at]);
        assert_eq!(at(&outline.id), Some(r#""x""#));
        assert_eq!(at(&outline.object), Some(r#""o""#));
        assert_eq!(at(&outline.created), Some("1"));
        assert_eq!(at(&outline.model), Some(r#""m""#));
        assert_eq!(at(&outline.choices), Some(r#"[{"model":"no","usage":1}]"#));
        assert_eq!(at(&outline.usage), Some("null"));
        assert_eq!(at(&outline.error), Some(r#"{"a":[]}"#));
        assert_eq!(at(&outline.timings), Some("{}"));
        assert_eq!(at(&outline.groq), Some(r#"{"usage":{}}"#));
        assert!(!outline.complaint);
        assert!(read(r#"{"detail":"no"}"#).complaint);
    }

    #[test]
    fn choices_are_told_apart() {
        let check = |choices: &str, expected: &[Choice]| {
            assert_eq!(
                read(&format!("{{\"choices\":{choices}}}")).each,
                expected,
                "{choices}"
            );
        };
        check("null", &[]);
        check("[]", &[]);
        check(r#"[{"index":0,"finish_reason":null}]"#, &[choice(0, false)]);
        check(
            r#"[{"finish_reason":"stop","index":3}]"#,
            &[choice(3, true)],
        );
        check(
            r#"[{"index":1,"finish_reason":""},{"finish_reason":"eos"}]"#,
            &[choice(1, false), choice(0, true)],
        );
        check(
            r#"[{"index":1,"delta":{"index":7,"finish_reason":"no"}}]"#,
            &[choice(1, false)],
        );
    }

    #[test]
    fn output_is_what_a_delta_carries() {
        let check = |inside: &str, output: bool, content: Option<&str>| {
            let event = format!("{{\"choices\":[{{{inside}}}]}}");
            let outline = read(&event);
            assert_eq!(outline.output, output, "{inside}");
            assert_eq!(outline.content.map(|at| &event[at]), content, "{inside}");
        };
        check(r#""delta":{"role":"assistant","content":""}"#, false, None);
        check(
            r#""delta":{"role":"assistant","content":null,"tool_calls":[]}"#,
            false,
            None,
        );
        check(r#""delta":{"content":"Hi"}"#, true, Some("Hi"));
        check(
            r#""delta":{"reasoning":"a","content":"Hi"}"#,
            true,
            Some("Hi"),
        );
        check(
            r#""delta":{"refusal":"no"},"logprobs":{"content":["x"]}"#,
            true,
            Some("no"),
        );
        check(r#""delta":{"tool_calls":[{"index":0}]}"#, true, None);
        check(r#""delta":{"audio":{"data":"x"}}"#, true, None);
        check(r#""text":"a\"b""#, true, Some(r#"a\"b"#));
        check(r#""text":"""#, false, None);
        check(r#""message":{"content":"x"}"#, false, None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for event in ["", "1", "[]", "{", "{\"a\":1}x", "nul", "{'a':1}"] {
            assert!(
                Outline::read(Outline::default(), event.as_bytes()).is_err(),
                "{event}"
            );
        }
        assert!(Outline::read(Outline::default(), b"{\"a\":\"\xff\"}").is_err());
    }
}
