//! Loading a model with a progress bar, until Ctrl-C.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mlxk_engine::{Engine, EngineError, LoadOptions};

use super::AnswerSettings;
use crate::exit::{Interrupted, UsageError};
use crate::models::resolve;
use crate::printer::Unit;
use crate::{Context, interrupt};

/// Loads the model in a folder for answers.
pub(crate) fn load(
    settings: &AnswerSettings,
    path: &Path,
    context: &Context,
) -> anyhow::Result<Engine> {
    let args = &settings.options.engine;
    let mut options = LoadOptions::new(path);
    options.device = args.compute.device(args.compute.arithmetic(), &context.settings)?;
    options.prompt_lookup = !args.no_prompt_lookup;
    options.migrate_weights = !args.decode.no_huge_pages;
    options.context = args.ctx;
    options.draft_model =
        draft_model(args.decode.draft_model.as_deref(), !args.compute.no_pull, context)?;
    let mut loaded = load_engine(&options, "Loading", context);
    // A Modelfile may name more than there is, as in Ollama.
    if let Err(error) = &loaded
        && let Some(EngineError::ContextTooLong { requested, maximum }) = error.downcast_ref()
        && settings.ctx_is_wish
    {
        context.printer.note(format_args!(
            "warning: {} is {requested}; the model's maximum of {maximum} tokens is in effect",
            settings.ctx_origin
        ));
        options.context = Some(*maximum);
        loaded = load_engine(&options, "Loading", context);
    }
    loaded.map_err(|error| match error.downcast_ref() {
        Some(EngineError::ContextTooLong { requested, maximum }) => UsageError(format!(
            "{} is {requested}, but the model supports at most {maximum} tokens",
            settings.ctx_origin
        ))
        .into(),
        Some(EngineError::OtherVocabulary | EngineError::NoDrafts) => {
            let name = args.decode.draft_model.as_deref().unwrap_or_default();
            error.context(format!("`--draft-model {name}`"))
        }
        Some(EngineError::NotEnoughMemory { fits: Some(fits), .. }) => {
            anyhow::anyhow!("{error} (`--ctx {fits}`)")
        }
        _ => error,
    })
}

/// Loads a model while a progress bar shows `label`.
pub(crate) fn load_engine(
    options: &LoadOptions,
    label: &str,
    context: &Context,
) -> anyhow::Result<Engine> {
    let progress = context.printer.progress();
    progress.begin(label);
    let engine = Engine::load(options, &mut |done, total| {
        progress.update(done, total, Unit::Bytes);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    Ok(engine?)
}

/// Returns the folder of the draft model, if there is one.
pub(crate) fn draft_model(
    name: Option<&str>,
    pull: bool,
    context: &Context,
) -> anyhow::Result<Option<PathBuf>> {
    name.map(|name| Ok(resolve::find(name, pull, context)?.path)).transpose()
}
