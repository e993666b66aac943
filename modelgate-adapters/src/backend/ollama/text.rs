//! JSON strings: borrowed where nothing is escaped, and free of lone surrogates.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// A string of the body, borrowed from it unless it holds escapes. Unlike a bare `Cow` it borrows inside `Option` and `Vec` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'a> Text<'a> {
    /// The same without its first `bytes` bytes, which must end a character.
    pub(super) fn without_front(self, bytes: usize) -> Self {
        Self(match self.0 {
            Cow::Borrowed(text) => Cow::Borrowed(&text[bytes..]),
            Cow::Owned(mut text) => {
                text.drain(..bytes);
                Cow::Owned(text)
            }
        })
    }

    /// Several texts as one, each on lines of its own.
    pub(super) fn joined(texts: Vec<Text<'a>>) -> Self {
        let mut texts = texts.into_iter();
        let mut all = texts.next().unwrap_or_default();
        for text in texts {
            let whole = all.0.to_mut();
            whole.push('\n');
            whole.push_str(&text);
        }
        all
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self(Cow::Borrowed(""))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// Whether JSON that is passed on as written holds half of a surrogate pair: servers would silently replace it.
pub(super) fn has_lone_surrogate(json: &str) -> bool {
    let mut rest = json.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        rest = &rest[at..];
        let used = match unit(rest) {
            Some(0xd800..=0xdbff) if matches!(unit(&rest[6..]), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => return true,
            Some(_) => 6,
            None => 2,
        };
        rest = rest.get(used..).unwrap_or_default();
    }
    false
}

/// The UTF-16 unit of the `\uXXXX` at the start.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_borrow_unless_they_are_escaped() {
        let texts: Vec<Option<Text<'_>>> =
            serde_json::from_str(r#"["plain é", "a\nb", null]"#).unwrap();
        assert!(matches!(&texts[0], Some(Text(Cow::Borrowed("plain é")))));
        assert!(matches!(&texts[1], Some(Text(Cow::Owned(text))) if text == "a\nb"));
        assert_eq!(texts[2], None);
    }

    #[test]
    fn the_front_is_cut_and_texts_are_joined() {
        let text = |text: &'static str| Text(Cow::Borrowed(text));
        assert_eq!(text("data:AAAA").without_front(5), text("AAAA"));
        assert_eq!(
            Text(Cow::Owned("data:AAAA".into())).without_front(5),
            text("AAAA")
        );
        assert_eq!(
            Text::joined(vec![text("a"), text(""), text("b")]),
            text("a\n\nb")
        );
        assert_eq!(Text::joined(vec![]), text(""));
    }

    #[test]
    fn half_a_surrogate_pair_is_found() {
        let check =
            |json: &str, expected: bool| assert_eq!(has_lone_surrogate(json), expected, "{json}");
        check(r#"{"a":"b\n\u00e9"}"#, false);
        check(r#""\ud83d\ude00""#, false);
        check(r#""\\ud800""#, false);
        check(r#""\\\\\\""#, false);
        check(r#""\ud800""#, true);
        check(r#""\udc00""#, true);
        check(r#""\uD800\uD800""#, true);
        check(r#""\ud800\n""#, true);
        check(r#""\ud83d\ude00\ude00""#, true);
        check(r#""\ud83d"#, true);
        check("\"\\", false);
    }
}
