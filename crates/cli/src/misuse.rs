//! Invalid command lines, and what MLX-Knife has and mlxk does not, in one sentence that names the option
//! as it was typed.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of MLX-Knife 1 and 2 that mlxk does not have, with the reason and what to do.
const ELSEWHERE: [(&str, &str); 7] = [
    ("--language", "mlxk does not transcribe sound yet"),
    ("--translate", "mlxk does not transcribe sound yet"),
    ("--chunk", "mlxk does not read images yet, so there is nothing to split"),
    ("--embed-backend", "mlxk has no embeddings yet"),
    ("--query", "mlxk has no embeddings yet"),
    ("--instruct", "mlxk has no embeddings yet"),
    ("--cpu", "mlxk always computes on the CPU; leave it out"),
];
/// Commands of MLX-Knife 2 that mlxk does not have.
const COMMANDS_ELSEWHERE: [(&str, &str); 2] =
    [("embed", "mlxk has no embeddings yet"), ("embed-serve", "mlxk has no embeddings yet")];

/// Returns the sentence for a value that a parser refused, for `rm` without a model, or for a word that only
/// MLX-Knife knows, and `None` for other errors.
pub(crate) fn sentence(error: &clap::Error) -> Option<String> {
    let usage = || error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    if error.kind() == ErrorKind::MissingRequiredArgument && usage().contains("mlxk rm ") {
        return Some("Name the models to remove, or pass `--unused` for unused files".to_owned());
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let from = |table: &[(&str, &str)], word: &str| {
        let (_, reason) = table.iter().find(|(known, _)| *known == word)?;
        Some(format!("`{word}` of MLX-Knife is not available: {reason}"))
    };
    match error.kind() {
        ErrorKind::ValueValidation => {}
        ErrorKind::UnknownArgument => {
            let option = text(ContextKind::InvalidArg)?.split([' ', '=']).next()?;
            if option == "--json" {
                return Some(
                    "`--json`: this command has no result to print; a server logs JSON with \
                     `--log-json`"
                        .to_owned(),
                );
            }
            return from(&ELSEWHERE, option);
        }
        ErrorKind::InvalidSubcommand => {
            return from(&COMMANDS_ELSEWHERE, text(ContextKind::InvalidSubcommand)?);
        }
        _ => return None,
    }
    let option = text(ContextKind::InvalidArg)?.split([' ', '=']).next()?;
    let value = text(ContextKind::InvalidValue)?;
    let problem = error.source()?.to_string();
    Some(if value.is_empty() {
        format!("`{option}` {problem}")
    } else if problem.starts_with("must ") || problem.starts_with("needs ") {
        let is_number = value.parse::<f64>().is_ok();
        let shown = if is_number { value.to_owned() } else { format!("`{value}`") };
        format!("`{option}` is {shown}, but {problem}")
    } else {
        format!("`{option} {value}`: {problem}")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Cli;

    fn of(words: &[&str]) -> Option<String> {
        let words = [&["mlxk", "run", "m", "Hi"], words].concat();
        sentence(&Cli::try_parse_from(words).err().unwrap())
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
        assert_eq!(of(&["--nosuch"]), None);
        let bare = Cli::try_parse_from(["mlxk", "rm"]).err().unwrap();
        assert!(sentence(&bare).unwrap().contains("`--unused`"));
    }

    #[test]
    fn what_only_mlx_knife_has_is_said_in_a_sentence() {
        let of = |words: &[&str]| {
            let words = [&["mlxk"], words].concat();
            sentence(&Cli::try_parse_from(words).err().unwrap())
        };
        for words in [
            &["run", "m", "--language", "de"][..],
            &["run", "m", "--translate"],
            &["run", "m", "--chunk", "2"],
            &["serve", "--json"],
            &["embed", "m", "x"],
            &["embed-serve", "m"],
        ] {
            let sentence = of(words).unwrap_or_else(|| panic!("{words:?}"));
            assert!(sentence.starts_with('`'), "{sentence}");
        }
        assert_eq!(of(&["nosuch"]), None);
    }
}
