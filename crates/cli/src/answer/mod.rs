//! Asking the engine and showing its answer, as `run` and `chat` do.

pub(crate) mod report;
mod request;
mod screen;
mod take;

use std::path::Path;

use mlxk_engine::{Engine, LoadOptions};

pub(crate) use request::{check, format, request};
pub(crate) use screen::{Screen, Show};
pub(crate) use take::{Answer, Taken, take};

use crate::Context;
use crate::args::EngineArgs;
use crate::commands::load;

/// Loads the model in a folder.
pub(crate) fn load(args: &EngineArgs, path: &Path, context: &Context) -> anyhow::Result<Engine> {
    let mut options = LoadOptions::new(path);
    options.threads = args.threads;
    options.exact = args.exact;
    options.kv_format = args.kv_bits;
    options.prompt_lookup = args.prompt_lookup;
    options.context = args.ctx;
    load::engine(&options, "Loading", context)
}
