//! `mlxk completions SHELL` and `mlxk man FOLDER`, generated from the definition of the command line.

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{ExitStatus, UsageError};
use crate::{complete, env, output};

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: Option<Shell>) -> anyhow::Result<ExitStatus> {
    let own = || Shell::from_shell_path(env::read(env::SHELL)?);
    let shell = shell
        .or_else(own)
        .ok_or_else(|| UsageError("Name your shell, as in `mlxk completions bash`".to_owned()))?;
    let mut script = Vec::new();
    complete::script(shell, &mut script)?;
    output::stdout().content(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Success)
}

/// Writes `mlxk.1` and a page for every command.
pub(crate) fn man(folder: &Path) -> anyhow::Result<ExitStatus> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("Cannot write the manual to `{}`", folder.display()))?;
    Ok(ExitStatus::Success)
}
