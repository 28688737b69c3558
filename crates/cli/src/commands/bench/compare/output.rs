//! Prints the report and writes it to files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlxk_bench::compare::CompareReport;
use mlxk_bench::report;

use crate::args::ReportArgs;
use crate::commands::bench::read_report;
use crate::exit::UsageError;
use crate::{Context, output};

/// Refuses files of unknown formats, before anything is measured.
pub(in crate::commands::bench) fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    for path in files {
        if format(path).is_none() {
            return Err(UsageError(format!(
                "`--output`: `{}` must end in .json, .md or .html",
                path.display()
            ))
            .into());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(UsageError(format!(
                "`--output`: the folder `{}` does not exist",
                folder.display()
            ))
            .into());
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
pub(in crate::commands::bench) enum Format {
    Json,
    Markdown,
    Page,
}

/// Returns the format that the name of a file asks for.
pub(in crate::commands::bench) fn format(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => Some(Format::Json),
        "md" | "markdown" => Some(Format::Markdown),
        "html" | "htm" => Some(Format::Page),
        _ => None,
    }
}

/// Prints the report and writes the files.
pub(in crate::commands::bench) fn write(
    report: &CompareReport,
    print: &ReportArgs,
    files: &[PathBuf],
    context: &Context,
) -> anyhow::Result<()> {
    let printed = match (print.json, print.markdown) {
        (true, _) => crate::json::print("bench", report),
        (_, true) => content(&report::compare_document(report).to_markdown()),
        _ => content(&super::terminal(report, context)),
    };
    let measured = report.sides.iter().filter(|side| !side.workloads.is_empty()).count();
    for path in files {
        // A comparison that failed must not replace one that did not.
        if measured_in(path) > measured {
            context.printer.note(format_args!(
                "The report in `{}` stays as it is, because it measured more engines",
                path.display()
            ));
            continue;
        }
        let text = match format(path) {
            Some(Format::Markdown) => report::compare_document(report).to_markdown(),
            Some(Format::Page) => report::compare_page(report),
            _ => json(report)?,
        };
        std::fs::write(path, text)
            .with_context(|| format!("Cannot write the report to `{}`", path.display()))?;
        context.printer.note(format_args!("Report: {}", path.display()));
    }
    printed
}

fn content(text: &str) -> anyhow::Result<()> {
    Ok(output::stdout().content(text)?)
}

/// Returns the number of engines that the report in a file measured, or 0 if it is none.
fn measured_in(path: &Path) -> usize {
    let report = read_report(path).unwrap_or_default();
    let sides = report["sides"].as_array().map_or(&[][..], Vec::as_slice);
    sides
        .iter()
        .filter(|side| side["workloads"].as_array().is_some_and(|it| !it.is_empty()))
        .count()
}

fn json(report: &CompareReport) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
