//! Invalid command lines, and what other programs have and mlxk does not, in one sentence that names the
//! option as it was typed.

mod elsewhere;
mod similar;

use std::error::Error as _;
use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::{Cli, command_of};
pub(crate) use similar::similar;

/// Removes files, so it is not proposed to someone who mistyped another command.
const NEVER_PROPOSED: &str = "rm";

/// Returns the sentence for a value that a parser refused, for `rm` without a model, and for an unknown option
/// or command, and `None` for other errors. `words` are the command line after the program's name.
pub(crate) fn sentence(
    error: &clap::Error,
    words: impl IntoIterator<Item = OsString>,
) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::ValueValidation => {
            let problem = error.source()?.to_string();
            let option = text(ContextKind::InvalidArg)?.split([' ', '=']).next()?;
            Some(refused_value(option, text(ContextKind::InvalidValue)?, &problem))
        }
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg)?;
            let command = command_of(words);
            // A word too many is the parser's own message.
            typed.starts_with('-').then(|| unknown_option(typed, command.as_ref()))
        }
        ErrorKind::InvalidSubcommand => {
            Some(unknown_command(text(ContextKind::InvalidSubcommand)?))
        }
        ErrorKind::MissingRequiredArgument => {
            let command = command_of(words)?;
            let name = command.get_name();
            if let Some(sentence) = missing(name) {
                return Some(sentence.to_owned());
            }
            let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
                return None;
            };
            // A group of options needs the parser's own words.
            let missing: Vec<_> =
                missing.iter().map(|it| it.trim_matches(['<', '>', '.'])).collect();
            let is_name = |it: &&str| it.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            if command.has_subcommands() || !missing.iter().all(is_name) {
                return None;
            }
            let missing = missing.join(" and ");
            Some(format!("`mlxk {name}` needs {missing}; `mlxk {name} --help` has examples"))
        }
        _ => None,
    }
}

/// Returns the sentence for missing words, if the parser's own message would mislead.
fn missing(command: &str) -> Option<&'static str> {
    match command {
        "rm" => Some("Name the models to remove, or pass `--unused` for unused files"),
        "perplexity" => Some(
            "Name the models and then the text to score, as in `mlxk perplexity smollm2 README.md`; `-` reads \
             standard input",
        ),
        _ => None,
    }
}

fn refused_value(option: &str, value: &str, problem: &str) -> String {
    if value.is_empty() {
        format!("`{option}` {problem}")
    } else if problem.starts_with("must ") || problem.starts_with("needs ") {
        let is_number = value.parse::<f64>().is_ok();
        let shown = if is_number { value.to_owned() } else { format!("`{value}`") };
        format!("`{option}` is {shown}, but {problem}")
    } else {
        format!("`{option} {value}`: {problem}")
    }
}

fn unknown_option(typed: &str, command: Option<&clap::Command>) -> String {
    let word = typed.split([' ', '=']).next().unwrap_or(typed);
    let name = command.map_or("", clap::Command::get_name);
    if let Some(sentence) = elsewhere::option(name, word) {
        return format!("`{word}` {sentence}");
    }
    let program = if name.is_empty() { "mlxk".to_owned() } else { format!("mlxk {name}") };
    let options = command.into_iter().flat_map(clap::Command::get_arguments);
    let names = options.filter_map(|option| option.get_long().filter(|_| !option.is_hide_set()));
    match word.strip_prefix("--").and_then(|long| similar(long, names)) {
        Some(meant) => {
            format!("`{word}` is not an option of `{program}`; did you mean `--{meant}`?")
        }
        None => {
            format!("`{word}` is not an option of `{program}`; `{program} --help` lists them")
        }
    }
}

fn unknown_command(typed: &str) -> String {
    if let Some(sentence) = elsewhere::command(typed) {
        return format!("`{typed}` {sentence}");
    }
    let cli = Cli::command();
    let commands = cli.get_subcommands().filter(|command| !command.is_hide_set());
    let names = commands.flat_map(clap::Command::get_name_and_visible_aliases);
    match similar(typed, names.filter(|name| *name != NEVER_PROPOSED)) {
        Some(meant) => format!("`{typed}` is not a command; did you mean `mlxk {meant}`?"),
        None => format!(
            "`{typed}` is not a command; `mlxk --help` lists them, and `mlxk run {typed}` runs a model of that name"
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn of(words: &[&str]) -> Option<String> {
        said(&[&["run", "m", "Hi"], words].concat())
    }

    fn said(words: &[&str]) -> Option<String> {
        let error = Cli::try_parse_from([&["mlxk"], words].concat()).err().unwrap();
        sentence(&error, words.iter().map(OsString::from))
    }

    #[test]
    fn options_are_named_as_they_were_typed() {
        for (words, expected) in [
            (&["--ctx", "0"][..], "`--ctx` is 0, but must be a whole number, 2 or more"),
            (&["--temperature=-1"], "`--temperature` is -1, but must be a number from 0 to 100"),
            (&["--seed", "x"], "`--seed` is `x`, but must be a whole number, 0 or more"),
            (&["--stop", ""], "`--stop` must not be empty"),
            (&["--kv-bits", "5"], "`--kv-bits` is 5, but must be 4, 8, 16 or 32"),
        ] {
            assert_eq!(of(words).as_deref(), Some(expected));
        }
        assert!(said(&["rm"]).unwrap().contains("`--unused`"));
        for words in [&["perplexity"][..], &["perplexity", "smollm2"]] {
            assert!(said(words).unwrap().contains("text to score"), "{words:?}");
        }
    }

    #[test]
    fn what_only_other_programs_have_is_said_in_a_sentence() {
        for (words, expected) in [
            (&["run", "m", "--language", "de"][..], "`--language` of MLX-Knife is not available"),
            (&["run", "m", "--translate"], "`--translate` of MLX-Knife"),
            (&["run", "m", "--chunk", "2"], "`--chunk` of MLX-Knife"),
            (&["serve", "--json"], "`--json` is not available: this command has no result"),
            (&["run", "-t", "0.5", "m", "x"], "`-t` is ambiguous: the temperature"),
            (&["chat", "m", "--keepalive", "5m"], "`--keepalive` has no effect here"),
            (&["rm", "-y", "m"], "`-y` does not exist; use `--force`"),
            (&["list", "--quiet"], "`--quiet` is not available"),
            (&["remove", "m"], "`remove` does not exist; `mlxk rm MODEL` removes"),
            (&["status"], "`status` does not exist; `mlxk ps`"),
        ] {
            let sentence = said(words).unwrap_or_else(|| panic!("{words:?}"));
            assert!(sentence.starts_with(expected), "{sentence}");
        }
    }

    #[test]
    fn unknown_words_get_the_nearest_but_never_rm() {
        for (words, expected) in [
            (
                &["rn", "m"][..],
                "`rn` is not a command; `mlxk --help` lists them, and `mlxk run rn` runs a model of that name",
            ),
            (
                &["r", "m"],
                "`r` is not a command; `mlxk --help` lists them, and `mlxk run r` runs a model of that name",
            ),
            (&["rnu", "m"], "`rnu` is not a command; did you mean `mlxk run`?"),
            (&["lsit"], "`lsit` is not a command; did you mean `mlxk list`?"),
            (
                &["nosuch"],
                "`nosuch` is not a command; `mlxk --help` lists them, and `mlxk run nosuch` runs a model of that name",
            ),
            (&["show"], "`mlxk show` needs MODEL; `mlxk show --help` has examples"),
            (
                &["run", "m", "--temprature", "0"],
                "`--temprature` is not an option of `mlxk run`; did you mean `--temperature`?",
            ),
            (
                &["run", "m", "--nosuch"],
                "`--nosuch` is not an option of `mlxk run`; `mlxk run --help` lists them",
            ),
            (&["--nosuch"], "`--nosuch` is not an option of `mlxk`; `mlxk --help` lists them"),
        ] {
            assert_eq!(said(words).as_deref(), Some(expected));
        }
    }
}
