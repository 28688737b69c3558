//! The part of HTTP that is special to a hub, on the connections of `mlxk-http`.
//!
//! Redirects are followed by hand, so that the token goes only to the endpoint's own host.
//! Time-outs limit silence, not the whole transfer: a slow download may take all night. Failures
//! that pass by themselves (a broken connection, 429, 5xx) are retried with growing pauses, or
//! when the server says so. Everything else is an error with its own message.

mod client;
pub(crate) mod error;
mod refusal;
mod request;
mod response;
mod retry;
pub(crate) mod settings;
mod supervise;
mod transport;

pub(crate) use client::Client;
pub(crate) use mlxk_http::{escape, escape_part, without_query};
pub(crate) use request::{Body, Follow, Method, Request, Subject};
pub(crate) use response::Response;
pub(crate) use retry::Tries;
pub use settings::{DEFAULT_ENDPOINT, HubSettings, Login, Proxies, Token, split_login};
pub(crate) use supervise::{Tell, supervised};

#[cfg(test)]
mod tests;
