//! Writes the pages of `docs/reference` and `docs/models.md` from the definitions that the program itself uses.

mod models;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::args::{Cli, EXIT_CODES};
use crate::commands::config::example;
use crate::config::keys::{KEYS, PAIRS, PAIRS_ABOUT, PAIRS_EXAMPLE};
use crate::env::{self, Group};
use crate::exit::ExitStatus;

const WRITTEN: &str = "*Written by `cargo xtask generate`; do not edit.*\n\n";

/// Writes all pages.
pub(crate) fn write(folder: &Path) -> anyhow::Result<ExitStatus> {
    let cannot = || format!("Cannot write the reference to `{}`", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    for (name, page) in [
        ("cli.md", commands()),
        ("config.md", settings()),
        ("environment.md", variables()),
        ("models.md", models::models()),
        ("names.md", models::names()),
    ] {
        std::fs::write(folder.join(name), page).with_context(cannot)?;
    }
    Ok(ExitStatus::Success)
}

/// Returns the page of all commands.
fn commands() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut page = format!("# Commands\n\n{WRITTEN}| command | what it does |\n|---|---|\n");
    for command in shown(&cli) {
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
    page.push('\n');
    notes(&mut page, EXIT_CODES);
    describe(&mut page, "mlxk", &cli);
    for command in shown(&cli) {
        let title = format!("mlxk {}", command.get_name());
        describe(&mut page, &title, command);
        for inner in shown(command) {
            describe(&mut page, &format!("{title} {}", inner.get_name()), inner);
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Returns the subcommands that the help shows.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
}

/// Writes the section of a command: usage, arguments, options, notes and examples.
fn describe(page: &mut String, title: &str, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.lines().map(str::trim_end).collect::<Vec<_>>();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.truncate(page.trim_end().len());
    let _ = write!(page, "\n\n## {title}\n\n{about}.\n\n```\n{}\n```\n\n", usage.join("\n"));
    let mut headings: Vec<&str> = Vec::new();
    for arg in command.get_arguments().filter(|arg| is_listed(arg)) {
        let heading = heading(arg);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings.sort_by_key(|heading| match *heading {
        "Arguments" => 0,
        "Options" => 1,
        _ => 2,
    });
    for name in headings {
        let _ = write!(page, "**{name}**\n\n");
        let here = |arg: &&Arg| is_listed(arg) && heading(arg) == name;
        for arg in command.get_arguments().filter(here) {
            option(page, arg);
        }
        page.push('\n');
    }
    let after = command.get_after_long_help().or(command.get_after_help());
    notes(page, &after.map(ToString::to_string).unwrap_or_default());
}

/// Returns `true` for arguments of the page: not hidden, and not `--help`, which every command has.
fn is_listed(arg: &Arg) -> bool {
    !arg.is_hide_set() && arg.get_id() != "help"
}

fn heading(arg: &Arg) -> &str {
    let usual = if arg.is_positional() { "Arguments" } else { "Options" };
    arg.get_help_heading().unwrap_or(usual)
}

/// Writes the list item of an argument.
fn option(page: &mut String, arg: &Arg) {
    let value = arg.to_string();
    let mut names = Vec::new();
    if let Some(short) = arg.get_short() {
        names.push(format!("`-{short}`"));
    }
    names.push(format!("`{value}`"));
    names.extend(arg.get_visible_aliases().into_iter().flatten().map(|name| format!("`--{name}`")));
    let help = arg.get_long_help().or(arg.get_help()).map(StyledStr::to_string).unwrap_or_default();
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values: Vec<String> = if takes_value && !arg.is_hide_possible_values_set() {
        arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect()
    } else {
        Vec::new()
    };
    let mut paragraphs: Vec<String> = help.split("\n\n").map(|it| it.trim().to_owned()).collect();
    if let Some(first) = paragraphs.first_mut().filter(|_| !values.is_empty()) {
        let _ = write!(first, ": {}", values.join(", "));
    }
    let mut text = paragraphs.join(". ");
    let defaults = arg.get_default_values();
    if takes_value && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        let _ = write!(text, " [default: {}]", defaults.join(", "));
    }
    let _ = writeln!(page, "* {}: {text}", names.join(", "));
}

/// Writes notes: paragraphs, and titles whose indented lines are code.
fn notes(page: &mut String, text: &str) {
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        if block.starts_with("  ") {
            // The code above continues after an empty line.
            let end = page.trim_end().trim_end_matches("```").trim_end().len();
            page.truncate(end);
            let _ = write!(page, "\n\n{}\n```\n\n", unindented(block));
        } else if rest.is_empty() {
            let _ = write!(page, "{first}\n\n");
        } else {
            let title = first.trim_end();
            let title = if title.matches(' ').count() < 5 {
                format!("**{}**", title.trim_end_matches(':'))
            } else {
                title.to_owned()
            };
            let _ = write!(page, "{title}\n\n```\n{}\n```\n\n", unindented(rest));
        }
    }
}

fn unindented(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    lines.join("\n")
}

/// Returns the page of the configuration file.
fn settings() -> String {
    let mut page = format!(
        "# Configuration\n\n{WRITTEN}\
         The configuration is one TOML file. `MLXK_CONFIG` names the file; the default depends on the \
         system:\n\n\
         * Linux: `$XDG_CONFIG_HOME/mlxk/config.toml`, or `~/.config/mlxk/config.toml` if the variable \
         isn't set\n\
         * macOS: `~/Library/Application Support/mlxk/config.toml`, or the same as on Linux if only that \
         file exists\n\
         * Windows: `%APPDATA%\\mlxk\\config.toml`\n\n\
         `mlxk config` shows the settings in effect and where each comes from. `mlxk config --init` \
         writes the file at the end of this page.\n\n\
         An option overrides an environment variable. A variable overrides the file, and the file overrides the \
         default. If you made a name with `mlxk cp` or `mlxk create`, its own parameters win over \
         variables and the file, but not over an option. Unknown settings and invalid values are \
         refused with their line.\n\n\
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

/// Returns the page of the environment variables.
fn variables() -> String {
    let mut page = format!(
        "# Environment variables\n\n{WRITTEN}\
         An option overrides a variable, and a variable overrides the [configuration file](config.md). An \
         empty variable counts as unset. Variables that are not listed here have no effect.\n"
    );
    for (group, title) in Group::ALL {
        page.truncate(page.trim_end().len());
        let _ = write!(page, "\n\n## {title}\n\n| variable | what it does |\n|---|---|\n");
        for variable in env::ALL.iter().filter(|variable| variable.group == group) {
            let _ = writeln!(page, "| `{}` | {} |", variable.name, variable.about);
        }
    }
    page
}
