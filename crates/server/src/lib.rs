//! Models over HTTP, in the dialects that clients speak.
//!
//! [`Server::bind`] listens, [`Server::run`] serves until its [`Stop`] is used. Tokio lives in this
//! crate only: engines are plain threads, and `answer` is the bridge between the two.
//!
//! A request passes `guard` (who may ask), a handler of its dialect, `models` (which model, and
//! room for it) and `answer` (the engine's events); it comes back through `json` whole or through
//! `stream` in pieces. Handlers return `error::ApiError`, which `dialect` gives the shape that
//! the client expects.
//!
//! # Adding a dialect
//!
//! A dialect is a folder such as `openai/` with
//! - `routes()`, a router over `state::Shared`, merged in `routes`;
//! - `dto/`, the bodies as plain structs for serde: what derives `Deserialize` is read by
//!   `json::Fields::parse`, which refuses fields that the struct does not have;
//! - handlers that make [`mlxk_engine::Request`]s, acquire a lease,
//!   fill in its defaults and start answers;
//! - its rows in `admin`'s description of all routes;
//! - the body of its errors, a case of `dialect::Dialect::body`, and the paths that are its own, in
//!   `dialect::Dialect::of`.

#![forbid(unsafe_code)]

mod admin;
mod answer;
mod config;
mod dialect;
mod error;
mod fim;
mod guard;
mod ids;
mod json;
mod listen;
mod llama;
mod metrics;
mod models;
mod ollama;
mod openai;
mod routes;
mod server;
mod state;
mod stream;
mod thinking;

pub use config::{ApiKey, DefaultModel, Limits, ServerConfig};
pub use models::KeepAlive;
pub use server::{Server, ServerError, Stop};
