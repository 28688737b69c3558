//! Clients of language models, behind one trait: [`Provider`].
//!
//! There is one for each dialect of HTTP ([`OpenAi`], [`Responses`], [`Anthropic`], [`Ollama`]), and with the feature
//! `local` one for models in this process (`Local`). They share the vocabulary of `mlxk-chat`. A client blocks its
//! thread; answers are read event by event, each with its time of arrival. Every error names the server, and says what
//! kind of failure it is.
//!
//! # Example
//!
//! Ask a model, and print the answer as it arrives. The configuration decides who answers. A scripted server stands in
//! for a real one here.
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::time::Duration;
//!
//! use mlxk_chat::{Event, Message, Request};
//! use mlxk_providers::{Factory, Limits};
//! # use mlxk_test_peers::{Peer, events, openai};
//!
//! # let (word, end) = (openai::said("Hello!"), openai::end());
//! # let peer = Peer::start(move |_| events(&[&word, &end, "[DONE]"]));
//! # let config = peer.address().replace("http", "openai") + "/smollm2";
//! // Such as `ollama:smollm2`, `mlxk:smollm2`, `openai://127.0.0.1:8000/smollm2` or `anthropic:claude-…`.
//! let client = Factory::new(|name| std::env::var(name).ok()).from_config(&config)?;
//! let request = Request::chat(&client.model, vec![Message::new("user", "Say hello")]);
//! let limits = Limits::within(Duration::from_secs(60));
//! let answer = client.provider.answer(&request, &limits, &mut |event| {
//!     if let Event::Text(text) = event {
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
mod anthropic;
mod collect;
mod config;
mod endpoint;
mod error;
mod factory;
mod key;
mod limits;
mod lines;
#[cfg(feature = "local")]
mod local;
mod ollama;
mod openai;
mod provider;
mod responses;
mod retry;
mod trace;
mod words;

pub use answer::{Answer, Counts, Embedded, Heard, Native};
pub use anthropic::Anthropic;
pub use config::{Config, Dialect};
pub use endpoint::Endpoint;
pub use error::{ProviderError, Result};
pub use factory::{Client, Factory};
pub use key::Key;
pub use limits::{Cancel, Limits};
#[cfg(feature = "local")]
pub use local::Local;
pub use mlxk_http::Connections;
pub use ollama::{Details, LoadedModel, LocalModel, Ollama, PullStep, Versions, ollama_address};
pub use openai::OpenAi;
pub use provider::{OnEvent, Provider};
pub use responses::Responses;
pub use trace::Trace;
