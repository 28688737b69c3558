//! Whole commands: the typed words, the output on both streams, and the exit code.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod bench;
mod bench_compare;
mod bench_faults;
mod bench_history;
mod chat;
mod doctor;
mod embed;
mod engine;
mod envelopes;
mod errors;
mod eval;
mod failures;
mod first_mistakes;
mod health;
mod hostile_names;
mod interop;
mod keep;
mod launch;
mod make;
mod models;
mod perplexity;
mod pull;
mod pull_faults;
mod pull_terminal;
mod push;
mod reference;
mod run;
mod safety;
mod scripts;
mod server;
mod service;
mod starter;
mod support;
