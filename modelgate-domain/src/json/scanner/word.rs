//! The literals true, false and null.

use super::{JsonErrorKind, Scanner, State, Token, Visitor};

impl<V: Visitor> Scanner<V> {
    /// Where a literal ends that goes on at `at`, and of which `seen` letters have come.
    #[inline]
    pub(super) fn word_end(
        &mut self,
        token: Token,
        piece: &[u8],
        at: usize,
        seen: usize,
    ) -> Option<usize> {
        let letters = &letters(token)[seen..];
        let rest = &piece[at..];
        if rest.starts_with(letters) {
            return Some(at + letters.len());
        }
        let same = letters.iter().zip(rest).take_while(|(a, b)| a == b).count();
        if same < rest.len() {
            return self.refuse(JsonErrorKind::Literal, at + same);
        }
        self.suspend(piece, at, State::Word(seen + same))
    }
}

fn letters(token: Token) -> &'static [u8] {
    match token {
        Token::True => b"true",
        Token::False => b"false",
        _ => b"null",
    }
}
