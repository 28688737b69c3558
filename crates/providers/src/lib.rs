//! Clients of servers that answer with language models, one for each dialect of HTTP: OpenAI's
//! ([`OpenAi`]), which llama-server, mlx-lm and others speak too, and Ollama's own ([`Ollama`]).
//!
//! A client is plain data over a blocking connection. Answers are read event by event, each with the
//! time of its arrival, and every failure is one sentence that names the server.

#![forbid(unsafe_code)]

mod answer;
mod error;
mod http;
mod lines;
mod ollama;
mod openai;

pub use answer::{Answer, Heard, Input, Message, Native, OnPiece, Piece, Request, Usage};
pub use error::ProviderError;
pub use http::{Endpoint, Http, Patience};
pub use ollama::{Details, LoadedModel, LocalModel, Ollama, PullStep, ollama_address};
pub use openai::OpenAi;

/// The result of a request.
pub type Result<T> = std::result::Result<T, ProviderError>;
