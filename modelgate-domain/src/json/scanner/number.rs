//! Numbers: RFC 8259's grammar as a small machine, of any length.

use super::{JsonErrorKind, Scanner, State, Visitor};

/// What the last byte of an unfinished number was part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Digits {
    fn first(byte: u8) -> Self {
        match byte {
            b'-' => Self::Minus,
            b'0' => Self::Zero,
            _ => Self::Whole,
        }
    }

    /// Whether the number may end here.
    pub(super) fn complete(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::Exponent
        )
    }

    /// `None`: `byte` is no part of the number.
    fn then(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::E),
            (Self::E, b'+' | b'-') => Some(Self::Sign),
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Some(Self::Exponent),
            _ => None,
        }
    }
}

impl<V: Visitor> Scanner<V> {
    /// Where the number ends that starts with `byte` at `at`.
    #[inline]
    pub(super) fn number_end(&mut self, piece: &[u8], at: usize, byte: u8) -> Option<usize> {
        // Most numbers are digits and nothing else.
        let end = digits_end(piece, at + 1);
        match piece.get(end) {
            Some(next) if matches!(byte, b'1'..=b'9') && !matches!(next, b'.' | b'e' | b'E') => {
                Some(end)
            }
            _ => self.digits(piece, at, at + 1, Digits::first(byte)),
        }
    }

    /// The same for one that an earlier piece began.
    pub(super) fn resume_number(&mut self, piece: &[u8], digits: Digits) -> Option<usize> {
        self.digits(piece, 0, 0, digits)
    }

    fn digits(
        &mut self,
        piece: &[u8],
        from: usize,
        mut at: usize,
        mut digits: Digits,
    ) -> Option<usize> {
        loop {
            if matches!(digits, Digits::Whole | Digits::Fraction | Digits::Exponent) {
                at = digits_end(piece, at);
            }
            let Some(&byte) = piece.get(at) else {
                return self.suspend(piece, from, State::Number(digits));
            };
            match digits.then(byte) {
                Some(next) => digits = next,
                None if digits.complete() => return Some(at),
                None => return self.refuse(JsonErrorKind::Number, at),
            }
            at += 1;
        }
    }
}

#[inline]
fn digits_end(piece: &[u8], at: usize) -> usize {
    let rest = &piece[at..];
    at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}
