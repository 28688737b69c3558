//! The vocabulary of conversations with language models: [messages](Message), [requests](Request) and the
//! [events](Event) of an answer.
//!
//! The engine, the server's dialects, the command line and the clients of other servers share it. It is plain data
//! without behaviour, and depends on nothing but serde.
//!
//! # Example
//!
//! ```
//! use mlxk_chat::{Message, Request};
//!
//! let mut request = Request::chat("smollm2", vec![Message::new("user", "Say hello")]);
//! request.max_tokens = Some(20);
//! request.sampling.temperature = Some(0.0);
//! assert_eq!(request.messages()[0].text().as_deref(), Some("Say hello"));
//! ```

#![forbid(unsafe_code)]

mod event;
mod message;
mod request;
mod sampling;
mod thinking;
mod tools;

pub use event::{CallEvent, Done, Event, FinishReason, Timings, TokenInfo, Usage};
pub use message::{Content, Message, NotText};
pub use request::{AnswerFormat, PromptInput, Request};
pub use sampling::{Dry, Sampling, Xtc};
pub use thinking::ThinkingMode;
pub use tools::{Call, ToolChoice, Tools, calls_of, tool_calls};
