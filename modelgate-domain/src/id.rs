//! Identities: the numbers people type, the names they choose, and the ids of requests.

use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

/// Number of a key, from 1, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub i64);

/// Number of a model, from 1, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub i64);

/// Number of one target of a model, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(pub i64);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Why a name was refused. The text says what a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// Longer than the limit, in bytes.
    #[error("must be at most {0} bytes long")]
    TooLong(usize),
    /// A control character, a leading or trailing space.
    #[error("must not hold control characters or begin or end with a space")]
    Character,
}

fn checked(text: &str, most: usize) -> Result<&str, NameError> {
    if text.trim().is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > most {
        return Err(NameError::TooLong(most));
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(NameError::Character);
    }
    Ok(text)
}

/// What people call a key: 1 to 128 bytes, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(Box<str>);

impl KeyName {
    /// Takes a name that people may see in lists and logs.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long, or holds control characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        checked(text, 128).map(|name| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// What clients say in `model`: 1 to 256 bytes, compared byte for byte; `/`, `:` and `.` are ordinary.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(Box<str>);

impl ModelName {
    /// Takes a model's name.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long, or holds control characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        checked(text, 256).map(|name| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Id of one request: a UUID version 7 (RFC 9562 §5.7), so that ids sort by time of admission.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    /// Builds an id from the time it was made and ten random bytes, six bits of which give way to version and variant.
    pub fn new(made: Timestamp, random: [u8; 10]) -> Self {
        let mut bytes = [0_u8; 16];
        bytes[..6].copy_from_slice(&made.millis().to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        bytes[6] = (bytes[6] & 0x0f) | 0x70;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(u128::from_be_bytes(bytes))
    }

    /// The sixteen bytes, most significant first.
    pub fn as_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The hyphenated form: 36 lower-case ASCII characters.
    pub fn to_text(self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.as_bytes().into_iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text()
            .into_iter()
            .try_for_each(|byte| fmt::Write::write_char(out, char::from(byte)))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The text is not a hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id is a UUID such as 018f2c5e-7b1a-7cc3-9d0e-3f6a1b2c4d5e")]
pub struct NotARequestId;

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(text: &str) -> Result<Self, NotARequestId> {
        let hyphens = text
            .bytes()
            .enumerate()
            .filter(|&(_, byte)| byte == b'-')
            .map(|(index, _)| index);
        if text.len() != 36 || !hyphens.eq([8, 13, 18, 23]) || text.contains('+') {
            return Err(NotARequestId);
        }
        u128::from_str_radix(&text.replace('-', ""), 16)
            .map(Self)
            .map_err(|_| NotARequestId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuid_v7_and_read_back() {
        let id = RequestId::new(Timestamp::from_millis(1_700_000_000_123), [0xff; 10]);
        let text = id.to_string();
        assert_eq!(text, "018bcfe5-687b-7fff-bfff-ffffffffffff");
        assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_not_request_ids() {
        for text in [
            "",
            "1",
            "018bcfe5-687b-7fff-bfff-fffffffffff",
            "018bcfe5687b7fffbfffffffffffffffffff",
            "+18bcfe5-687b-7fff-bfff-ffffffffffff",
        ] {
            assert_eq!(text.parse::<RequestId>(), Err(NotARequestId), "{text}");
        }
    }

    #[test]
    fn names_are_checked() {
        let check = |text: &str, expected: Option<NameError>| {
            assert_eq!(KeyName::new(text).err(), expected, "{text:?}");
        };
        check("ci", None);
        check("Zürich ☂", None);
        check("", Some(NameError::Empty));
        check("  ", Some(NameError::Empty));
        check(" a", Some(NameError::Character));
        check("a\u{1b}[31m", Some(NameError::Character));
        check(&"x".repeat(128), None);
        check(&"x".repeat(129), Some(NameError::TooLong(128)));
    }
}
