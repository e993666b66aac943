//! The scanner: bytes in, in pieces of any size; tokens out, to a visitor.

mod number;
mod run;
mod step;
mod string;
mod word;

use self::{number::Digits, run::Inside};
use super::{
    error::{JsonError, JsonErrorKind},
    utf8::Straddler,
};

/// How many arrays and objects may be open inside each other.
pub const MAX_DEPTH: usize = 128;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What a scanner finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "JSON's own words")]
pub enum Token {
    /// The name of an object's member.
    Key,
    String,
    Number,
    True,
    False,
    Null,
    Array,
    Object,
}

/// Is told each token as it begins and ends. `depth` counts the arrays and objects around the token.
pub trait Visitor {
    /// `token` begins with byte `at`. `true` asks for its text when it ends.
    fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool;

    /// `token` ended before byte `end`. `text` is what was written, without quotes and not unescaped; empty if nobody
    /// asked for it, and for arrays and objects.
    fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]);
}

/// Checks one JSON text (RFC 8259, any number, lone surrogates allowed, a byte-order mark skipped) in one pass.
#[derive(Debug)]
pub struct Scanner<V> {
    visitor: V,
    state: State,
    expect: Expect,
    depth: usize,
    /// One bit for each open container, the innermost lowest: set for an object.
    objects: u128,
    /// Bytes of the pieces before this one.
    consumed: usize,
    token: Token,
    wanted: bool,
    /// What earlier pieces held of the wanted text.
    held: Vec<u8>,
    straddler: Straddler,
    failed: Option<JsonError>,
}

/// Inside which token the last piece ended.
#[derive(Debug, Clone, Copy)]
enum State {
    Mark(usize),
    Between,
    Text(Inside),
    Number(Digits),
    Word(usize),
}

/// What may come next between two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ElementOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

impl<V: Visitor> Scanner<V> {
    /// A scanner that reports to `visitor`.
    pub fn new(visitor: V) -> Self {
        Self {
            visitor,
            state: State::Mark(0),
            expect: Expect::Value,
            depth: 0,
            objects: 0,
            consumed: 0,
            token: Token::Null,
            wanted: false,
            held: Vec::new(),
            straddler: Straddler::default(),
            failed: None,
        }
    }

    /// Scans the next piece.
    ///
    /// # Errors
    /// The text cannot become JSON. Every later call says the same.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), JsonError> {
        if self.failed.is_none() {
            self.scan(piece);
            self.consumed += piece.len();
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Ends the text and gives the visitor back.
    ///
    /// # Errors
    /// The text was refused before, or is not complete.
    pub fn finish(mut self) -> Result<V, JsonError> {
        if let State::Number(digits) = self.state
            && digits.complete()
        {
            self.end(Token::Number, &[], 0, 0);
            self.state = State::Between;
        }
        let missing = match (self.state, self.expect) {
            (State::Between, Expect::Nothing) => return self.failed.map_or(Ok(self.visitor), Err),
            (State::Between | State::Mark(0), Expect::Value) if self.depth == 0 => {
                JsonErrorKind::Empty
            }
            _ => JsonErrorKind::UnexpectedEnd,
        };
        Err(self.failed.unwrap_or(missing.at(self.consumed)))
    }

    /// `None`, here and below: there is nothing to go on with in this piece, because it ends or because it was refused.
    fn scan(&mut self, piece: &[u8]) -> Option<()> {
        let mut at = self.resume(piece)?;
        while let Some(&byte) = piece.get(at) {
            at = self.step(piece, at, byte)?;
        }
        Some(())
    }

    fn resume(&mut self, piece: &[u8]) -> Option<usize> {
        let to = match std::mem::replace(&mut self.state, State::Between) {
            State::Between => return Some(0),
            State::Mark(seen) => return self.mark(piece, seen),
            State::Text(inside) => self.resume_string(piece, inside),
            State::Number(digits) => self.resume_number(piece, digits),
            State::Word(seen) => self.word_end(self.token, piece, 0, seen),
        };
        Some(self.end(self.token, piece, 0, to?))
    }

    fn mark(&mut self, piece: &[u8], seen: usize) -> Option<usize> {
        let rest = &BYTE_ORDER_MARK[seen..];
        let same = rest.iter().zip(piece).take_while(|(a, b)| a == b).count();
        if same < rest.len() && same == piece.len() {
            self.state = State::Mark(seen + same);
        } else if same < rest.len() && seen + same > 0 {
            return self.refuse(JsonErrorKind::Unexpected, same);
        }
        Some(same)
    }

    /// The piece ends inside a key or scalar, of which it holds the text from `from` on.
    #[cold]
    fn suspend(&mut self, piece: &[u8], from: usize, state: State) -> Option<usize> {
        if self.wanted {
            self.held.extend_from_slice(&piece[from..]);
        }
        self.state = state;
        None
    }

    #[cold]
    fn refuse(&mut self, kind: JsonErrorKind, at: usize) -> Option<usize> {
        self.failed = Some(kind.at(self.consumed + at));
        None
    }
}
