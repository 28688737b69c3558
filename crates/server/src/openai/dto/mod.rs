//! The bodies of OpenAI's dialect, as plain data.

pub(super) mod chat;
pub(super) mod shared;
