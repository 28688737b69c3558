//! Asking the engine and showing its answer, as `run` and `chat` do.

pub(crate) mod report;
mod request;
mod screen;
mod take;

use std::path::{Path, PathBuf};

use mlxk_engine::{CpuOptions, DeviceChoice, Engine, LoadOptions};

pub(crate) use request::{check, format, request};
pub(crate) use screen::{Screen, Show};
pub(crate) use take::{Answer, Taken, take};

use crate::args::EngineArgs;
use crate::commands::load;
use crate::{Context, local};

/// The folder of the draft model that is asked for.
pub(crate) fn draft_model(
    name: Option<&str>,
    pull: bool,
    context: &Context,
) -> anyhow::Result<Option<PathBuf>> {
    name.map(|name| Ok(local::find(name, pull, context)?.path)).transpose()
}

/// Loads the model in a folder.
pub(crate) fn load(args: &EngineArgs, path: &Path, context: &Context) -> anyhow::Result<Engine> {
    let mut options = LoadOptions::new(path);
    options.device = DeviceChoice::Cpu(CpuOptions {
        threads: args.threads,
        exact: args.exact,
        kv: args.kv_bits,
        instructions: None,
    });
    options.prompt_lookup = !args.no_prompt_lookup;
    options.migrate_weights = !args.no_huge_pages;
    options.context = args.ctx;
    options.draft_model = draft_model(args.draft_model.as_deref(), !args.no_pull, context)?;
    load::engine(&options, "Loading", context)
}
