//! Why a text is not the JSON we want, and where.

/// A text that was refused, with the place of the byte that decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Offset from the start of the whole text, a byte-order mark included.
    pub at: usize,
}

/// What can be wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonErrorKind {
    /// Nothing but white space.
    #[error("no value")]
    Empty,
    /// It stops before its value is complete.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// A byte that may not stand here.
    #[error("unexpected byte")]
    Unexpected,
    /// Something other than white space after the value.
    #[error("text after the value")]
    Trailing,
    /// Digits that are no JSON number, such as `1.` or `-`.
    #[error("invalid number")]
    Number,
    /// A word other than true, false and null.
    #[error("invalid literal")]
    Literal,
    /// A backslash with something that JSON does not know.
    #[error("invalid escape in a string")]
    Escape,
    /// A control character, such as a line feed, that is not escaped.
    #[error("raw control character in a string")]
    Control,
    /// Bytes in a string that are no UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// More arrays and objects inside each other than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("nesting deeper than 128 levels")]
    Depth,
    /// Well-formed so far, but an object was asked for.
    #[error("not an object")]
    NotObject,
}

impl JsonErrorKind {
    /// This, found at byte `at`.
    pub(crate) fn at(self, at: usize) -> JsonError {
        JsonError { kind: self, at }
    }
}
