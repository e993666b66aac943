//! Where the messages of a request name files, whatever way it is written.

use modelgate_domain::json::{self, Token, Visitor};

use super::ImagePolicy;

/// Looks at every address.
pub(super) struct Addresses<'a> {
    policy: &'a ImagePolicy,
    /// The way to where we are, by depth.
    way: Vec<Step>,
    /// Where the first address stands that is not allowed.
    pub(super) refused: Option<String>,
}

/// A member that we are in, or an element of an array.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Elements of an array have the key of the array.
    key: Key,
    /// How many elements have begun, in an array.
    elements: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Members that hold parts: `messages`, and `input` of embeddings.
    List(&'static str),
    Content,
    /// `image_url` and its like, which are addresses or hold one.
    Medium(&'static str),
    Url,
    Other,
}

impl Key {
    /// What a key means to any server: some read escapes late, some take other letters for the same.
    fn of(raw: &[u8], depth: usize) -> Self {
        let text = json::text(&[b"\"", raw, b"\""].concat()).map(std::borrow::Cow::into_owned);
        let plain = text.unwrap_or_default().to_uppercase().to_lowercase();
        match (plain.as_str(), depth) {
            ("messages", 1) => Self::List("messages"),
            ("input", 1) => Self::List("input"),
            ("content", _) => Self::Content,
            ("image_url", _) => Self::Medium("image_url"),
            ("video_url", _) => Self::Medium("video_url"),
            ("audio_url", _) => Self::Medium("audio_url"),
            ("file_url", _) => Self::Medium("file_url"),
            ("url", _) => Self::Url,
            _ => Self::Other,
        }
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::List(name) | Self::Medium(name) => Some(name),
            Self::Content => Some("content"),
            Self::Url | Self::Other => None,
        }
    }
}

impl<'a> Addresses<'a> {
    pub(super) fn new(policy: &'a ImagePolicy) -> Self {
        Self {
            policy,
            way: Vec::new(),
            refused: None,
        }
    }

    fn key(&self, depth: usize) -> Key {
        self.way.get(depth).map_or(Key::Other, |step| step.key)
    }

    /// Whether a string at that depth is an address of something.
    fn is_address(&self, depth: usize) -> bool {
        let is_medium = |step: &Step| matches!(step.key, Key::Medium(_));
        matches!(self.key(1), Key::List(_))
            && match self.key(depth) {
                Key::Medium(_) => true,
                Key::Url => self.way[..depth].iter().any(is_medium),
                _ => false,
            }
    }

    fn step(&mut self, depth: usize, key: Key, elements: Option<usize>) {
        let nowhere = Step {
            key: Key::Other,
            elements: None,
        };
        self.way.resize(depth, nowhere);
        self.way.push(Step { key, elements });
    }

    /// As far as it is known by names: `messages[0].content[1].image_url`.
    fn place(&self, depth: usize) -> String {
        let words = |step: &Step| match (step.elements, step.key.name()) {
            (Some(begun), _) => Some(format!("[{}]", begun.saturating_sub(1))),
            (None, name) => Some(format!(".{}", name?)),
        };
        let way = self.way.iter().take(depth + 1).skip(1);
        let place: String = way.map_while(words).collect();
        place.trim_start_matches('.').to_owned()
    }
}

impl Visitor for Addresses<'_> {
    fn begins(&mut self, token: Token, depth: usize, _at: usize) -> bool {
        if token == Token::Key {
            return true;
        }
        if let Some(Some(begun)) = self.way.get_mut(depth).map(|step| &mut step.elements) {
            *begun += 1;
        }
        match token {
            Token::Array => self.step(depth + 1, self.key(depth), Some(0)),
            Token::Object => self.way.truncate(depth + 1),
            _ => {}
        }
        token == Token::String && self.is_address(depth)
    }

    fn ends(&mut self, token: Token, depth: usize, _end: usize, text: &[u8]) {
        if token == Token::Key {
            self.step(depth, Key::of(text, depth), None);
        } else if token == Token::String
            && self.refused.is_none()
            && self.is_address(depth)
            && !self.policy.allows(text)
        {
            self.refused = Some(self.place(depth));
        }
    }
}
