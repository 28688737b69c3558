//! `mlxk chat MODEL`.

use crate::answer::AnswerSettings;
use crate::args::ChatArgs;
use crate::chat::{Opening, chat_models, saved_name};
use crate::choice::{self, Choice};
use crate::conversations::{Folder, Loaded};
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::models::resolve;
use crate::{Context, answer, chat, interrupt, terminal};

/// Loads the model and starts the chat.
pub(crate) fn run(args: &ChatArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    answer::check(&args.answer)?;
    interrupt::listen()?;
    let silence = terminal::begin_chat();
    let folder = Folder::new(&context.settings.locations.data_dir);
    let mut loaded = match &args.load {
        Some(name) => Some(folder.load(name)?),
        None if args.resume && args.model.is_none() => Some(last(&folder, None)?),
        None => None,
    };
    let model = match (&args.model, &loaded) {
        (Some(model), _) => model.clone(),
        (None, Some(loaded)) => loaded.conversation.model.clone(),
        (None, None) => only_model("chat with", "chat", context)?,
    };
    let resolved = resolve::find(&model, !args.answer.engine.compute.no_pull, context)?;
    if args.resume && loaded.is_none() {
        loaded = Some(last(&folder, Some(&saved_name(&resolved)))?);
    }
    let mut chosen = args.answer.clone();
    if let Some(Loaded { conversation, .. }) = &loaded {
        chosen.system = chosen.system.or_else(|| conversation.system.clone());
        for problem in chat::restore(&mut chosen, &conversation.settings, true) {
            context.printer.note(format_args!("warning: {problem}"));
        }
    }
    let settings =
        AnswerSettings::new(&chosen, resolved.overrides.clone(), &context.settings.config);
    let engine = answer::load(&settings, &resolved.path, context)?;
    let opening = Opening { first: None, loaded, no_history: args.no_history, silence };
    chat::start(engine, resolved, chosen, opening, context)
}

/// Returns the last conversation: with this model, if one is given.
fn last(folder: &Folder, model: Option<&str>) -> anyhow::Result<Loaded> {
    folder.last(model)?.ok_or_else(|| match model {
        Some(model) => anyhow::anyhow!(
            "No conversation with `{model}` to continue; start one with `mlxk chat {model}`"
        ),
        None => anyhow::anyhow!("No conversation to continue; start one with `mlxk chat`"),
    })
}

/// Returns the chat model that is here, if it is the only one or the user chooses it.
pub(super) fn only_model(verb: &str, command: &str, context: &Context) -> anyhow::Result<String> {
    let mut names = chat_models(context)?;
    match choice::only(&names, context) {
        Choice::Taken(index) => return Ok(names.swap_remove(index)),
        Choice::Cancelled => return Err(Interrupted.into()),
        Choice::NotAsked => {}
    }
    let example = names.first().map_or("smollm2", String::as_str);
    let problem = format!("Name the model to {verb}, as in `mlxk {command} {example}`");
    Err(UsageError(problem).into())
}
