//! `mlxk list`: the models on this machine.

use std::io::Write;

use mlxk_hub::{Kind, ModelInfo};

use crate::Context;
use crate::args::ListArgs;
use crate::exit::ExitStatus;
use crate::format;

/// Prints a table of all models, or of those whose name contains the pattern.
pub(crate) fn run(args: &ListArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let mut models = mlxk_hub::list(&context.settings.locations)?;
    if let Some(pattern) = &args.pattern {
        let pattern = pattern.to_lowercase();
        models.retain(|model| model.name.to_lowercase().contains(&pattern));
    }
    if models.is_empty() {
        match &args.pattern {
            Some(pattern) => context.printer.note(format_args!("No model matches `{pattern}`")),
            None => context.printer.note(
                "No models yet; `mlxk run smollm2 \"Hello\"` fetches the starter model (93 MB)",
            ),
        }
        return Ok(ExitStatus::Success);
    }
    let header = ["Name", "Hash", "Size", "Modified", "Src", "Type", "Quantization"];
    let rows: Vec<[String; 7]> =
        std::iter::once(header.map(str::to_owned)).chain(models.iter().map(row)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    let mut out = std::io::stdout().lock();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join(" | ").trim_end())?;
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            writeln!(out, "{}", rules.join("-+-"))?;
        }
    }
    Ok(ExitStatus::Success)
}

fn row(model: &ModelInfo) -> [String; 7] {
    let source = match model.kind {
        Kind::HfCache => "cache",
        Kind::Imported => "import",
        Kind::Workspace => "workspace",
        Kind::Folder => "folder",
    };
    let short = |hash: &String| hash.chars().take(7).collect();
    [
        model.name.clone(),
        model.revision.as_ref().map_or_else(|| "-".to_owned(), short),
        format::size(model.size_bytes),
        model.modified.map_or_else(|| "-".to_owned(), format::age),
        source.to_owned(),
        model.problem.or(model.model_type.as_deref()).unwrap_or("-").to_owned(),
        quantization(model),
    ]
}

/// `4-bit`, `4-bit mixed`, `mxfp4`, or `-`.
pub(super) fn quantization(model: &ModelInfo) -> String {
    model.quantization.as_ref().map_or_else(|| "-".to_owned(), format::quantization)
}
