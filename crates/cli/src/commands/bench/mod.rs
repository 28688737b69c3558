//! `mlxk bench`: measurements.

mod kernels;
mod model;
mod synthetic;

use std::io::Write;

use clap::CommandFactory;
use mlxk_bench::report::Document;
use serde::Serialize;

use crate::Context;
use crate::args::{BenchArgs, BenchCommand, Cli, ReportArgs};
use crate::exit::ExitStatus;

/// Runs a measurement; without one, says which there are.
pub(crate) fn run(args: &BenchArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    match &args.command {
        Some(BenchCommand::Kernels(args)) => kernels::run(args, context),
        Some(BenchCommand::Model(args)) => model::run(args, context),
        Some(BenchCommand::Worker) => model::worker(),
        None => help(),
    }
}

fn help() -> anyhow::Result<ExitStatus> {
    let mut cli = Cli::command();
    cli.build();
    if let Some(bench) = cli.find_subcommand_mut("bench") {
        bench.print_help()?;
    }
    Ok(ExitStatus::Success)
}

/// Threads by the flag, or as configured.
fn threads(flag: Option<u32>, context: &Context) -> Option<usize> {
    flag.map(|threads| threads as usize).or(context.settings.config.threads())
}

/// Prints a report in the form that was asked for.
fn print(
    report: &impl Serialize,
    document: &Document,
    args: &ReportArgs,
) -> anyhow::Result<ExitStatus> {
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else if args.markdown {
        write!(out, "{}", document.to_markdown())?;
    } else {
        write!(out, "{}", document.to_text())?;
    }
    Ok(ExitStatus::Success)
}
