//! What a setting may hold: one rule for each kind of value, which reads it and says what is allowed.

mod text;

use figment::value::{Empty, Tag, Value};
use modelgate_domain::BackendKind;

use super::span;

/// What one setting may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count(u64, u64),
    /// A whole number, or nothing for no limit.
    Limit(u64, u64),
    /// A time, in milliseconds here.
    Span(u64, u64),
    /// A number of bytes.
    Size(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any of these words.
    Words(&'static [&'static str]),
    /// Addresses and networks.
    Networks,
    /// Origins of web pages.
    Origins,
    /// Address of a backend; nothing means that there is none.
    Backend(BackendKind),
    /// Addresses of backends.
    Backends(BackendKind),
    /// Address of a proxy, `off`, or nothing for what the environment says.
    Proxy,
    /// Where to listen.
    Host,
    /// Hosts of others.
    Hosts,
    /// A file or folder.
    Path,
    /// A file, or nothing.
    MaybePath,
    /// An IANA time zone.
    Zone,
    /// A log level, or directives.
    Level,
    /// Any text, or nothing.
    Anything,
    /// The admin key, or nothing.
    AdminKey,
    /// A credential, or nothing.
    Credential,
}

/// Why a value is refused: what it must be, and what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) wanted: String,
    pub(super) found: String,
}

impl Rule {
    /// Whether values are never shown.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::AdminKey | Self::Credential)
    }

    /// The value in its normal form: numbers as numbers, times as text, lists as lists.
    pub(super) fn read(self, value: &Value) -> Result<Value, Refused> {
        self.try_read(value).ok_or_else(|| Refused {
            wanted: self.wanted(),
            found: shown(value),
        })
    }

    fn try_read(self, value: &Value) -> Option<Value> {
        match self {
            Self::Flag => flag(value),
            Self::Count(least, most) => number(value, least, most),
            Self::Limit(least, most) => nothing(value).or_else(|| number(value, least, most)),
            Self::Span(least, most) => {
                let time = span::parse(&scalar(value)?)?;
                let millis = u64::try_from(time.as_millis()).ok()?;
                (least..=most)
                    .contains(&millis)
                    .then(|| span::write(time).into())
            }
            Self::Size(least, most) => {
                let bytes = span::parse_size(&scalar(value)?)?;
                (least..=most).contains(&bytes).then(|| bytes.into())
            }
            Self::Words(known) => list(value, |word| known.contains(&word)),
            Self::Networks => list(value, text::is_network),
            Self::Hosts => list(value, text::is_host),
            Self::Origins => list(value, text::is_origin),
            Self::Backends(kind) => list(value, |url| text::is_backend(kind, url)),
            Self::Backend(_)
            | Self::Proxy
            | Self::MaybePath
            | Self::Anything
            | Self::AdminKey
            | Self::Credential => nothing(value).or_else(|| self.text(value)),
            Self::Word(_) | Self::Host | Self::Path | Self::Zone | Self::Level => self.text(value),
        }
    }

    /// A text that the rule allows. Other scalars are no texts: `0123` would lose its zero.
    fn text(self, value: &Value) -> Option<Value> {
        let text = value.as_str()?.trim();
        let good = match self {
            Self::Word(known) => known.contains(&text),
            Self::Backend(kind) => text::is_backend(kind, text),
            Self::Proxy => text == "off" || text::is_proxy(text),
            Self::Host => text::is_host(text),
            Self::Zone => modelgate_domain::time::Zone::named(text).is_ok(),
            Self::Level => text::is_level(text),
            Self::AdminKey => modelgate_domain::PlainKey::presented(text).is_some(),
            Self::Credential => modelgate_domain::Secret::new(text).is_some(),
            _ => !text.is_empty() && !text.chars().any(char::is_control),
        };
        good.then(|| text.into())
    }

    /// What the setting must be, as the end of a sentence.
    fn wanted(self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Limit(least, most) => {
                format!("a whole number from {least} to {most}, or null for no limit")
            }
            Self::Span(least, most) => {
                let write = |millis| span::write(std::time::Duration::from_millis(millis));
                format!(
                    "a time from {} to {}, such as 500ms, 5s or 30m",
                    write(least),
                    write(most)
                )
            }
            Self::Size(least, most) => format!(
                "a size from {} to {}, in bytes or such as 64KiB or 5MiB",
                span::write_size(least),
                span::write_size(most)
            ),
            Self::Word(known) => format!("one of {}", known.join(", ")),
            Self::Words(known) => format!("a list of {}", known.join(", ")),
            other => text::wanted(other).to_owned(),
        }
    }
}

fn flag(value: &Value) -> Option<Value> {
    match scalar(value)?.as_str() {
        "true" => Some(true.into()),
        "false" => Some(false.into()),
        _ => None,
    }
}

fn number(value: &Value, least: u64, most: u64) -> Option<Value> {
    let number: u64 = scalar(value)?.parse().ok()?;
    (least..=most).contains(&number).then(|| number.into())
}

/// `null`, an empty text, or the words for it, which variables need.
fn nothing(value: &Value) -> Option<Value> {
    let is_nothing = match value {
        Value::Empty(..) => true,
        Value::String(_, text) => matches!(text.trim(), "" | "null" | "none"),
        _ => false,
    };
    is_nothing.then_some(Value::Empty(Tag::Default, Empty::None))
}

/// A list, or one text with commas.
fn list(value: &Value, allows: impl Fn(&str) -> bool) -> Option<Value> {
    if nothing(value).is_some() {
        return Some(Vec::<String>::new().into());
    }
    let entries: Vec<String> = match value {
        Value::Array(_, entries) => entries
            .iter()
            .map(|entry| entry.as_str().map(trimmed))
            .collect::<Option<_>>()?,
        _ => value.as_str()?.split(',').map(trimmed).collect(),
    };
    entries
        .iter()
        .all(|entry| allows(entry))
        .then(|| entries.into())
}

fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.trim().to_owned()),
        Value::Char(_, letter) => Some(letter.to_string()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => whole(*number),
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}

/// YAML reads `1e3` as a fraction; a whole number is written as one.
fn whole(number: figment::value::Num) -> Option<String> {
    let signed = number.to_i128().map(|number| number.to_string());
    signed.or_else(|| number.to_u128().map(|number| number.to_string()))
}

/// The value as an error shows it: short, on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Empty(..) => "empty".to_owned(),
        Value::Dict(..) => "a section".to_owned(),
        Value::Array(_, entries) => match entries
            .iter()
            .map(|entry| entry.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
        {
            Some(entries) => quoted(&entries.join(", ")),
            None => "a list of something else".to_owned(),
        },
        Value::Num(_, number) => number.to_f64().map_or_else(
            || whole(*number).unwrap_or_default(),
            |float| float.to_string(),
        ),
        other => quoted(&scalar(other).unwrap_or_default()),
    }
}

fn quoted(text: &str) -> String {
    // A name and a password may stand before an at sign.
    let (hidden, text) = text
        .rsplit_once('@')
        .map_or(("", text), |(_, rest)| ("…@", rest));
    let short: String = text.chars().take(60).collect();
    let tail = if short.len() < text.len() { "…" } else { "" };
    format!("\"{hidden}{}{tail}\"", short.escape_debug())
}
