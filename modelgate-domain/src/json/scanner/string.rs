//! Strings and keys: long plain stretches, escapes, and UTF-8 where there is any.

use super::{
    super::plain::{ascii_end, plain_end, short_end},
    JsonErrorKind, Scanner, State, Visitor,
};

/// Where in a string a piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Plain,
    Backslash,
    /// That many hexadecimal digits are still to come.
    Hex(u8),
}

/// How far a string goes within a piece.
struct Run {
    at: usize,
    /// The first of its non-ASCII bytes.
    foreign: Option<usize>,
    stop: Stop,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Quote,
    Piece(Inside),
    Bad(JsonErrorKind),
}

impl<V: Visitor> Scanner<V> {
    /// Where the string ends that starts at `at`, after the quote.
    #[inline]
    pub(super) fn string_end(&mut self, piece: &[u8], at: usize) -> Option<usize> {
        // Most strings are short and plain.
        match short_end(&piece[at..]) {
            Some(len) => Some(at + len),
            None => self.long_end(piece, at, at),
        }
    }

    /// Where a string ends that an earlier piece began.
    pub(super) fn resume_string(&mut self, piece: &[u8], inside: Inside) -> Option<usize> {
        let start = self.consumed - self.straddler.len();
        let Some(used) = self.straddler.resume(piece) else {
            self.failed = Some(JsonErrorKind::Utf8.at(start));
            return None;
        };
        match escape(piece, used, inside) {
            Ok((at, Inside::Plain)) => self.long_end(piece, 0, at),
            Ok((_, inside)) => self.suspend(piece, 0, State::Text(inside)),
            Err(at) => self.refuse(JsonErrorKind::Escape, at),
        }
    }

    /// Goes on at `at`, outside of an escape; the text in this piece starts at `from`.
    #[inline(never)]
    fn long_end(&mut self, piece: &[u8], from: usize, at: usize) -> Option<usize> {
        let run = run(piece, at);
        if let Some(foreign) = run.foreign
            && let Err(bad) = self.check_utf8(&piece[foreign..run.at], run.stop)
        {
            return self.refuse(JsonErrorKind::Utf8, foreign + bad);
        }
        match run.stop {
            Stop::Quote => Some(run.at),
            Stop::Piece(inside) => self.suspend(piece, from, State::Text(inside)),
            Stop::Bad(kind) => self.refuse(kind, run.at),
        }
    }

    fn check_utf8(&mut self, text: &[u8], stop: Stop) -> Result<(), usize> {
        self.straddler.check(text)?;
        match self.straddler.len() {
            0 => Ok(()),
            _ if stop == Stop::Piece(Inside::Plain) => Ok(()),
            unfinished => Err(text.len() - unfinished),
        }
    }
}

fn run(piece: &[u8], mut at: usize) -> Run {
    let mut foreign = None;
    let stop = loop {
        match piece.get(at) {
            Some(b'"') => break Stop::Quote,
            Some(b'\\') => match escape(piece, at + 1, Inside::Backslash) {
                Ok((next, Inside::Plain)) => at = next,
                Ok((next, inside)) => {
                    at = next;
                    break Stop::Piece(inside);
                }
                Err(bad) => {
                    at = bad;
                    break Stop::Bad(JsonErrorKind::Escape);
                }
            },
            Some(..0x20) => break Stop::Bad(JsonErrorKind::Control),
            Some(0x80..) if foreign.is_none() => foreign = Some(at),
            Some(_) if foreign.is_none() => at += ascii_end(&piece[at..]),
            Some(_) => at += plain_end(&piece[at..]),
            None => break Stop::Piece(Inside::Plain),
        }
    };
    Run { at, foreign, stop }
}

/// Reads the rest of an escape: where it or the piece ends, or the byte that does not belong to it.
#[inline]
fn escape(piece: &[u8], mut at: usize, mut inside: Inside) -> Result<(usize, Inside), usize> {
    while inside != Inside::Plain
        && let Some(&byte) = piece.get(at)
    {
        inside = match (inside, byte) {
            (Inside::Backslash, b'u') => Inside::Hex(4),
            (Inside::Backslash, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
            | (Inside::Hex(1), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Inside::Plain,
            (Inside::Hex(left), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Inside::Hex(left - 1),
            _ => return Err(at),
        };
        at += 1;
    }
    Ok((at, inside))
}
