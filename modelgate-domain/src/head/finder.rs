//! What the head needs, picked up while the scanner passes.

mod list;
mod options;

use std::{borrow::Cow, ops::Range};

pub(super) use self::{list::List, options::Options};
use super::{Endpoint, member::Member};
use crate::json::{self, Token, Visitor};

/// What was found so far.
#[derive(Debug)]
pub(super) struct Finder {
    /// The byte after the outer `{`, or where a value starts that is no object.
    pub(super) open: Result<usize, usize>,
    /// A member that the gateway reads and that came twice.
    pub(super) duplicate: Option<&'static str>,
    /// The name of a member that was written in other letters.
    pub(super) misspelled: Option<&'static str>,
    pub(super) list: List,
    pub(super) options: Options,
    pub(super) tools: bool,
    given: [Option<Given>; Member::COUNT],
    /// The endpoint's main member: messages, prompt or input.
    main: Member,
    /// Where we are: in this member, whose key or value started there.
    member: Option<Member>,
    start: usize,
    /// Where the value before ended.
    before: Option<usize>,
}

/// One member of the body.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) value: Range<usize>,
    pub(super) kind: Kind,
}

/// What a value is, as far as the head cares.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    /// With its text where that is wanted and there is one.
    Text(Option<String>),
    Array,
    Object,
}

/// A number, as a count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(u64),
    /// Too large for any count.
    Huge,
    Negative,
    /// Written with a point or an exponent.
    Decimal,
}

impl Finder {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            open: Err(0),
            duplicate: None,
            misspelled: None,
            list: List::default(),
            options: Options::default(),
            tools: false,
            given: [const { None }; Member::COUNT],
            main: main_member(endpoint),
            member: None,
            start: 0,
            before: None,
        }
    }

    /// The member as it stands in the body, null or not.
    pub(super) fn given(&self, member: Member) -> Option<&Given> {
        self.given[member as usize].as_ref()
    }

    fn key(&mut self, text: &[u8]) {
        let key = json::unescaped(text);
        let resembled = Member::resembled(&key);
        self.member = resembled.filter(|member| member.name().as_bytes() == &*key);
        match (resembled, self.member) {
            (_, Some(Member::StreamOptions)) => self.options.found(self.start, self.before),
            (Some(member), None) => self.misspelled = self.misspelled.or(Some(member.name())),
            _ => {}
        }
    }

    fn value(&mut self, member: Member, token: Token, end: usize, text: &[u8]) {
        let given = Given {
            value: self.start..end,
            kind: Kind::of(token, text),
        };
        if matches!(member, Member::Tools | Member::Functions) {
            // An empty array has said so by now; what is neither array nor null is the backend's to refuse.
            self.tools |= !matches!(given.kind, Kind::Null | Kind::Array);
        }
        if self.given[member as usize].replace(given).is_some() {
            self.duplicate.get_or_insert(member.name());
        }
    }

    #[inline]
    fn begins_inside(&mut self, member: Member, token: Token, depth: usize, at: usize) -> bool {
        match member {
            _ if member == self.main => self.list.begins(token, depth, at),
            Member::StreamOptions => self.options.begins(token, depth, at),
            Member::Tools | Member::Functions => {
                self.tools = true;
                false
            }
            _ => false,
        }
    }
}

impl Visitor for Finder {
    #[inline]
    fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool {
        match depth {
            0 => {
                self.open = if token == Token::Object {
                    Ok(at + 1)
                } else {
                    Err(at)
                };
                false
            }
            1 => {
                self.start = at;
                if token == Token::Key {
                    self.options.next_key(at);
                }
                token == Token::Key || self.member.is_some_and(|member| wants_text(member, token))
            }
            _ => match self.member {
                None => false,
                Some(member) => self.begins_inside(member, token, depth, at),
            },
        }
    }

    #[inline]
    fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]) {
        match (depth, self.member) {
            (0, _) => {}
            (1, _) if token == Token::Key => self.key(text),
            (1, member) => {
                self.before = Some(end);
                if let Some(member) = member {
                    self.value(member, token, end, text);
                }
            }
            (_, Some(member)) if member == self.main => self.list.ends(token, depth, end, text),
            (_, Some(Member::StreamOptions)) => self.options.ends(token, depth, end, text),
            _ => {}
        }
    }
}

impl Kind {
    fn of(token: Token, text: &[u8]) -> Self {
        match token {
            Token::Null => Self::Null,
            Token::True => Self::Bool(true),
            Token::False => Self::Bool(false),
            Token::Number => Self::Number(Number::of(text)),
            Token::Key | Token::String => Self::Text(json::inner_text(text).map(Cow::into_owned)),
            Token::Array => Self::Array,
            Token::Object => Self::Object,
        }
    }

    /// For messages, with its article.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(Number::Decimal) => "a decimal number",
            Self::Number(_) => "an integer",
            Self::Text(_) => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl Number {
    fn of(text: &[u8]) -> Self {
        if text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            Self::Decimal
        } else if text.starts_with(b"-") {
            Self::Negative
        } else {
            json::unsigned(text).map_or(Self::Huge, Self::Whole)
        }
    }
}

fn main_member(endpoint: Endpoint) -> Member {
    match endpoint {
        Endpoint::Chat => Member::Messages,
        Endpoint::Completions => Member::Prompt,
        Endpoint::Embeddings => Member::Input,
    }
}

fn wants_text(member: Member, token: Token) -> bool {
    match token {
        Token::Number => true,
        Token::String => matches!(member, Member::Model | Member::EncodingFormat),
        _ => false,
    }
}
