//! Converts between text and tokens: tokenizer, detokenizer, stop strings, chat templates, thinking, tool
//! calls.
//!
//! Of the workspace, it only uses the messages of `mlxk-chat`. It reads the text files of a checkpoint folder
//! (`tokenizer.json` and its companions). It keeps one promise: if text is read piece by piece, the pieces
//! add up to exactly what decoding all tokens at once would return.

mod added_token;
mod chat;
mod detokenizer;
mod error;
mod files;
mod special;
mod stop;
mod thinking;
mod tokenizer;
pub mod tools;

pub use chat::{ChatTemplate, Clock, RenderOptions, ends_in_answer, settled};
pub use detokenizer::Detokenizer;
pub use error::TextError;
pub use files::without_mark;
pub use stop::{Stop, StopStrings};
pub use thinking::{ReasoningParser, Thinking, ThinkingRefusal, Written};
pub use tokenizer::{PairMarks, Tokenizer};
