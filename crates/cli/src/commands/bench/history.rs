//! `mlxk bench history`: the figures of all reports in a folder over time.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mlxk_bench::compare::is_report;
use mlxk_bench::history::{Named, history};
use mlxk_bench::report;
use serde_json::Value;

use super::compare::output::{self, Format};
use crate::args::HistoryArgs;
use crate::exit::ExitStatus;
use crate::{Context, failure, input};

/// Levels of folders to look into, so that a link to a folder above ends.
const DEPTH: usize = 8;

/// Reads the reports, and prints and writes their history.
pub(crate) fn run(args: &HistoryArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    output::check(&args.output)?;
    let folder = args.folder.display();
    let mut files = Vec::new();
    find(&args.folder, DEPTH, &mut files)
        .with_context(|| format!("Cannot read the folder `{folder}`"))?;
    let mut reports = Vec::new();
    for path in files {
        let name = path.strip_prefix(&args.folder).unwrap_or(&path).with_extension("");
        match read(&path) {
            Ok(Some(report)) => reports.push(Named { name: name.display().to_string(), report }),
            // Other files may be there, too, such as an earlier history.
            Ok(None) => {}
            Err(error) => {
                let reason = failure::message(&error);
                context.printer.note(format_args!("`{}` is left out: {reason}", path.display()));
            }
        }
    }
    if reports.is_empty() {
        bail!(
            "`{folder}` has no reports; write one with `mlxk bench --output {}`",
            args.folder.join("NAME.json").display()
        );
    }
    let history = history(reports);
    let document = report::history(&history);
    if args.html {
        crate::output::stdout().text(report::history_page(&history))?;
    } else {
        super::print(&history, &document, &args.print)?;
    }
    for path in &args.output {
        let text = match output::format(path) {
            Some(Format::Markdown) => document.to_markdown(),
            Some(Format::Page) => report::history_page(&history),
            _ => serde_json::to_string_pretty(&history)? + "\n",
        };
        std::fs::write(path, text)
            .with_context(|| format!("Cannot write the history to `{}`", path.display()))?;
        context.printer.note(format_args!("History: {}", path.display()));
    }
    Ok(ExitStatus::Success)
}

/// Finds all files of JSON.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if depth > 0 {
                // Reports of a folder that cannot be read are missing, and the others are not.
                let _ = find(&path, depth - 1, found);
            }
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
            found.push(path);
        }
    }
    Ok(())
}

/// Reads a report. Returns `None` for a file of another program.
fn read(path: &Path) -> anyhow::Result<Option<Value>> {
    let report = super::parse_report(&input::read_text(path)?)?;
    let is_history = report["schema"] == mlxk_bench::history::SCHEMA;
    if is_history || !is_report(&report) {
        return Ok(None);
    }
    super::check_report(&report)?;
    Ok(Some(report))
}
