//! Completion of words on the command line. Shells ask the program itself, which knows its models.
//!
//! A completion script sets `COMPLETE` and passes the words so far. If anything goes wrong, nothing is
//! offered.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::engine::ValueCompleter;
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, CompletionCandidate, PathCompleter, Shell};
use mlxk_hub::{ALIASES, HfCache, Locations, Origin, Store, derived_names};

use crate::args::Cli;
use crate::config::keys::KEYS;
use crate::conversations::Folder;
use crate::settings::Settings;
use crate::{env, launch, terminal};

/// Answers a shell that asks for completions. Returns `false` if none asks.
pub(crate) fn answer() -> bool {
    if env::read(env::COMPLETE).is_none() {
        return false;
    }
    let folder = std::env::current_dir().ok();
    // An error message in the middle of a command line would only disturb.
    let _ = CompleteEnv::with_factory(command)
        .bin("mlxk")
        .try_complete(std::env::args_os(), folder.as_deref());
    true
}

/// Returns the command line. It has options only if the last word begins like one, so that they don't hide the
/// models.
fn command() -> Command {
    fn without_options(command: Command) -> Command {
        command
            .mut_args(|arg| if arg.is_positional() { arg } else { arg.hide(true) })
            .disable_help_flag(true)
            .mut_subcommands(without_options)
    }
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let is_other = std::env::args_os().next_back().is_some_and(|word| !is_option(&word));
    if is_other { without_options(Cli::command()) } else { Cli::command() }
}

/// Writes the completion script of a shell.
pub(crate) fn script(shell: Shell, out: &mut Vec<u8>) -> io::Result<()> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let Some(shell) = shells.completer(&name) else {
        return Err(io::Error::other(format!("No completions for `{name}`")));
    };
    let mut written = Vec::new();
    shell.write_registration(env::COMPLETE, "mlxk", "mlxk", &program(), &mut written)?;
    let written = String::from_utf8_lossy(&written);
    if name == Shell::Zsh.to_string() {
        // Names of models are found in any case, which zsh would otherwise not show.
        const ANY_CASE: &str = "_describe -V 'values' other -M 'm:{a-zA-Z}={A-Za-z}'";
        return write!(out, "{}", written.replace("_describe -V 'values' other", ANY_CASE));
    }
    if name != Shell::Bash.to_string() {
        return write!(out, "{written}");
    }
    let (function, registration) = written.split_at(written.find("\nif ").unwrap_or(written.len()));
    let registration = registration.replace("-F _clap_complete_mlxk", "-F _mlxk");
    write!(out, "{function}{JOIN_WORDS}{registration}")
}

/// A function of bash around the one of [`clap_complete`].
const JOIN_WORDS: &str = include_str!("complete.bash");

/// Returns the program that the script calls: its name, or the path that it was called by.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = Path::new(&called);
    if called.components().count() < 2 {
        return "mlxk".to_owned();
    }
    std::path::absolute(called).map_or("mlxk".to_owned(), |path| path.display().to_string())
}

/// Returns models whose name begins as typed, in full or without the organization, or names of Ollama's library
/// if there are none, or paths if it begins like one.
pub(crate) fn models(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str() else { return Vec::new() };
    if typed.starts_with(['.', '/']) {
        let mut paths = PathCompleter::any().complete(current);
        paths.retain(|path| !path.get_value().to_string_lossy().contains(terminal::is_harmful));
        return paths;
    }
    let (settings, _) = Settings::resolve();
    let mut found = fitting(typed, &names(&settings.locations));
    if found.is_empty() {
        found.extend(of_library(typed).map(str::to_owned));
    }
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// Returns models whose name begins as typed, and names of Ollama's library.
pub(crate) fn downloads(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut found = models(current);
    let names = current.to_str().into_iter().flat_map(of_library);
    for name in names {
        if !found.iter().any(|known| known.get_value() == name) {
            found.push(CompletionCandidate::new(name));
        }
    }
    found
}

/// Returns applications whose name begins as typed.
pub(crate) fn applications(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str() else { return Vec::new() };
    let fitting = launch::ALL.iter().filter(|app| app.name.starts_with(typed));
    fitting.map(|app| CompletionCandidate::new(app.name).help(Some(app.title.into()))).collect()
}

/// Returns settings of the configuration whose name begins as typed.
pub(crate) fn settings(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str() else { return Vec::new() };
    let fitting = KEYS.iter().filter(|key| key.name.starts_with(typed));
    fitting.map(|key| CompletionCandidate::new(key.name).help(Some(key.about.into()))).collect()
}

/// Returns conversations whose name begins as typed.
pub(crate) fn conversations(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str() else { return Vec::new() };
    let (settings, _) = Settings::resolve();
    let entries = Folder::new(&settings.locations.data_dir).entries().unwrap_or_default();
    let names = entries.into_iter().map(|entry| entry.name);
    let shown =
        names.filter(|name| name.starts_with(typed) && !name.contains(terminal::is_harmful));
    shown.map(CompletionCandidate::new).collect()
}

/// Returns the names of all models, without opening any.
pub(crate) fn names(locations: &Locations) -> Vec<String> {
    let mut names: Vec<String> = ALIASES.iter().map(|alias| alias.name.to_owned()).collect();
    names.extend(derived_names(locations));
    let workspaces = mlxk_hub::workspace::workspaces(locations).unwrap_or_default();
    names.extend(workspaces.into_iter().map(|workspace| workspace.name));
    let stored = Store::new(locations).models().unwrap_or_default();
    for model in stored {
        let in_ollama = model.origin.as_ref().and_then(Origin::ollama);
        names.extend(in_ollama.map(str::to_owned));
        names.push(model.name);
    }
    let repos = HfCache::new(&locations.hf_hub_cache).repos().unwrap_or_default();
    names.extend(repos.into_iter().map(|repo| repo.id.to_string()));
    // A shell prints candidates itself.
    names.retain(|name| !name.contains(terminal::is_harmful));
    names.sort();
    names.dedup();
    names
}

/// Returns the names in Ollama's library that begin as typed, one per checkpoint. There are hundreds, so at least a
/// letter is needed.
fn of_library(typed: &str) -> impl Iterator<Item = &'static str> {
    let names = mlxk_hub::library().iter().filter_map(|model| model.names.first().copied());
    names.filter(move |name| !typed.is_empty() && name.starts_with(typed))
}

/// Returns full names that begin as typed, or short ones if there are none.
fn fitting(typed: &str, names: &[String]) -> Vec<String> {
    let begins =
        |name: &str| name.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed));
    let full: Vec<String> = names.iter().filter(|name| begins(name)).cloned().collect();
    if !full.is_empty() || typed.contains('/') {
        return full;
    }
    let short = names.iter().filter_map(|name| name.split_once('/')).map(|(_, short)| short);
    short.filter(|short| begins(short)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_in_full_or_in_short() {
        let names = ["mlx-community/Qwen3-4bit", "mine", "org/Mixtral", "smollm2"];
        let names = names.map(str::to_owned);
        let found = |typed| fitting(typed, &names);
        assert_eq!(found("").len(), 4);
        assert_eq!(found("mlx-"), ["mlx-community/Qwen3-4bit"]);
        assert_eq!(found("MLX-C"), ["mlx-community/Qwen3-4bit"]);
        assert_eq!(found("qw"), ["Qwen3-4bit"]);
        assert_eq!(found("mi"), ["mine"]);
        assert_eq!(found("mix"), ["Mixtral"]);
        assert!(found("org/q").is_empty() && found("nosuch").is_empty());
        assert!(of_library("qwen3:8").any(|name| name == "qwen3:8b"));
        assert_eq!((of_library("").count(), of_library("nosuch").count()), (0, 0));
    }
}
