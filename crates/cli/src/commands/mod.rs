//! One file per command.

pub(crate) mod bench;
pub(crate) mod chat;
pub(crate) mod clone;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod convert;
mod convert_settings;
pub(crate) mod cp;
pub(crate) mod create;
pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod list;
pub(crate) mod load;
mod model_object;
pub(crate) mod perplexity;
mod perplexity_report;
pub(crate) mod ps;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod server;
pub(crate) mod show;
mod verdict;
pub(crate) mod version;
pub(crate) mod welcome;
