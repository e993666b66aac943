//! The scanner: bytes in, in pieces of any size; tokens out, to a visitor.

mod number;
mod string;
mod word;

use self::{number::Digits, string::Inside};
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
            (State::Between | State::Mark(0), Expect::Value) if self.depth == 0 => JsonErrorKind::Empty,
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

    /// Reads what starts with `byte`: where to go on.
    #[inline]
    fn step(&mut self, piece: &[u8], at: usize, byte: u8) -> Option<usize> {
        let token = match byte {
            b'"' if matches!(self.expect, Expect::Key | Expect::KeyOrEnd) => Token::Key,
            b'"' => Token::String,
            b'-' | b'0'..=b'9' => Token::Number,
            b'n' => Token::Null,
            b't' => Token::True,
            b'f' => Token::False,
            _ => return self.structure(piece, at, byte),
        };
        let quote = usize::from(byte == b'"');
        self.begin(token, at)?;
        let to = match token {
            Token::Key | Token::String => self.string_end(piece, at + 1),
            Token::Number => self.number_end(piece, at, byte),
            _ => self.word_end(token, piece, at, 0),
        }?;
        Some(self.end(token, piece, at + quote, to))
    }

    #[inline]
    fn structure(&mut self, piece: &[u8], at: usize, byte: u8) -> Option<usize> {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => Some(white_end(piece, at + 1)),
            b':' if self.expect == Expect::Colon => Some(self.next(Expect::Value, at)),
            b',' if self.expect == Expect::CommaOrEnd => Some(self.next(self.after_comma(), at)),
            b'{' => self.open(Token::Object, Expect::KeyOrEnd, at),
            b'[' => self.open(Token::Array, Expect::ElementOrEnd, at),
            b'}' => self.close(Token::Object, Expect::KeyOrEnd, piece, at),
            b']' => self.close(Token::Array, Expect::ElementOrEnd, piece, at),
            _ => self.unexpected(at),
        }
    }

    fn open(&mut self, token: Token, inside: Expect, at: usize) -> Option<usize> {
        self.begin(token, at)?;
        if self.depth == MAX_DEPTH {
            return self.refuse(JsonErrorKind::Depth, at);
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(token == Token::Object);
        Some(self.next(inside, at))
    }

    fn close(&mut self, token: Token, empty: Expect, piece: &[u8], at: usize) -> Option<usize> {
        let full = self.expect == Expect::CommaOrEnd && self.in_object() == (token == Token::Object);
        if self.expect != empty && !full {
            return self.unexpected(at);
        }
        self.depth -= 1;
        self.objects >>= 1;
        self.visitor.ends(token, self.depth, self.consumed + at + 1, &[]);
        Some(self.comma(piece, at + 1))
    }

    /// Something starts that must stand where a value, or a key, is expected.
    #[inline]
    fn begin(&mut self, token: Token, at: usize) -> Option<()> {
        if token != Token::Key && !matches!(self.expect, Expect::Value | Expect::ElementOrEnd) {
            self.unexpected(at)?;
        }
        self.token = token;
        self.wanted = self.visitor.begins(token, self.depth, self.consumed + at);
        Some(())
    }

    /// A key or scalar ended; its text in this piece is `piece[from..to]`. Where to go on.
    #[inline]
    fn end(&mut self, token: Token, piece: &[u8], from: usize, to: usize) -> usize {
        let quotes = usize::from(matches!(token, Token::Key | Token::String));
        let next = to + quotes;
        if self.held.is_empty() {
            let text = if self.wanted { &piece[from..to] } else { &[] };
            self.visitor.ends(token, self.depth, self.consumed + next, text);
        } else {
            self.held.extend_from_slice(&piece[from..to]);
            self.visitor.ends(token, self.depth, self.consumed + next, &self.held);
            self.held.clear();
        }
        if token == Token::Key { self.colon(piece, next) } else { self.comma(piece, next) }
    }

    /// After a key. What comes next is nearly always known: looking at once is faster than the loop.
    #[inline]
    fn colon(&mut self, piece: &[u8], at: usize) -> usize {
        if piece.get(at) == Some(&b':') {
            return self.next(Expect::Value, at);
        }
        self.expect = Expect::Colon;
        at
    }

    /// After a value, with the same foresight.
    #[inline]
    fn comma(&mut self, piece: &[u8], at: usize) -> usize {
        if self.depth == 0 {
            self.expect = Expect::Nothing;
        } else if piece.get(at) == Some(&b',') {
            return self.next(self.after_comma(), at);
        } else {
            self.expect = Expect::CommaOrEnd;
        }
        at
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

    #[inline]
    fn next(&mut self, expect: Expect, at: usize) -> usize {
        self.expect = expect;
        at + 1
    }

    #[inline]
    fn after_comma(&self) -> Expect {
        if self.in_object() { Expect::Key } else { Expect::Value }
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    #[cold]
    fn unexpected(&mut self, at: usize) -> Option<usize> {
        let done = self.expect == Expect::Nothing;
        self.refuse(if done { JsonErrorKind::Trailing } else { JsonErrorKind::Unexpected }, at)
    }

    #[cold]
    fn refuse(&mut self, kind: JsonErrorKind, at: usize) -> Option<usize> {
        self.failed = Some(kind.at(self.consumed + at));
        None
    }
}

/// Indentation comes in runs.
fn white_end(piece: &[u8], at: usize) -> usize {
    let rest = &piece[at..];
    let white = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    at + rest.iter().take_while(white).count()
}
