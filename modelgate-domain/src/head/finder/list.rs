//! The messages of a chat with the media in them, the prompts of a completion, the inputs to embed.

use super::super::Media;
use crate::json::{self, Token};

/// How much of it there is. The list itself is at depth 1, so its elements are at 2, a message's members at 3, the
/// parts of its content at 4, their members at 5.
#[derive(Debug, Default)]
pub(in super::super) struct List {
    pub(in super::super) count: u64,
    /// How many elements are numbers: all, when the list is one text in tokens.
    pub(in super::super) numbers: u64,
    /// Some element is a text in tokens.
    pub(in super::super) arrays: bool,
    pub(in super::super) media: Media,
    place: Place,
    /// Where the medium starts that we are in.
    start: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Elsewhere,
    /// After a message's key `content`.
    Content,
    /// In a content that is an array of parts.
    Parts,
    /// There, after a key that holds media.
    Medium,
}

impl List {
    #[inline]
    pub(super) fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool {
        match (depth, token, self.place) {
            (2, ..) => self.element(token),
            (3, Token::Key, _) | (5, Token::Key, Place::Parts | Place::Medium) => return true,
            (3, Token::Array, Place::Content) | (5, Token::Null, Place::Medium) => {
                self.place = Place::Parts;
            }
            (5, _, Place::Medium) => {
                self.media.count += 1;
                self.start = at;
            }
            _ => {}
        }
        false
    }

    #[inline]
    pub(super) fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]) {
        match (depth, token, self.place) {
            (3, Token::Key, _) => self.place = after_key(text),
            (3, ..) => self.place = Place::Elsewhere,
            (5, Token::Key, Place::Parts | Place::Medium) => self.place = after_part_key(text),
            (5, _, Place::Medium) => {
                self.media.bytes += (end - self.start) as u64;
                self.place = Place::Parts;
            }
            _ => {}
        }
    }

    fn element(&mut self, token: Token) {
        self.count += u64::from(token != Token::Key);
        self.numbers += u64::from(token == Token::Number);
        self.arrays |= token == Token::Array;
    }
}

fn after_key(text: &[u8]) -> Place {
    match &*json::unescaped(text) {
        b"content" => Place::Content,
        _ => Place::Elsewhere,
    }
}

fn after_part_key(text: &[u8]) -> Place {
    match &*json::unescaped(text) {
        b"image_url" | b"input_audio" | b"file" | b"video_url" | b"audio_url" => Place::Medium,
        _ => Place::Parts,
    }
}
