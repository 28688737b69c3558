//! Speculative decoding: guesses of the next tokens, computed together with the next one if that pays.

mod model;
mod prompt_lookup;
mod step_times;

pub(crate) use self::model::{DraftModel, Step};
pub(crate) use self::prompt_lookup::{Draft, Lookup, MAX_DRAFT};
pub(crate) use self::step_times::StepTimes;
