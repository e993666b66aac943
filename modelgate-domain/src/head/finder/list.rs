//! The messages of a chat with the media in them, the prompts of a completion, the inputs to embed.

use super::super::Media;
use crate::json::{self, Token};

/// How much of it there is. Depth 1 is the list's own value, so its elements are at 2, a message's members at 3, the
/// parts of its content at 4, their members at 5.
#[derive(Debug, Default)]
pub(in super::super) struct List {
    pub(in super::super) count: u64,
    /// How many elements are numbers: all, when the list is one text in tokens.
    pub(in super::super) numbers: u64,
    /// Some element is a text in tokens.
    pub(in super::super) arrays: bool,
    pub(in super::super) media: Media,
    /// The last key of a message was `content`.
    content: bool,
    /// We are in a content that is an array of parts.
    parts: bool,
    /// The last key of a part holds media.
    medium: bool,
    /// Where that started.
    start: usize,
}

impl List {
    #[inline]
    pub(super) fn begins(&mut self, token: Token, depth: usize, at: usize) -> bool {
        match (depth, token) {
            (2, _) => self.element(token),
            (3, Token::Key) => return true,
            (3, _) => self.parts = self.content && token == Token::Array,
            (5, Token::Key) => return self.parts,
            (5, _) if self.parts && self.medium => {
                self.medium = token != Token::Null;
                self.media.count += u64::from(self.medium);
                self.start = at;
            }
            _ => {}
        }
        false
    }

    #[inline]
    pub(super) fn ends(&mut self, token: Token, depth: usize, end: usize, text: &[u8]) {
        match (depth, token) {
            (3, Token::Key) => self.content = *json::unescaped(text) == *b"content",
            (3, _) => self.parts = false,
            (5, Token::Key) => self.medium = self.parts && holds_media(&json::unescaped(text)),
            (5, _) if self.parts && self.medium => self.media.bytes += (end - self.start) as u64,
            _ => {}
        }
    }

    fn element(&mut self, token: Token) {
        self.count += u64::from(token != Token::Key);
        self.numbers += u64::from(token == Token::Number);
        self.arrays |= token == Token::Array;
    }
}

fn holds_media(key: &[u8]) -> bool {
    matches!(key, b"image_url" | b"input_audio" | b"file" | b"video_url" | b"audio_url")
}
