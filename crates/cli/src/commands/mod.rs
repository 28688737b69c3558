//! One file per command.

pub(crate) mod list;
mod load;
pub(crate) mod perplexity;
mod perplexity_report;
pub(crate) mod run;
pub(crate) mod show;
