//! `mlxk completions SHELL` and `mlxk man FOLDER`, generated from the definition of the command line.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::complete;
use crate::exit::ExitStatus;

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    complete::script(shell, &mut script)?;
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitStatus::Success)
}

/// Writes `mlxk.1` and a page for every command.
pub(crate) fn man(folder: &Path) -> anyhow::Result<ExitStatus> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("Cannot write the manual to `{}`", folder.display()))?;
    Ok(ExitStatus::Success)
}
