//! `mlxk bench show`: prints a report again, or writes it as a page.

use std::path::Path;

use anyhow::Context as _;
use mlxk_bench::report::{self, Document};
use mlxk_bench::{compare, kernels, model};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::compare::output;
use super::unreadable;
use crate::Context;
use crate::args::ShowReportArgs;
use crate::exit::{ExitStatus, UsageError};

/// Reads the report and prints it.
pub(crate) fn run(args: &ShowReportArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    output::check(&args.output)?;
    let report = super::read_report(&args.report)?;
    match report["schema"].as_str() {
        Some(compare::SCHEMA) => {
            let report = parse(&report, &args.report)?;
            output::write(&report, &args.print, &args.output, context)?;
            Ok(ExitStatus::Success)
        }
        Some(model::SCHEMA) => show(args, &report, report::model),
        Some(kernels::SCHEMA) => show(args, &report, report::kernels),
        Some(kernels::GPU_SCHEMA) => show(args, &report, report::gpu_kernels),
        // Every other schema is refused.
        _ => super::check_report(&report)
            .with_context(|| unreadable(&args.report))
            .map(|()| ExitStatus::Success),
    }
}

/// Prints a report that has no page.
fn show<R: DeserializeOwned + Serialize>(
    args: &ShowReportArgs,
    report: &Value,
    document: impl FnOnce(&R) -> Document,
) -> anyhow::Result<ExitStatus> {
    if let Some(file) = args.output.first() {
        return Err(UsageError(format!(
            "`--output {}`: only comparisons of engines are written to files; redirect the output of `--json` or \
             `--markdown` instead",
            file.display()
        ))
        .into());
    }
    let report = parse(report, &args.report)?;
    super::print(&report, &document(&report), &args.print)
}

fn parse<R: DeserializeOwned>(report: &Value, path: &Path) -> anyhow::Result<R> {
    super::parsed(report).with_context(|| unreadable(path))
}
