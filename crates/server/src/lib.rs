//! Models over HTTP, in the dialects that clients speak.
//!
//! [`Server::bind`] listens, and [`Server::run`] serves until its [`Stop`] is used. Tokio lives in this crate
//! only: engines are plain threads, and `exchange` is the bridge between the two.
//!
//! Names can also stand for hosts elsewhere (`backends`): any dialect goes in, and the dialect of the host goes out.
//!
//! A request passes `guard` (is the client allowed?), a handler of its dialect, `models` (load the model, make
//! room for it) and `exchange` (start the engine's requests, render their events as a stream or as one body).
//! Handlers return `error::ApiError`; `conventions` gives it the shape of the dialect.
//!
//! Browsers get a page at `/`. Its files are in `page`, and it uses the same routes as every other client.
//!
//! # Adding a dialect
//!
//! A dialect is a folder such as `openai/`. Nothing else knows it, except for the list in `routes` and the one
//! in `admin::openapi`. It has
//! - `dto/`: the bodies as plain structs for serde, read by `body::Fields::parse`, which reports fields that a
//!   struct does not have;
//! - `requests`: from a body to `exchange::AnswerOptions` and a prompt;
//! - `render`: an `exchange::Renderer`, which turns the engine's events into the pieces of a stream, and folds
//!   these pieces into a whole answer;
//! - `routes()`, and `CONVENTIONS` with the shape of its errors;
//! - `openapi`: its part of the server's description.

#![forbid(unsafe_code)]

mod admin;
mod anthropic;
mod backends;
mod blocking;
mod body;
mod config;
mod conventions;
mod embeddings;
mod error;
mod exchange;
mod fill_in_middle;
mod guard;
mod ids;
mod ignored;
mod json;
mod listen;
mod llama;
mod metrics;
mod models;
mod not_offered;
mod ollama;
mod open_files;
mod openai;
mod operation;
mod page;
mod paths;
mod responses;
mod retrieval;
mod routes;
mod server;
mod state;

pub use backends::{BackendConfig, BackendError};
pub use config::{ApiKey, DefaultModel, Limits, ServerConfig};
pub use guard::is_origin;
pub use models::KeepAlive;
pub use server::{Server, ServerError, Stop};
