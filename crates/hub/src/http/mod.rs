//! Talking to a hub: one blocking client for everything that goes over HTTP.
//!
//! Redirects are followed by hand, so that the token goes to the endpoint's own host and nowhere
//! else. Time-outs count silence, not time: a slow download may take all night. Whatever passes by
//! itself (a broken connection, 429, 5xx) is tried again with growing pauses, or when the server
//! says so; everything else is an error with a sentence of its own.

mod client;
pub(crate) mod error;
mod errors;
mod request;
mod response;
mod retry;
mod settings;
mod supervise;

pub(crate) use client::Client;
pub(crate) use request::{Body, Follow, Method, Request, Subject, escape, escape_part};
pub(crate) use response::Response;
pub(crate) use retry::Tries;
pub use settings::{DEFAULT_ENDPOINT, HubSettings, Proxies, Token};
pub(crate) use supervise::{Tell, supervised};

#[cfg(test)]
mod tests;
