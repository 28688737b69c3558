//! Bodies of Ollama's dialect, as plain data.

pub(super) mod embed;
pub(super) mod models;
pub(super) mod replies;
pub(super) mod requests;
