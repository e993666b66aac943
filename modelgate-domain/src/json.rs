//! JSON without a tree: one pass that checks a text as it arrives and tells where things are.

mod block;
mod elements;
mod error;
mod members;
mod plain;
mod quote;
mod scalar;
mod scanner;
#[cfg(test)]
mod tests;
mod utf8;

pub use elements::{Elements, elements, is_empty_array};
pub use error::{JsonError, JsonErrorKind};
pub use members::members;
pub use quote::{quote, quote_into};
pub use scalar::{boolean, integer, is_null, text, unsigned};
pub(crate) use scalar::{inner_text, unescaped};
pub use scanner::{MAX_DEPTH, Scanner, Token, Visitor};
