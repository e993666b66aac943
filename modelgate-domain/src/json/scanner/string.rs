//! Strings and keys: the short way for the many short ones, and what is left when a piece ends inside one.

use super::{
    super::{plain::short_end, utf8},
    JsonErrorKind, Scanner, State, Visitor,
    run::{Inside, Stop, escape, run},
};

impl<V: Visitor> Scanner<V> {
    /// Where the string ends that starts at `at`, after the quote.
    #[inline]
    pub(super) fn string_end(&mut self, piece: &[u8], at: usize) -> Option<usize> {
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

    /// Only the end of the piece may cut a character in two.
    fn check_utf8(&mut self, text: &[u8], stop: Stop) -> Result<(), usize> {
        match stop {
            Stop::Piece(Inside::Plain) => self.straddler.check(text),
            _ => utf8::check(text),
        }
    }
}
