//! `mlxk run MODEL PROMPT`: one answer, or several.

mod batch;
mod envelope;
mod prompt;
mod stdin;

use std::io::Write;

use mlxk_engine::{Engine, FinishReason, Message, PromptInput};

use self::envelope::Envelope;
use crate::answer::{self, Answer, Screen, Show, Taken, report};
use crate::args::RunArgs;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::{Context, chat, interrupt, json, local};

/// Loads the model and answers, or starts a chat where there is no prompt.
pub(crate) fn run(args: &RunArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    check(args)?;
    interrupt::listen()?;
    let batch = batch::read(args, context)?;
    let prompt = if batch.is_some() { None } else { prompt::collect(args, context)? };
    if args.json && (args.interactive || (batch.is_none() && prompt.is_none())) {
        return Err(UsageError(
            "A chat cannot be printed as JSON; write a prompt after the model".into(),
        )
        .into());
    }
    let resolved = local::find(&args.model, !args.answer.engine.no_pull, context)?;
    let mut args = args.clone();
    args.answer = args.answer.filled(resolved.overrides.clone(), &context.settings.config);
    let args = &args;
    let engine = answer::load(&args.answer.engine, &resolved.path, context)?;
    let result = match (batch, prompt) {
        (Some(jobs), _) => batch::run(&engine, &resolved.name, &jobs, args, context),
        (None, Some(prompt)) if !args.interactive => {
            answer(&engine, &resolved.name, &prompt, args, context)
        }
        (None, first) => chat::start(&engine, &resolved.name, &args.answer, first, true, context),
    };
    if interrupt::requested() {
        // The engine may be deep in a step; the process ends without waiting for it.
        std::mem::forget(engine);
        return Err(Interrupted.into());
    }
    result
}

/// Refuses what makes no sense, before anything is loaded.
fn check(args: &RunArgs) -> anyhow::Result<()> {
    answer::check(&args.answer)?;
    if args.n == 0 {
        return Err(UsageError("`--n` is 0, but at least 1 answer is needed".into()).into());
    }
    if let Some(path) = &args.prompt_cache
        && let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        // Found out after the answer, it would cost the time of the prompt.
        return Err(UsageError(format!(
            "The folder of the prompt cache `{}` does not exist",
            path.display()
        ))
        .into());
    }
    for (option, files) in [("--image", &args.image), ("--audio", &args.audio)] {
        if !files.is_empty() {
            return Err(
                UsageError(format!("`{option}` is not supported: models read text only")).into()
            );
        }
    }
    Ok(())
}

/// A conversation, or plain text where the model has no chat template or it is not wanted.
fn input(
    engine: &Engine,
    args: &RunArgs,
    system: Option<String>,
    messages: Vec<Message>,
) -> PromptInput {
    if engine.template().is_some() && !args.no_chat_template {
        return PromptInput::Messages { system, messages };
    }
    let texts = messages.iter().filter_map(|message| message.content.as_text());
    let parts: Vec<&str> = system.as_deref().into_iter().chain(texts).collect();
    PromptInput::Text(parts.join("\n\n"))
}

/// Answers one prompt, `--n` times.
fn answer(
    engine: &Engine,
    model: &str,
    prompt: &str,
    args: &RunArgs,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    if let Some(path) = args.prompt_cache.as_ref().filter(|path| path.exists()) {
        engine.load_prompt_cache(path)?;
    }
    let mut messages = args.answer.messages.clone();
    messages.push(Message::new("user", prompt));
    let input = input(engine, args, args.answer.system.clone(), messages);
    let mut request = answer::request(engine, &args.answer, input)?;
    request.logprobs = args.logprobs;
    let generations = engine.submit_many(request, args.n)?;
    let show = match (args.no_stream || args.json, args.answer.no_reasoning) {
        (true, _) => Show::Nothing,
        (false, true) => Show::Answer,
        (false, false) => Show::All,
    };
    for (index, generation) in generations.iter().enumerate() {
        if args.n > 1 && !args.json {
            let mut out = std::io::stdout().lock();
            let gap = if index > 0 { "\n" } else { "" };
            writeln!(out, "{gap}=== {} of {} ===", index + 1, args.n)?;
        }
        let mut screen = Screen::new(show, &args.answer, &context.printer);
        let Taken::Complete(answer) = answer::take(generation, &mut screen, context)? else {
            return Err(Interrupted.into());
        };
        if args.json {
            let mut envelope = Envelope::new(model, prompt, &answer, engine, context);
            envelope.index = (args.n > 1).then_some(index);
            if args.has_envelope() {
                json::print("run", &envelope)?;
            } else {
                let mut out = std::io::stdout().lock();
                serde_json::to_writer(&mut out, &envelope).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        } else if args.no_stream {
            let show = if args.answer.no_reasoning { Show::Answer } else { Show::All };
            let mut screen = Screen::new(show, &args.answer, &context.printer);
            screen.reasoning(&answer.reasoning)?;
            screen.text(&answer.text)?;
            screen.end()?;
        }
        say_why_it_ended(&answer, engine, args, context);
        if args.answer.verbose {
            report::print(engine, &answer, context);
        }
        if let Some(path) = &args.prompt_cache {
            let usage = answer.done.usage;
            if usage.prompt_tokens > 2 * usage.cached_tokens {
                engine.save_prompt_cache(path, usage.prompt_tokens)?;
            }
        }
    }
    Ok(ExitStatus::Success)
}

/// An answer that ends for want of room is not complete.
fn say_why_it_ended(answer: &Answer, engine: &Engine, args: &RunArgs, context: &Context) {
    if answer.done.finish_reason == FinishReason::ContextFull && !args.json {
        context.printer.note(format_args!(
            "The answer ends here because the context of {} tokens is full; `--ctx` changes it",
            engine.context()
        ));
    }
}
