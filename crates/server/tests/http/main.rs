//! The server over real HTTP, with real engines on tiny models.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod abandoned;
mod abuse;
mod access;
mod backends;
mod calls;
mod chat;
mod completions;
mod embeddings;
mod leniency;
mod lifecycle;
#[cfg(feature = "gpu")]
mod lost_device;
mod memory;
mod ollama;
mod page;
mod providers;
mod tools;
mod unknown_fields;
mod world;
