//! `mlxk` alone: what is here, and what to type next.

use std::io::Write;

use crate::Context;
use crate::exit::ExitStatus;
use crate::{format, look};

/// Models that are named; `list` has all.
const MOST: usize = 5;

/// Prints a short welcome.
pub(crate) fn run(context: &Context) -> anyhow::Result<ExitStatus> {
    let models = mlxk_hub::list(&context.settings.locations, look::quick())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "mlxk {}: MLX language models on this machine\n", env!("CARGO_PKG_VERSION"))?;
    let usable: Vec<_> = models.iter().filter(|model| model.is_usable()).collect();
    let name = usable.first().map_or("smollm2", |model| model.name.as_str());
    if usable.is_empty() {
        writeln!(
            out,
            "No models yet; the first command below fetches the starter model (93 MB).\n"
        )?;
    } else {
        for model in usable.iter().take(MOST) {
            writeln!(out, "  {:<56} {:>8}", model.name, format::size(model.size_bytes))?;
        }
        if usable.len() > MOST {
            writeln!(out, "  and {} more: `mlxk list`", usable.len() - MOST)?;
        }
        writeln!(out)?;
    }
    let commands = [
        (format!("mlxk run {name} \"Write a haiku.\""), "one answer"),
        (format!("mlxk chat {name}"), "a conversation"),
        ("mlxk --help".to_owned(), "everything else"),
    ];
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    for (command, meaning) in &commands {
        writeln!(out, "  {command:width$}   {meaning}")?;
    }
    Ok(ExitStatus::Success)
}
