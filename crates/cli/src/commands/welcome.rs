//! `mlxk` without a command: lists models and the next commands to try.

use unicode_width::UnicodeWidthStr;

use crate::exit::ExitStatus;
use crate::format;
use crate::models::favorite::favorite;
use crate::models::supported;
use crate::{Context, output, terminal};

/// Maximum number of models to list.
const MAX_LISTED: usize = 5;

/// Prints a short welcome.
pub(crate) fn run(context: &Context) -> anyhow::Result<ExitStatus> {
    let models = mlxk_hub::list(&context.settings.locations, supported::quick())?;
    let mut out = output::stdout();
    out.line(format_args!(
        "mlxk {}: run MLX language models on any machine",
        env!("CARGO_PKG_VERSION")
    ))?;
    out.line("")?;
    let usable: Vec<_> = models.iter().filter(|model| model.is_usable()).collect();
    let name = favorite(&models).map_or("smollm2", |model| model.name.as_str());
    if usable.is_empty() {
        out.line("No models yet. The first command below gets the starter model (93 MB).")?;
        out.line("")?;
    } else {
        let listed = || usable.iter().take(MAX_LISTED);
        let longest = listed().map(|model| model.name.width()).max().unwrap_or(0);
        for model in listed() {
            let gap = " ".repeat(longest - model.name.width());
            out.line(format_args!("  {}{gap}  {:>8}", model.name, format::size(model.size_bytes)))?;
        }
        if usable.len() > MAX_LISTED {
            out.line(format_args!("  and {} more: `mlxk list`", usable.len() - MAX_LISTED))?;
        }
        out.line("")?;
    }
    let commands = [
        (format!("mlxk run {name} \"Write a haiku.\""), "answer a prompt"),
        (format!("mlxk chat {name}"), "start a chat"),
        ("mlxk --help".to_owned(), "list all commands"),
    ];
    let width = commands.iter().map(|(command, _)| command.width()).max().unwrap_or(0);
    let longest = commands.iter().map(|(_, meaning)| meaning.width()).max().unwrap_or(0);
    let is_narrow = output::stdout_is_terminal() && width + longest + 5 > terminal::width();
    for (command, meaning) in &commands {
        if is_narrow {
            out.line(format_args!("  {command}"))?;
            out.line(format_args!("      {meaning}"))?;
        } else {
            out.line(format_args!("  {command:width$}   {meaning}"))?;
        }
    }
    Ok(ExitStatus::Success)
}
