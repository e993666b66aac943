//! What an error body says, whatever its shape.

use serde_json::{Map, Value};

/// How many wrappers, such as JSON inside of a string, are opened.
const DEEPEST: usize = 5;

/// The words of an error, as far as there were any.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) message: Option<String>,
    /// `type`: `invalid_request_error`, `BadRequestError` …
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
    /// Status that stands in the body, as `code` or `status`.
    number: Option<u16>,
}

impl Told {
    /// Reads a body or a single value. Text that is no JSON says nothing: it is often a page for people.
    pub(super) fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        serde_json::from_slice(body).map_or_else(|_| Self::default(), |value| Self::of(&value, 0))
    }

    /// The status this would have had as an answer of its own.
    pub(super) fn status(&self) -> u16 {
        let by_kind = || self.kind.as_deref().and_then(status_of_kind);
        let by_code = || self.code.as_deref().and_then(status_of_kind);
        self.number
            .or_else(by_kind)
            .or_else(by_code)
            .unwrap_or(if self.is_context_overflow() { 400 } else { 500 })
    }

    /// Whether the prompt is too long, in any server's words.
    pub(super) fn is_context_overflow(&self) -> bool {
        const WORDS: [&str; 6] = [
            "maximum context length",
            "available context size",
            "exceeds the context length",
            "exceeds the available context",
            "prompt is too long",
            "context window",
        ];
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        self.code.as_deref() == Some("context_length_exceeded")
            || self.kind.as_deref() == Some("exceed_context_size_error")
            || WORDS.iter().any(|words| message.contains(words))
    }

    /// Whether an unknown model is meant, rather than an unknown route.
    pub(super) fn is_about_the_model(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        self.param.as_deref() == Some("model")
            || self.code.as_deref() == Some("model_not_found")
            || message.contains("model")
    }

    /// Whether the operator's account has no money left.
    pub(super) fn is_out_of_credit(&self) -> bool {
        [&self.kind, &self.code]
            .into_iter()
            .any(|word| word.as_deref() == Some("insufficient_quota"))
    }

    fn of(value: &Value, depth: usize) -> Self {
        match value {
            _ if depth > DEEPEST => Self::default(),
            Value::Object(members) => Self::of_object(members, depth),
            Value::Array(items) => Self::of_list(items, depth),
            Value::String(text) => Self::of_text(text, depth),
            _ => Self::default(),
        }
    }

    fn of_object(members: &Map<String, Value>, depth: usize) -> Self {
        let outer = Self::of_fields(members, depth);
        let inner = ["error", "detail", "message"]
            .into_iter()
            .filter_map(|name| members.get(name))
            .find(|value| !value.is_null());
        match inner {
            Some(value) => Self::of(value, depth + 1).or(outer),
            None => outer,
        }
    }

    /// The members that say it themselves.
    fn of_fields(members: &Map<String, Value>, depth: usize) -> Self {
        let text = |name: &str| Some(members.get(name)?.as_str()?.trim()).filter(not_empty);
        let word = |name: &str| text(name).map(str::to_owned);
        let code = word("code").filter(|code| code.parse::<u16>().is_err());
        Self {
            message: word("message").or_else(|| word("msg")),
            kind: word("type"),
            code,
            param: word("param").or_else(|| place(members.get("loc")?)),
            number: ["code", "status", "status_code"]
                .into_iter()
                .filter(|_| depth <= DEEPEST)
                .find_map(|name| number(members.get(name)?)),
        }
    }

    fn of_list(items: &[Value], depth: usize) -> Self {
        let Some(first) = items.first() else {
            return Self::default();
        };
        let mut told = Self::of(first, depth + 1);
        if let (Some(message), Some(param)) = (&told.message, place_of(first)) {
            told.message = Some(format!("{param}: {message}"));
        }
        told
    }

    fn of_text(text: &str, depth: usize) -> Self {
        if text.trim_start().starts_with(['{', '['])
            && let Ok(inner) = serde_json::from_str(text)
        {
            let told = Self::of(&inner, depth + 1);
            if told.message.is_some() {
                return told;
            }
        }
        let message = Some(text.trim()).filter(not_empty).map(str::to_owned);
        Self {
            message,
            ..Self::default()
        }
    }

    fn or(self, outer: Self) -> Self {
        Self {
            message: self.message.or(outer.message),
            kind: self.kind.or(outer.kind),
            code: self.code.or(outer.code),
            param: self.param.or(outer.param),
            number: self.number.or(outer.number),
        }
    }
}

fn not_empty(text: &&str) -> bool {
    !text.is_empty()
}

/// A status among 400..=599, written as a number or as a string.
fn number(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| (400..600).contains(number))
}

/// Where a validator found a fault: `["body", "messages", 0]` is `messages.0`.
fn place(loc: &Value) -> Option<String> {
    let steps: Vec<String> = loc
        .as_array()?
        .iter()
        .map(|step| {
            step.as_str()
                .map_or_else(|| step.to_string(), str::to_owned)
        })
        .filter(|step| step != "body")
        .collect();
    Some(steps.join(".")).filter(|place| !place.is_empty())
}

fn place_of(item: &Value) -> Option<String> {
    place(item.get("loc")?)
}

/// The status that servers give to errors of this type.
fn status_of_kind(kind: &str) -> Option<u16> {
    const KINDS: [(&str, u16); 17] = [
        ("invalid_request", 400),
        ("badrequest", 400),
        ("bad request", 400),
        ("exceed_context_size", 400),
        ("context_length_exceeded", 400),
        ("not_found", 404),
        ("notfound", 404),
        ("unprocessable", 422),
        ("not_supported", 501),
        ("notimplemented", 501),
        ("authentication", 401),
        ("unauthorized", 401),
        ("permission", 403),
        ("rate_limit", 429),
        ("insufficient_quota", 429),
        ("overloaded", 503),
        ("unavailable", 503),
    ];
    let kind = kind.to_lowercase();
    KINDS
        .into_iter()
        .find(|(word, _)| kind.contains(word))
        .map(|(_, status)| status)
}
