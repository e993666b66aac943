//! The head of a request: the few members of its body that the gateway acts on, found in one pass.

mod bad_request;
mod bound;
mod check;
mod edit;
mod finder;
mod member;
mod plan;
mod reader;
#[cfg(test)]
mod tests;

pub use bad_request::BadRequest;
pub use bound::BoundMode;
pub use edit::{Edit, Rewrite};
pub use plan::{Segment, length_after, plan};
pub use reader::{HeadReader, read};

use edit::Places;

/// Which of the three OpenAI endpoints a body was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
}

/// How often one request may multiply its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Highest `n`.
    pub choices: u64,
    /// Highest `best_of`.
    pub best_of: u64,
    /// Most prompts, or inputs to embed, in one request.
    pub inputs: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            choices: 128,
            best_of: 20,
            inputs: 2_048,
        }
    }
}

/// What a request asks for, and where its body says so. A member that is `null` counts as not given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, no states"
)]
pub struct Head {
    /// Where it was sent.
    pub endpoint: Endpoint,
    /// The model's name, unescaped; `None` when none was named.
    pub model: Option<String>,
    /// `model` was given and is nothing but white space: no name, yet no reason to guess one.
    pub model_blank: bool,
    /// The answer shall come in events. Never for embeddings.
    pub stream: bool,
    /// `stream_options.include_usage` is true.
    pub include_usage: bool,
    /// The body has a `stream_options`, be it null.
    pub stream_options: bool,
    /// The largest of the output limits that backends understand: `max_tokens`, `max_completion_tokens`, `n_predict`.
    /// `None` for embeddings.
    pub max_output: Option<u64>,
    /// How many answers are generated: the larger of `n` and `best_of`, for each prompt. 0 for embeddings.
    pub choices: u64,
    /// How many chat messages there are.
    pub messages: u64,
    /// How many prompts, or inputs to embed, there are; 1 for a chat.
    pub prompts: u64,
    /// Tools or functions are offered.
    pub tools: bool,
    /// What is in the chat besides text.
    pub media: Media,
    /// The prompt or input is given in tokens, at least in part.
    pub token_input: bool,
    /// The form of the vectors that was asked for.
    pub encoding: Option<Encoding>,
    /// Length of the whole body.
    pub bytes: u64,
    places: Places,
}

/// Images, sounds and files in the content of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Media {
    /// How many there are.
    pub count: u64,
    /// Length of their JSON values together.
    pub bytes: u64,
}

/// `encoding_format` of embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JSON numbers.
    Float,
    /// Base64 of little-endian 32-bit floats.
    Base64,
}
