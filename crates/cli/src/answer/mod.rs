//! One model's answers, as `run` and `chat` ask for them and show them.

mod files;
mod load;
mod receive;
pub(crate) mod report;
mod request;
mod screen;
mod settings;

pub(crate) use files::file_part;
pub(crate) use load::{draft_model, load, load_engine};
pub(crate) use receive::{Answer, Received, receive};
pub(crate) use request::{check, format, request, submit, thinking_mode};
pub(crate) use screen::{Screen, Show};
pub(crate) use settings::AnswerSettings;
