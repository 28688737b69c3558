//! One file per command.

pub(crate) mod list;
pub(crate) mod run;
pub(crate) mod show;
