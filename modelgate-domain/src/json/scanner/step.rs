//! From one token to the next: what may stand where, and who is told.

use super::{Expect, JsonErrorKind, MAX_DEPTH, Scanner, Token, Visitor};

impl<V: Visitor> Scanner<V> {
    /// Reads what starts with `byte`: where to go on.
    #[inline]
    pub(super) fn step(&mut self, piece: &[u8], at: usize, byte: u8) -> Option<usize> {
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
        let full =
            self.expect == Expect::CommaOrEnd && self.in_object() == (token == Token::Object);
        if self.expect != empty && !full {
            return self.unexpected(at);
        }
        self.depth -= 1;
        self.objects >>= 1;
        self.visitor
            .ends(token, self.depth, self.consumed + at + 1, &[]);
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
    pub(super) fn end(&mut self, token: Token, piece: &[u8], from: usize, to: usize) -> usize {
        let quotes = usize::from(matches!(token, Token::Key | Token::String));
        let next = to + quotes;
        if self.held.is_empty() {
            let text = if self.wanted { &piece[from..to] } else { &[] };
            self.visitor
                .ends(token, self.depth, self.consumed + next, text);
        } else {
            self.held.extend_from_slice(&piece[from..to]);
            self.visitor
                .ends(token, self.depth, self.consumed + next, &self.held);
            self.held.clear();
        }
        if token == Token::Key {
            self.colon(piece, next)
        } else {
            self.comma(piece, next)
        }
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

    #[inline]
    fn next(&mut self, expect: Expect, at: usize) -> usize {
        self.expect = expect;
        at + 1
    }

    #[inline]
    fn after_comma(&self) -> Expect {
        if self.in_object() {
            Expect::Key
        } else {
            Expect::Value
        }
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    #[cold]
    fn unexpected(&mut self, at: usize) -> Option<usize> {
        let kind = match self.expect {
            Expect::Nothing => JsonErrorKind::Trailing,
            _ => JsonErrorKind::Unexpected,
        };
        self.refuse(kind, at)
    }
}

/// Indentation comes in runs.
fn white_end(piece: &[u8], at: usize) -> usize {
    let rest = &piece[at..];
    let white = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    at + rest.iter().take_while(white).count()
}
