//! `mlxk chat MODEL`.

use crate::answer::AnswerSettings;
use crate::args::ChatArgs;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::models::{resolve, supported};
use crate::{Context, answer, chat, choice, interrupt};
use mlxk_hub::Role;

/// Loads the model and starts the chat.
pub(crate) fn run(args: &ChatArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    answer::check(&args.answer)?;
    interrupt::listen()?;
    let model = match &args.model {
        Some(model) => model.clone(),
        None => only_model(context)?,
    };
    let resolved = resolve::find(&model, !args.answer.engine.compute.no_pull, context)?;
    let settings =
        AnswerSettings::new(&args.answer, resolved.overrides.clone(), &context.settings.config);
    let engine = answer::load(&settings, &resolved.path, context)?;
    let keep_history = !args.no_history;
    let result = chat::start(&engine, &resolved.name, &settings, None, keep_history, context);
    if interrupt::requested() {
        std::mem::forget(engine);
        return Err(Interrupted.into());
    }
    result
}

/// Returns the chat model that is here, if it is the only one or the user chooses it.
fn only_model(context: &Context) -> anyhow::Result<String> {
    let models = mlxk_hub::list(&context.settings.locations, supported::quick())?;
    let chats = models.iter().filter(|model| model.is_usable() && model.role == Role::Chat);
    let mut names: Vec<String> = chats.map(|model| model.name.clone()).collect();
    if let Some(index) = choice::only(&names, context) {
        return Ok(names.swap_remove(index));
    }
    let example = names.first().map_or("smollm2", String::as_str);
    let problem = format!("Name the model to chat with, as in `mlxk chat {example}`");
    Err(UsageError(problem).into())
}
