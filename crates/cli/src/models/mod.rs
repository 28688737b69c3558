//! Models for commands: from a name to a folder, downloads with progress, and what is supported.

pub(crate) mod favorite;
pub(crate) mod names;
pub(crate) mod progress;
pub(crate) mod pull;
pub(crate) mod resolve;
pub(crate) mod supported;
