//! Invalid command lines, and what other programs have and mlxk does not, in one sentence that names the
//! option as it was typed.

mod elsewhere;
mod similar;

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use crate::args::{Cli, command_of};
pub(crate) use similar::similar;

/// Removes files, so it is not proposed to someone who mistyped another command.
const NEVER_PROPOSED: &str = "rm";

/// Returns the sentence for an error of the parser, and `None` for the few that it says well itself. `words` are the
/// command line after the program's name.
pub(crate) fn sentence(
    error: &clap::Error,
    words: impl IntoIterator<Item = OsString>,
) -> Option<String> {
    let words: Vec<OsString> = words.into_iter().collect();
    let typed = |usage: &str| typed(bare(usage), &words);
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::ValueValidation => {
            let problem = error.source()?.to_string();
            let option = typed(text(ContextKind::InvalidArg)?);
            Some(refused_value(&option, text(ContextKind::InvalidValue)?, &problem))
        }
        ErrorKind::InvalidValue => {
            let usage = text(ContextKind::InvalidArg)?;
            let value = text(ContextKind::InvalidValue)?;
            let known = list(error, ContextKind::ValidValue);
            Some(unknown_value(&typed(usage), usage, value, &known))
        }
        ErrorKind::ArgumentConflict => {
            let first = typed(text(ContextKind::InvalidArg)?);
            let others = list(error, ContextKind::PriorArg);
            Some(match typed(others.first()?) {
                second if first == second => format!("`{first}` can be given only once"),
                second => format!("`{first}` and `{second}` exclude each other; leave one out"),
            })
        }
        ErrorKind::UnknownArgument => {
            let word = text(ContextKind::InvalidArg)?;
            let command = command_of(words);
            if word.starts_with('-') {
                return Some(unknown_option(word, command.as_ref()));
            }
            let program = program(command.as_ref());
            if command.as_ref().is_some_and(|command| command.get_name() == "server") {
                return Some(format!(
                    "`{word}` is a word too many; a model is an option: `{program} --model {word}`"
                ));
            }
            Some(format!("`{word}` is a word too many; `{program} --help` has examples"))
        }
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand)?;
            match command_of(words.iter().cloned()) {
                Some(command) => Some(unknown_part(typed, &command)),
                None => Some(unknown_command(typed)),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let command = command_of(words.iter().cloned())?;
            if let Some(sentence) = missing(command.get_name()) {
                return Some(sentence.to_owned());
            }
            let mut usages = list(error, ContextKind::InvalidArg);
            usages.sort_by_key(|usage| usage.contains('-'));
            // Another option may need one that the command does not.
            let is_needed = |usage: &&str| {
                let long = bare(usage).trim_start_matches('-');
                let mut options = command.get_arguments().filter(|it| it.get_long() == Some(long));
                options.all(clap::Arg::is_required_set)
            };
            let is_command = usages.iter().any(is_needed);
            let needed: Vec<String> = usages.into_iter().map(needed).collect();
            let (program, needed) = (program(Some(&command)), listed(&needed));
            Some(if is_command {
                format!("`{program}` needs {needed}; `{program} --help` has examples")
            } else {
                let subject = match needing(&words, &command) {
                    Some(option) => format!("`{option}` works"),
                    None => "These options work".to_owned(),
                };
                format!("{subject} only with {needed}; `{program} --help` has examples")
            })
        }
        _ => None,
    }
}

/// Returns the option without which nothing would be missing, if it is only one.
fn needing(words: &[OsString], command: &clap::Command) -> Option<String> {
    let is_cause = |index: &usize| {
        let Some(word) = words[*index].to_str().filter(|word| word.starts_with("--")) else {
            return false;
        };
        let (name, value) =
            word.split_once('=').map_or((word, None), |(name, it)| (name, Some(it)));
        let mut options = command.get_arguments();
        let option = options.find(|it| it.get_long() == name.strip_prefix("--"));
        let Some(option) = option else { return false };
        let takes_next = value.is_none() && option.get_action().takes_values();
        let mut rest = words.to_vec();
        rest.drain(*index..(*index + 1 + usize::from(takes_next)).min(rest.len()));
        let program = std::iter::once(OsString::from("mlxk"));
        Cli::try_parse_from(program.chain(rest))
            .map_or_else(|error| error.kind() != ErrorKind::MissingRequiredArgument, |_| true)
    };
    let index = (0..words.len()).find(is_cause)?;
    let word = words[index].to_str()?;
    Some(word.split('=').next().unwrap_or(word).to_owned())
}

/// Returns the texts of an error's context, of which there may be one or several.
fn list(error: &clap::Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text],
        Some(ContextValue::Strings(texts)) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns the option or argument without its value: `--port` of `--port <PORT>`.
fn bare(usage: &str) -> &str {
    let name = usage.split([' ', '=', '[']).find(|word| !word.is_empty()).unwrap_or(usage);
    name.trim_matches(['<', '>', ']', '.'])
}

/// Returns the option as the command line has it: `-q` or `--num-predict` instead of the name in the help.
fn typed(option: &str, words: &[OsString]) -> String {
    let texts = || words.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    let longs = || texts().filter_map(|word| word.strip_prefix("--")?.split('=').next());
    let long = option.strip_prefix("--");
    let is_there = |name: &str| longs().any(|typed| typed == name);
    let command = command_of(words.iter().cloned());
    let mut arguments = command.iter().flat_map(clap::Command::get_arguments);
    let found = arguments.find(|it| long.is_some() && it.get_long() == long);
    let Some(found) = found.filter(|_| !long.is_some_and(is_there)) else {
        return option.to_owned();
    };
    let aliases = found.get_all_aliases().unwrap_or_default();
    if let Some(alias) = aliases.into_iter().find(|alias| is_there(alias)) {
        return format!("--{alias}");
    }
    let is_short = |short: &char| {
        let mut groups = texts().filter(|word| !word.starts_with("--"));
        groups.any(|word| word.strip_prefix('-').is_some_and(|letters| letters.contains(*short)))
    };
    match found.get_short().filter(is_short) {
        Some(short) => format!("-{short}"),
        None => option.to_owned(),
    }
}

/// Joins words as a sentence does: `MODEL, SOURCE and TARGET`.
fn listed(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// Returns the words for something that is missing: an argument (`MODEL`), an option (`--file FILE`), or one of several
/// options.
fn needed(usage: &str) -> String {
    let usage = usage.trim_end_matches("...");
    match usage.strip_prefix('<').and_then(|it| it.strip_suffix('>')) {
        Some(group) if group.starts_with('-') => {
            let options: Vec<String> =
                group.split('|').map(|it| format!("`{}`", bare(it))).collect();
            format!("one of {}", options.join(", "))
        }
        Some(name) => name.to_owned(),
        None => format!("`{}`", usage.replace(['<', '>'], "")),
    }
}

fn unknown_value(option: &str, usage: &str, value: &str, known: &[&str]) -> String {
    if value.is_empty() {
        let example = usage.replace(['<', '>'], "").replace("...", "");
        return format!("`{option}` needs a value, as in `{}`", example.trim());
    }
    match similar(value, known.iter().copied()) {
        Some(meant) => format!("`{option}` can't be `{value}`; did you mean `{meant}`?"),
        None => format!("`{option}` can't be `{value}`; it takes {}", known.join(", ")),
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

/// Returns the program with the command and its parents: `mlxk bench show`.
fn program(command: Option<&clap::Command>) -> String {
    let of = |command: &clap::Command| match command.get_bin_name() {
        Some(whole) => whole.to_owned(),
        None => format!("mlxk {}", command.get_name()),
    };
    command.map_or_else(|| "mlxk".to_owned(), of)
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
    let program = program(command);
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

/// Explains a word that is not one of the commands of `command`, such as `frob` in `mlxk service frob`.
fn unknown_part(typed: &str, command: &clap::Command) -> String {
    let program = program(Some(command));
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set());
    let names = commands.flat_map(clap::Command::get_name_and_visible_aliases);
    match similar(typed, names) {
        Some(meant) => {
            format!("`{typed}` is not a command of `{program}`; did you mean `{program} {meant}`?")
        }
        None => {
            format!("`{typed}` is not a command of `{program}`; `{program} --help` lists them")
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
        for (words, expected) in [
            (&["convert", "a", "b", "-q", "7"][..], "`-q` is 7, but must be 2, 3, 4, 5, 6 or 8"),
            (&["convert", "a", "b", "-q7"], "`-q` is 7, but must be 2, 3, 4, 5, 6 or 8"),
            (
                &["convert", "a-q", "b", "--quantize=7"],
                "`--quantize` is 7, but must be 2, 3, 4, 5, 6 or 8",
            ),
            (
                &["run", "m", "Hi", "--num-predict", "0"],
                "`--num-predict` is 0, but must be a whole number, 1 or more, or -1 for no limit",
            ),
        ] {
            assert_eq!(said(words).as_deref(), Some(expected));
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
            (&["signin"], "`signin` does not exist; set `HF_TOKEN`"),
            (&["signout"], "`signout` does not exist; unset `HF_TOKEN`"),
            (&["import", "m"], "`import` does not exist; `mlxk pull ollama:NAME`"),
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
                &["bench", "show", "--json"],
                "`mlxk bench show` needs REPORT; `mlxk bench show --help` has examples",
            ),
            (
                &["push"],
                "`mlxk push` needs FOLDER, REPO and one of `--private`, `--public`, `--check-only`, `--dry-run`; \
                 `mlxk push --help` has examples",
            ),
            (
                &["run", "m", "Hi", "--logprobs", "2"],
                "`--logprobs` works only with `--json`; `mlxk run --help` has examples",
            ),
            (&["eval", "m"], "`mlxk eval` needs `--tasks FILE`; `mlxk eval --help` has examples"),
            (&["server", "--port"], "`--port` needs a value, as in `--port PORT`"),
            (&["completions", "bsh"], "`SHELL` can't be `bsh`; did you mean `bash`?"),
            (
                &["serve", "smollm2"],
                "`smollm2` is a word too many; a model is an option: `mlxk server --model smollm2`",
            ),
            (&["stop", "a", "b"], "`b` is a word too many; `mlxk stop --help` has examples"),
            (
                &["show", "m", "--files", "--modelfile"],
                "`--files` and `--modelfile` exclude each other; leave one out",
            ),
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
