//! `stream_options`: what it says, and how it is taken out or changed.

use std::ops::Range;

use super::Kind;
use crate::json::{self, Token};

/// What was found of it.
#[derive(Debug, Default)]
pub(in super::super) struct Options {
    /// Where its key starts; `None` until it is found.
    pub(in super::super) key: Option<usize>,
    /// Where the value of the member before ended, and where the key of the next one starts.
    pub(in super::super) before: Option<usize>,
    pub(in super::super) after: Option<usize>,
    /// It has members.
    pub(in super::super) filled: bool,
    /// The value of `include_usage`.
    pub(in super::super) usage: Option<(Range<usize>, Kind)>,
    /// `include_usage` occurs twice.
    pub(in super::super) twice: bool,
    /// The last key was `include_usage`.
    current: bool,
    start: usize,
}

impl Options {
    pub(super) fn found(&mut self, key: usize, before: Option<usize>) {
        self.key = Some(key);
        self.before = before;
    }

    #[inline]
    pub(super) fn next_key(&mut self, at: usize) {
        if self.key.is_some() && self.after.is_none() {
            self.after = Some(at);
        }
    }

    pub(super) fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool {
        if depth == 2 {
            self.filled = true;
            self.start = at;
        }
        depth == 2 && token == Token::Key
    }

    pub(super) fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]) {
        if depth != 2 {
            return;
        }
        if token == Token::Key {
            self.current = *json::unescaped(text) == *b"include_usage";
        } else if self.current {
            let usage = (self.start..end, Kind::of(token, text));
            self.twice |= self.usage.replace(usage).is_some();
        }
    }
}
