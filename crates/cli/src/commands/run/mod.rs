//! `mlxk run MODEL PROMPT`: one answer, or several.

mod answer;
mod batch;
mod envelope;
mod prompt;
mod report;
pub(crate) mod request;
mod stdin;

use std::io::Write;
use std::path::Path;

use mlxk_engine::{Engine, FinishReason, Generation, LoadOptions};

use self::answer::{Answer, Show};
use self::envelope::Envelope;
use crate::args::RunArgs;
use crate::commands::load;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::{Context, interrupt, local};

/// Loads the model and answers.
pub(crate) fn run(args: &RunArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    check(args)?;
    interrupt::listen()?;
    let batch = batch::read(args, context)?;
    let prompt = if batch.is_some() { None } else { prompt::collect(args, context)? };
    let resolved = local::find(&args.model, !args.engine.no_pull, context)?;
    let engine = load(args, &resolved.path, context)?;
    let result = match (&batch, &prompt) {
        (Some(jobs), _) => batch::run(&engine, &resolved.name, jobs, args, context),
        (None, Some(prompt)) => answer(&engine, &resolved.name, prompt, args, context),
        (None, None) => Err(no_prompt(args)),
    };
    if interrupt::requested() {
        // The engine may be deep in a step; the process ends without waiting for it.
        std::mem::forget(engine);
        return Err(Interrupted.into());
    }
    result
}

fn no_prompt(args: &RunArgs) -> anyhow::Error {
    let example = format!("mlxk run {} \"Hello\"", args.model);
    UsageError(format!("No prompt: write one after the model, as in `{example}`, or pipe one in"))
        .into()
}

/// Refuses what makes no sense, before anything is loaded.
fn check(args: &RunArgs) -> anyhow::Result<()> {
    let zero = [
        ("--threads", args.engine.threads == Some(0), "at least 1 is needed"),
        ("--max-tokens", args.max_tokens == Some(0), "an answer has at least 1 token"),
        ("--n", args.n == 0, "at least 1 answer is needed"),
    ];
    for (option, is_zero, reason) in zero {
        if is_zero {
            return Err(UsageError(format!("`{option}` is 0, but {reason}")).into());
        }
    }
    if args.sampling.mirostat.is_some() {
        return Err(UsageError(
            "`--mirostat` is not offered; `--min-p` or `--typical-p` keep answers even in another \
             way"
            .into(),
        )
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

fn load(args: &RunArgs, path: &Path, context: &Context) -> anyhow::Result<Engine> {
    let mut options = LoadOptions::new(path);
    options.threads = args.engine.threads;
    options.exact = args.engine.exact;
    options.context = args.engine.ctx;
    load::engine(&options, "Loading", context)
}

/// Answers one prompt, `--n` times.
fn answer(
    engine: &Engine,
    model: &str,
    prompt: &str,
    args: &RunArgs,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    let generations = (0..args.n as u64)
        .map(|number| {
            let mut request = request::request(engine, args, prompt)?;
            // The same seed would give the same answer.
            request.sampling.seed = request.sampling.seed.map(|seed| seed.wrapping_add(number));
            Ok(engine.submit(request)?)
        })
        .collect::<anyhow::Result<Vec<Generation>>>()?;
    let show = match (args.no_stream || args.json, args.no_reasoning) {
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
        let answer = answer::take(generation, show, args.logprobs.is_some(), context)?;
        if args.json {
            let mut envelope = Envelope::new(model, prompt, &answer, engine, context);
            envelope.index = (args.n > 1).then_some(index);
            let mut out = std::io::stdout().lock();
            serde_json::to_writer(&mut out, &envelope).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else if args.no_stream {
            writeln!(std::io::stdout().lock(), "{}", answer.text)?;
        }
        say_why_it_ended(&answer, engine, args, context);
        if args.verbose {
            report::print(engine, &answer, context);
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
