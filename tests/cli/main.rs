//! Whole commands: what a user types, and what comes back on both streams with which exit code.

#[path = "../../crates/engine/tests/common/mod.rs"]
mod common;
mod errors;
mod models;
mod run;
mod starter;
mod support;
