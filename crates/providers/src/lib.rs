//! Clients of servers that run language models, one for each HTTP dialect: OpenAI's ([`OpenAi`]),
//! which llama-server, mlx-lm and others also speak, and Ollama's own ([`Ollama`]).
//!
//! A client is plain data over a blocking connection. Answers are read event by event, each with its
//! time of arrival. Every error names the server.
//!
//! # Example
//!
//! Ask a server, and print the answer as it arrives. A scripted server stands in for a real one here.
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::time::Duration;
//!
//! use mlxk_providers::{Endpoint, Http, Input, Message, OpenAi, Piece, Request};
//! # use mlxk_test_peers::{Peer, events, openai};
//!
//! # let (word, end) = (openai::said("Hello!"), openai::end());
//! # let peer = Peer::start(move |_| events(&[&word, &end, "[DONE]"]));
//! # let address = peer.address();
//! // `address` is that of the server, such as `http://127.0.0.1:8000`.
//! let server = OpenAi { endpoint: Endpoint::new(&Http::default(), &address) };
//! let question = Message { role: "user", content: "Say hello".to_owned() };
//! let request = Request {
//!     model: "smollm2".to_owned(),
//!     input: Input::Chat(vec![question]),
//!     max_tokens: 20,
//!     temperature: 0.0,
//!     seed: 1,
//!     extra: serde_json::Map::new(),
//! };
//! let answer = server.answer(&request, Duration::from_secs(60), &mut |piece| {
//!     if let Piece::Text(text) = piece {
//!         print!("{text}");
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(answer.text, "Hello!");
//! println!("\nfirst token after {:?}", answer.heard.arrivals[0]);
//! # Ok::<(), mlxk_providers::ProviderError>(())
//! ```

#![forbid(unsafe_code)]

mod answer;
mod error;
mod http;
mod lines;
mod ollama;
mod openai;

pub use answer::{Answer, Heard, Input, Message, Native, OnPiece, Piece, Request, Usage};
pub use error::{ProviderError, Result};
pub use http::{Endpoint, Http, Patience};
pub use ollama::{Details, LoadedModel, LocalModel, Ollama, PullStep, Versions, ollama_address};
pub use openai::OpenAi;
