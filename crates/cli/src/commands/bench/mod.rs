//! `mlxk bench`: benchmarks.

mod change;
mod compare;
mod history;
mod kernels;
mod model;
mod show;
mod synthetic;

use std::path::Path;

use anyhow::{Context as _, bail};
use mlxk_bench::report::{self, Document};
use mlxk_bench::{compare as engines, history as courses, kernels as products, model as models};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::args::{BenchArgs, BenchCommand, ReportArgs};
use crate::exit::ExitStatus;
use crate::{Context, input, json, output, terminal};

/// Version in reports. Figures of an unoptimized build tell nothing about a release.
const VERSION: &str = if cfg!(debug_assertions) {
    concat!(env!("CARGO_PKG_VERSION"), " (debug build)")
} else {
    env!("CARGO_PKG_VERSION")
};

/// Runs a benchmark. Without a subcommand, compares engines.
pub(crate) fn run(args: &BenchArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    match &args.command {
        Some(BenchCommand::Kernels(args)) => kernels::run(args, context),
        Some(BenchCommand::Model(args)) => model::run(args, context),
        Some(BenchCommand::Compare(args)) => change::run(args),
        Some(BenchCommand::Show(args)) => show::run(args, context),
        Some(BenchCommand::History(args)) => history::run(args, context),
        Some(BenchCommand::Worker) => model::worker(),
        None => compare::run(&args.compare, context),
    }
}

/// Returns the number of threads: the option, or the configured one.
fn threads(option: Option<usize>, context: &Context) -> Option<usize> {
    option.or(context.settings.config.threads())
}

/// Returns the width of the terminal, or no bound if the output goes elsewhere.
fn columns() -> usize {
    if output::stdout_is_terminal() { terminal::width() } else { usize::MAX }
}

/// Wraps lines that are too long for the terminal.
fn fitted(text: &str) -> String {
    let columns = columns();
    if columns == usize::MAX {
        return text.to_owned();
    }
    let mut folded = terminal::fold(text, columns);
    if text.ends_with('\n') {
        folded.push('\n');
    }
    folded
}

/// Reads a report from a file: one that `--output` wrote, or what `--json` printed.
fn read_report(path: &Path) -> anyhow::Result<Value> {
    let name = path.display();
    let text = input::read_text(path).with_context(|| unreadable(path))?;
    parse_report(&text).with_context(|| format!("`{name}` is not a report"))
}

/// Returns the beginning of an error about a report.
fn unreadable(path: &Path) -> String {
    format!("Cannot read the report `{}`", path.display())
}

/// Returns the report in a text, or in the envelope that the text is.
fn parse_report(text: &str) -> anyhow::Result<Value> {
    without_envelope(serde_json::from_str(text).context("invalid JSON")?)
}

/// Lays out a report as Markdown, or says what is wrong with it.
pub(crate) fn markdown(report: Value) -> Result<String, String> {
    let document = without_envelope(report).and_then(|report| document(&report));
    document.map(|it| it.to_markdown()).map_err(|error| format!("{error:#}"))
}

/// Lays out a report of any command.
fn document(report: &Value) -> anyhow::Result<Document> {
    Ok(match report["schema"].as_str() {
        Some(engines::SCHEMA) => report::compare_document(&parsed(report)?),
        Some(models::SCHEMA) => report::model(&parsed(report)?),
        Some(products::SCHEMA) => report::kernels(&parsed(report)?),
        Some(products::GPU_SCHEMA) => report::gpu_kernels(&parsed(report)?),
        // Every other schema is refused.
        _ => return check_report(report).map(|()| Document::default()),
    })
}

fn without_envelope(mut report: Value) -> anyhow::Result<Value> {
    if report["command"] != "bench" {
        return Ok(report);
    }
    match (report["data"].take(), report["error"]["message"].as_str()) {
        (Value::Null, Some(problem)) => bail!("it only has an error: {problem}"),
        (data, _) => Ok(data),
    }
}

/// Returns an error if a JSON document is not an intact report that this version reads.
fn check_report(report: &Value) -> anyhow::Result<()> {
    let schema = report["schema"].as_str().unwrap_or_default();
    match schema {
        engines::SCHEMA => parsed::<engines::CompareReport>(report).map(drop),
        models::SCHEMA => parsed::<models::ModelReport>(report).map(drop),
        products::SCHEMA => parsed::<products::KernelReport>(report).map(drop),
        products::GPU_SCHEMA => parsed::<products::GpuKernelReport>(report).map(drop),
        courses::SCHEMA => bail!("it is a history and not a report"),
        _ if engines::is_report(report) => {
            bail!("a newer mlxk wrote it, and this version does not know its schema `{schema}`")
        }
        _ => bail!("it is not a report of `mlxk bench`; write one with `mlxk bench --output FILE`"),
    }
}

/// Reads a report whose schema is known.
fn parsed<R: DeserializeOwned>(report: &Value) -> anyhow::Result<R> {
    R::deserialize(report).context("it is damaged")
}

/// Prints a report in the requested format.
fn print(
    report: &impl Serialize,
    document: &Document,
    args: &ReportArgs,
) -> anyhow::Result<ExitStatus> {
    let mut out = output::stdout();
    if args.json {
        json::print("bench", report)?;
    } else if args.markdown {
        out.text(document.to_markdown())?;
    } else {
        out.text(fitted(&document.to_text(columns())))?;
    }
    Ok(ExitStatus::Success)
}
