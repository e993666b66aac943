//! Chosen members of a small document, for texts that are in memory as a whole.

use std::ops::Range;

use super::{
    error::{JsonError, JsonErrorKind},
    scalar::unescaped,
    scanner::{Scanner, Token, Visitor},
};

/// Where the values of these members of a JSON object are. A name that occurs twice counts with its last value; names
/// that are written with escapes are recognised.
///
/// # Errors
/// `doc` as a whole is not valid JSON, or not an object.
///
/// ```
/// use modelgate_domain::json;
///
/// let event = br#"{"id": "x", "usage": {"total_tokens": 3}}"#;
/// let [usage, error] = json::members(event, &["usage", "error"])?;
/// assert_eq!(usage.map(|at| &event[at]), Some(&br#"{"total_tokens": 3}"#[..]));
/// assert_eq!(error, None);
/// # Ok::<(), json::JsonError>(())
/// ```
pub fn members<const N: usize>(
    doc: &[u8],
    names: &[&str; N],
) -> Result<[Option<Range<usize>>; N], JsonError> {
    let mut scanner = Scanner::new(Finder {
        names,
        spans: [const { None }; N],
        current: None,
        start: 0,
        stranger: None,
    });
    scanner.feed(doc)?;
    let finder = scanner.finish()?;
    match finder.stranger {
        None => Ok(finder.spans),
        Some(at) => Err(JsonErrorKind::NotObject.at(at)),
    }
}

struct Finder<'a, const N: usize> {
    names: &'a [&'a str; N],
    spans: [Option<Range<usize>>; N],
    /// Which name the last key was.
    current: Option<usize>,
    /// Where the value of that key starts.
    start: usize,
    /// Where a value starts that should be an object and is not.
    stranger: Option<usize>,
}

impl<const N: usize> Visitor for Finder<'_, N> {
    #[inline]
    fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool {
        match depth {
            0 if token != Token::Object => self.stranger = Some(at),
            1 => self.start = at,
            _ => {}
        }
        depth == 1 && token == Token::Key
    }

    #[inline]
    fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]) {
        if depth != 1 {
            return;
        }
        if token == Token::Key {
            let key = unescaped(text);
            self.current = self.names.iter().position(|name| name.as_bytes() == &*key);
        } else if let Some(name) = self.current {
            self.spans[name] = Some(self.start..end);
        }
    }
}
