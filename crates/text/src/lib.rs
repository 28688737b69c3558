//! Between text and tokens: the tokenizer, its incremental inverse, stop strings and chat templates.
//!
//! The crate stands alone. It reads the text files of a checkpoint folder (`tokenizer.json` and its
//! companions) and holds one promise: whatever reaches the reader piece by piece is, put together,
//! exactly what decoding the whole would have given.

mod chat;
mod detokenizer;
mod error;
mod files;
mod special;
mod stop;
mod thinking;
mod tokenizer;

pub use chat::{ChatTemplate, Clock, Content, Message, RenderOptions};
pub use detokenizer::Detokenizer;
pub use error::TextError;
pub use stop::{Stop, StopStrings};
pub use thinking::{ReasoningParser, Thinking, ThinkingMode, ThinkingRefusal, Written};
pub use tokenizer::Tokenizer;
