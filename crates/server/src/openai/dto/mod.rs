//! Bodies of OpenAI's dialect, as plain data.

pub(super) mod chat;
pub(super) mod completions;
pub(super) mod embeddings;
pub(super) mod models;
pub(super) mod shared;
