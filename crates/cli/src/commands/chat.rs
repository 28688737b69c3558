//! `mlxk chat MODEL`.

use crate::answer::AnswerSettings;
use crate::args::ChatArgs;
use crate::exit::{ExitStatus, Interrupted};
use crate::models::resolve;
use crate::{Context, answer, chat, interrupt};

/// Loads the model and starts the chat.
pub(crate) fn run(args: &ChatArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    answer::check(&args.answer)?;
    interrupt::listen()?;
    let resolved = resolve::find(&args.model, !args.answer.engine.compute.no_pull, context)?;
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
