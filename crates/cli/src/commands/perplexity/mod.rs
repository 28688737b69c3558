//! `mlxk perplexity MODEL… FILE`: measures how well models predict a text, and how they differ.

mod object;
mod report;
mod several;
mod table;

use std::ops::ControlFlow;
use std::path::Path;

use mlxk_bench::model::ModelFacts;
use mlxk_engine::perplexity::{
    self, Evaluate, Evaluation, LogitsReader, LogitsWriter, PerplexityError, Reference, Scored,
    Windows,
};
use mlxk_engine::{Arithmetic, Engine, LoadOptions};
use mlxk_hub::Resolved;

use crate::answer::load_engine;
use crate::args::PerplexityArgs;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::models::resolve;
use crate::printer::Unit;
use crate::{Context, input, interrupt, output};

/// Maximum default window. Longer ones cost more because of attention.
const DEFAULT_WINDOW: usize = 2048;

/// Scores the text and prints the figures.
pub(crate) fn run(args: &PerplexityArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    check(args)?;
    if args.file.is_dir() {
        return Err(UsageError(format!(
            "The text to score is missing: `{}` is a folder; name a file after the models, as in \
             `mlxk perplexity smollm2 README.md`",
            args.file.display()
        ))
        .into());
    }
    interrupt::listen()?;
    let text = text(&args.file)?;
    match args.models.as_slice() {
        [model] => one(args, model, &text, context),
        models => several::run(args, models, &text, context),
    }
}

/// Scores the text with one model, and compares it with a reference if that is wanted.
fn one(
    args: &PerplexityArgs,
    model: &str,
    text: &str,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    let saved = args.against_logits.as_deref().map(LogitsReader::open).transpose()?;
    let resolved = resolve::find(model, !args.compute.no_pull, context)?;
    let against = match &args.against {
        Some(name) => Some(resolve::find(name, !args.compute.no_pull, context)?),
        None if args.against_exact => Some(resolved.clone()),
        None => None,
    };
    let engine = load_model(args, &resolved, args.compute.arithmetic(), context)?;
    let exact = args.compute.exact || args.against_exact;
    let other = match &against {
        Some(model) => Some(load_model(args, model, Arithmetic { exact, kv: None }, context)?),
        None => None,
    };
    let result = score(args, text, &engine, other.as_ref(), saved, context);
    if interrupt::requested() {
        // The engines may be deep in a step. Leaking them lets the process end without waiting.
        std::mem::forget((engine, other));
        return Err(Interrupted.into());
    }
    let (windows, tokens, evaluation) = result?;
    let report = report::Report {
        model: &resolved.name,
        exact: args.compute.exact,
        file: &args.file,
        text_bytes: text.len(),
        tokens,
        windows,
        evaluation: &evaluation,
        against: against.as_ref().map(|model| (model.name.as_str(), exact)),
        saved: args.against_logits.as_deref(),
        device: engine.device(),
    };
    if args.json {
        report.write_json(&ModelFacts::of(&resolved.path)?)?;
    } else {
        report.write_table(&mut output::stdout())?;
    }
    Ok(ExitStatus::Success)
}

/// Refuses options that no model can work with.
fn check(args: &PerplexityArgs) -> Result<(), UsageError> {
    if args.compute.exact && args.against_exact && args.against.is_none() {
        return Err(UsageError(
            "`--exact` with `--against-exact` compares the model with itself; leave one out".into(),
        ));
    }
    if args.models.len() > 1 {
        let given = [
            ("--against", args.against.is_some()),
            ("--against-exact", args.against_exact),
            ("--against-logits", args.against_logits.is_some()),
            ("--save-logits", args.save_logits.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            return Err(UsageError(format!(
                "`{option}` works with one model; several models are compared with the first of them"
            )));
        }
    }
    // Without --window, the length depends on the model and may be long enough.
    let window = args.window.unwrap_or(DEFAULT_WINDOW);
    let stride = args.stride.unwrap_or((window / 2).max(1));
    Windows::new(window, stride, args.min_context)
        .map(|_| ())
        .map_err(|error| UsageError(error.to_string()))
}

fn text(file: &Path) -> anyhow::Result<String> {
    let stdin = file == Path::new("-");
    let name = if stdin { "Standard input".to_owned() } else { format!("`{}`", file.display()) };
    let bytes = if stdin {
        input::read(std::io::stdin().lock(), input::MAX_TEXT_BYTES)
            .map_err(|error| anyhow::anyhow!("Cannot read {name}: {error}"))?
    } else {
        input::read_file(file, input::MAX_TEXT_BYTES)
            .map_err(|error| anyhow::anyhow!("Cannot read {name}: {error}"))?
    };
    if bytes.is_empty() {
        anyhow::bail!("{name} is empty");
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{name} is not UTF-8 text: byte {at} is invalid")
    })
}

fn load_model(
    args: &PerplexityArgs,
    model: &Resolved,
    arithmetic: Arithmetic,
    context: &Context,
) -> anyhow::Result<Engine> {
    let mut options = LoadOptions::new(&model.path);
    options.device = args.compute.device(arithmetic, &context.settings)?;
    load_engine(&options, &format!("Loading {}", model.name), context)
}

/// Scores the text. Returns the windows, the number of tokens, and the result.
fn score(
    args: &PerplexityArgs,
    text: &str,
    engine: &Engine,
    other: Option<&Engine>,
    saved: Option<LogitsReader>,
    context: &Context,
) -> anyhow::Result<(Windows, usize, Evaluation)> {
    let longest = other.map_or(engine.context(), |other| other.context().min(engine.context()));
    let window = args.window.unwrap_or(longest.min(DEFAULT_WINDOW));
    let stride = args.stride.unwrap_or((window / 2).max(1));
    let windows = Windows::new(window, stride, args.min_context)
        .map_err(|error| UsageError(error.to_string()))?;
    if window > longest {
        return Err(UsageError(format!(
            "`--window` is {window}, but the context has at most {longest} tokens"
        ))
        .into());
    }
    let most = args.max_tokens.unwrap_or(usize::MAX);
    let ids = perplexity::text_tokens(engine, text, most)?;
    let reference = match (other, saved) {
        (Some(other), _) => {
            let theirs = perplexity::text_tokens(other, text, most)?;
            perplexity::check_same_tokens((engine, &ids), (other, &theirs)).map_err(failure)?;
            Some(Reference::Engine(other))
        }
        (None, Some(saved)) => {
            saved.check(engine.vocab_size(), &ids, &windows).map_err(failure)?;
            Some(Reference::Saved(saved))
        }
        (None, None) => None,
    };
    if windows.scored(ids.len()) == 0 {
        let needed = windows.min_context() + 1;
        return Err(failure(PerplexityError::TooShort { tokens: ids.len(), needed }));
    }
    let save = args.save_logits.as_deref();
    let save = save.map(|path| LogitsWriter::create(path, engine.vocab_size(), &ids, &windows));
    let save = save.transpose().map_err(failure)?;
    let job = Evaluate { engine, ids: &ids, windows, reference, save };
    let evaluation = evaluate(job, "Scoring", context)?;
    Ok((windows, ids.len(), evaluation))
}

/// Scores a text while a progress bar shows `label` and the perplexity so far.
fn evaluate(job: Evaluate<'_>, label: &str, context: &Context) -> anyhow::Result<Evaluation> {
    let progress = context.printer.progress();
    progress.begin(label);
    let mut observe = |scored: Scored| {
        if interrupt::requested() {
            return ControlFlow::Break(());
        }
        if let Some(perplexity) = scored.perplexity {
            progress.label(format!("{label}, perplexity {perplexity:.4}"));
        }
        progress.update(scored.windows as u64, scored.windows_total as u64, Unit::Windows);
        ControlFlow::Continue(())
    };
    perplexity::evaluate(job, &mut observe).map_err(failure)
}

/// Unwraps the engine's own errors, because they decide the exit code.
fn failure(error: PerplexityError) -> anyhow::Error {
    match error {
        PerplexityError::Engine(error) => error.into(),
        error => error.into(),
    }
}
