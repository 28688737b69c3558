//! `mlxk bench show`: prints a report again, or writes it as a page.

use std::path::Path;

use anyhow::{Context as _, bail};
use mlxk_bench::compare::{CompareReport, SCHEMA};
use serde_json::Value;

use super::compare::output;
use crate::args::ShowReportArgs;
use crate::exit::ExitStatus;
use crate::{Context, input};

/// Reads the report and prints it.
pub(crate) fn run(args: &ShowReportArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    output::check(&args.output)?;
    let report = read(&args.report)?;
    output::write(&report, &args.print, &args.output, context)?;
    Ok(ExitStatus::Success)
}

fn read(path: &Path) -> anyhow::Result<CompareReport> {
    let name = path.display();
    let text =
        input::read_text(path).with_context(|| format!("Cannot read the report `{name}`"))?;
    let report: Value = serde_json::from_str(&text)
        .with_context(|| format!("`{name}` is not a report: invalid JSON"))?;
    if report["schema"] != SCHEMA {
        bail!(
            "`{name}` is not a report of `mlxk bench`; write one with `mlxk bench --output FILE`"
        );
    }
    serde_json::from_value(report).with_context(|| format!("`{name}` is damaged"))
}
