//! Servers that answer: OpenAI-compatible ones, Ollama, and the built-in echo.

mod echo;
mod error;
mod events;
mod joined;
mod ollama;
mod openai;
#[cfg(test)]
mod sample;
mod sse;
mod transport;

pub use self::echo::EchoBackend;
pub use self::ollama::{OllamaBackend, OllamaConfig, ReasoningField};
pub use self::openai::{ImagePolicy, OpenAiBackend, OpenAiConfig};
pub use self::transport::{Transport, TransportConfig, TransportError};
