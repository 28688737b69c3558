//! `mlxk eval MODEL… --tasks FILE…`: counts the questions that models answer correctly.

mod report;
mod samples;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mlxk_bench::eval::{self, Answered, EvalError, Examples, Task};
use mlxk_engine::LoadOptions;
use mlxk_hub::Resolved;

use crate::answer::load_engine;
use crate::args::EvalArgs;
use crate::exit::{ExitStatus, Interrupted};
use crate::models::resolve;
use crate::printer::Unit;
use crate::{Context, input, interrupt};

/// A model and its answers.
struct Measured {
    name: String,
    /// `[tasks][questions]`
    answers: Vec<Vec<Answered>>,
    device: String,
}

/// Answers the questions and prints the scores.
pub(crate) fn run(args: &EvalArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let mut tasks = read(&args.tasks)?;
    for task in &mut tasks {
        task.questions.truncate(args.limit.unwrap_or(usize::MAX));
    }
    let examples = Examples { shots: args.shots.unwrap_or(0), tasks: read(&args.examples)? };
    examples.check(&tasks)?;
    let samples = args.samples.as_deref().map(samples::create).transpose()?;
    let pull = !args.compute.no_pull;
    let resolved = args.models.iter().map(|name| resolve::find(name, pull, context));
    let resolved: Vec<Resolved> = resolved.collect::<anyhow::Result<_>>()?;
    let mut measured = Vec::new();
    for model in &resolved {
        measured.push(measure(args, model, &tasks, &examples, context)?);
    }
    if let (Some(file), Some(path)) = (samples, &args.samples) {
        samples::write(file, path, &tasks, &measured)?;
    }
    let report = report::Report { tasks: &tasks, shots: examples.shots, models: &measured };
    if args.json {
        report.write_json()?;
    } else {
        report.write_table()?;
    }
    Ok(ExitStatus::Success)
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Task>> {
    let tasks = paths.iter().map(|path| Ok(Task::parse(path, &text(path)?)?));
    tasks.collect()
}

fn text(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let bytes = input::read_file(path, input::MAX_TEXT_BYTES)
        .map_err(|error| anyhow::anyhow!("Cannot read `{name}`: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("`{name}` is not UTF-8 text: byte {at} is invalid")
    })
}

/// Loads a model and lets it answer all questions.
fn measure(
    args: &EvalArgs,
    model: &Resolved,
    tasks: &[Task],
    examples: &Examples,
    context: &Context,
) -> anyhow::Result<Measured> {
    let mut options = LoadOptions::new(&model.path);
    options.device = args.compute.device(args.compute.arithmetic(), &context.settings)?;
    let name = model.name.clone();
    let engine = load_engine(&options, &format!("Loading {name}"), context)?;
    let progress = context.printer.progress();
    let mut answers = Vec::new();
    for task in tasks {
        progress.begin(&format!("{name}, {}", task.name()));
        let total = task.questions.len() as u64;
        let mut observe = |done: usize| {
            progress.update(done as u64, total, Unit::Questions);
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let result = eval::answer(&engine, task, examples, &mut observe);
        if interrupt::requested() {
            // The engine may be deep in a step. Leaking it lets the process end without waiting.
            std::mem::forget(engine);
            return Err(Interrupted.into());
        }
        // The engine's own errors decide the exit code.
        answers.push(result.map_err(|error| match error {
            EvalError::Engine(error) => anyhow::Error::from(error),
            error => error.into(),
        })?);
    }
    Ok(Measured { name, answers, device: engine.device().to_owned() })
}
