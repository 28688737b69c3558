//! `mlxk show MODEL`: what a model is.

use std::io::Write;

use crate::Context;
use crate::args::ShowArgs;
use crate::commands::list::quantization;
use crate::exit::ExitStatus;
use crate::format;
use crate::local;

/// Prints what `config.json` and the files say.
pub(crate) fn run(args: &ShowArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let resolved = local::find(&args.model, false, context)?;
    let model = mlxk_hub::info(&resolved);
    let mut out = std::io::stdout().lock();
    let mut field = |name: &str, value: &str| writeln!(out, "{:14} {value}", format!("{name}:"));
    field("Model", &model.name)?;
    if let Some(revision) = &model.revision {
        field("Revision", revision)?;
    }
    field("Path", &model.path.display().to_string())?;
    if let Some(origin) = &model.origin {
        field("Imported from", &origin.source)?;
    }
    let model_type = model.model_type.as_deref().unwrap_or("unknown");
    let runs = mlxk_models::registry::supported().contains(&model_type);
    field(
        "Architecture",
        &if runs { model_type.to_owned() } else { format!("{model_type} (does not run yet)") },
    )?;
    let grouped = model.quantization.as_ref().map_or_else(String::new, |quantization| {
        format!(", group size {}", quantization.group_size)
    });
    field("Quantization", &format!("{}{grouped}", quantization(&model)))?;
    if let Some(length) = model.context_length {
        field("Context", &format!("{length} tokens"))?;
    }
    field("Size", &format::size(model.size_bytes))?;
    if let Some(modified) = model.modified {
        field("Modified", &format::age(modified))?;
    }
    if let Some(problem) = model.problem {
        field("Problem", problem)?;
    }
    if args.files {
        writeln!(out, "\nFiles:")?;
        for file in mlxk_hub::files(&model.path) {
            writeln!(out, "  {:>10}  {}", format::size(file.size_bytes), file.name)?;
        }
    }
    if args.config {
        let path = model.path.join("config.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| anyhow::anyhow!("Cannot read `{}`: {error}", path.display()))?;
        writeln!(out, "\nConfig:\n{}", text.trim_end())?;
    }
    Ok(ExitStatus::Success)
}
