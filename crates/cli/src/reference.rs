//! The pages of `docs/reference`, written from the definitions that the program itself runs on.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory};

use crate::args::Cli;
use crate::commands::config::example;
use crate::config::keys::{KEYS, PAIRS, PAIRS_ABOUT, PAIRS_EXAMPLE};
use crate::env::{self, Group};
use crate::exit::ExitStatus;

const WRITTEN: &str = "*Written by `cargo xtask generate`; do not edit.*\n\n";

/// Writes all pages.
pub(crate) fn write(folder: &Path) -> anyhow::Result<ExitStatus> {
    let cannot = || format!("Cannot write the reference to `{}`", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    for (name, page) in
        [("cli.md", commands()), ("config.md", settings()), ("environment.md", variables())]
    {
        std::fs::write(folder.join(name), page).with_context(cannot)?;
    }
    Ok(ExitStatus::Success)
}

/// Every command's help.
fn commands() -> String {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    let mut page = format!("# Commands\n\n{WRITTEN}| command | what it does |\n|---|---|\n");
    let shown = || cli.get_subcommands().filter(|command| !command.is_hide_set());
    for command in shown().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        let aliases: Vec<&str> = command.get_visible_aliases().collect();
        let aliases = if aliases.is_empty() {
            String::new()
        } else {
            format!(" (`{}`)", aliases.join("`, `"))
        };
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "| [`mlxk {name}`](#mlxk-{name}){aliases} | {about} |");
    }
    help(&mut page, "mlxk", &cli);
    for command in shown().filter(|command| command.get_name() != "help") {
        let title = format!("mlxk {}", command.get_name());
        help(&mut page, &title, command);
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            if inner.get_name() != "help" {
                help(&mut page, &format!("{title} {}", inner.get_name()), inner);
            }
        }
    }
    page
}

fn help(page: &mut String, title: &str, command: &Command) {
    let mut command = command.clone().term_width(100);
    let text = command.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {title}\n\n```\n{}\n```\n", lines.join("\n").trim_end());
}

/// The configuration file.
fn settings() -> String {
    let mut page = format!(
        "# Configuration\n\n{WRITTEN}\
         One file in TOML: `$XDG_CONFIG_HOME/mlxk/config.toml` (`~/.config` without the variable), \
         on macOS `~/Library/Application Support/mlxk/config.toml` or the former where only that is \
         there, on Windows `%APPDATA%\\mlxk\\config.toml`. `MLXK_CONFIG` names another one. \
         `mlxk config` shows which settings hold and where each comes from, `mlxk config --init` \
         writes the file below.\n\n\
         A flag wins over an environment variable, that over the file, that over the default. \
         What a name made by `mlxk cp` says about itself wins over both, and a flag over that. \
         Unknown keys and wrong types are refused, with their line.\n\n\
         | setting | variable | default | what it does |\n|---|---|---|---|\n"
    );
    for key in KEYS {
        let variable = key.variable.map_or_else(String::new, |name| format!("`{name}`"));
        let _ = writeln!(page, "| `{}` | {variable} | {} | {} |", key.name, key.default, key.about);
    }
    let _ = writeln!(page, "| `{PAIRS}` |  | none | {PAIRS_ABOUT}: `{PAIRS_EXAMPLE}` |");
    let _ = write!(page, "\n```toml\n{}```\n", example());
    page
}

/// The environment variables.
fn variables() -> String {
    let mut page = format!(
        "# Environment variables\n\n{WRITTEN}\
         An empty variable counts as unset. Flags win over variables, variables over the \
         [configuration file](config.md). Variables that are not listed here have no effect.\n"
    );
    for (group, title) in Group::ALL {
        let _ = write!(page, "\n## {title}\n\n| variable | what it does |\n|---|---|\n");
        for variable in env::ALL.iter().filter(|variable| variable.group == group) {
            let _ = writeln!(page, "| `{}` | {} |", variable.name, variable.about);
        }
    }
    page
}
