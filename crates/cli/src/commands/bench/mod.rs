//! `mlxk bench`: benchmarks.

mod change;
mod compare;
mod kernels;
mod model;
mod show;
mod synthetic;

use mlxk_bench::report::Document;
use serde::Serialize;

use crate::args::{BenchArgs, BenchCommand, ReportArgs};
use crate::exit::ExitStatus;
use crate::{Context, output};

/// Runs a benchmark. Without a subcommand, compares engines.
pub(crate) fn run(args: &BenchArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    match &args.command {
        Some(BenchCommand::Kernels(args)) => kernels::run(args, context),
        Some(BenchCommand::Model(args)) => model::run(args, context),
        Some(BenchCommand::Compare(args)) => change::run(args),
        Some(BenchCommand::Show(args)) => show::run(args, context),
        Some(BenchCommand::Worker) => model::worker(),
        None => compare::run(&args.compare, context),
    }
}

/// Returns the number of threads: the option, or the configured one.
fn threads(option: Option<usize>, context: &Context) -> Option<usize> {
    option.or(context.settings.config.threads())
}

/// Prints a report in the requested format.
fn print(
    report: &impl Serialize,
    document: &Document,
    args: &ReportArgs,
) -> anyhow::Result<ExitStatus> {
    let mut out = output::stdout();
    if args.json {
        out.json(report)?;
    } else if args.markdown {
        out.text(document.to_markdown())?;
    } else {
        out.text(document.to_text())?;
    }
    Ok(ExitStatus::Success)
}
