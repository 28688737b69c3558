//! Collects the prompt from words, an option, a file and standard input.

use std::io::IsTerminal;

use anyhow::Context as _;

use super::stdin;
use crate::args::RunArgs;
use crate::exit::UsageError;
use crate::{Context, answer, input};

/// Joins the prompt of the command line and standard input. Returns `None` for a chat.
pub(super) fn collect(args: &RunArgs, context: &Context) -> anyhow::Result<Option<String>> {
    let (given, wants_stdin) = given(args)?;
    let chats = args.interactive || (std::io::stdin().is_terminal() && !wants_stdin);
    if given.is_none() && args.file.is_empty() && chats {
        return Ok(None);
    }
    let piped = if wants_stdin || (stdin::is_given() && !args.no_stdin && !args.interactive) {
        stdin::read(input::MAX_PROMPT_BYTES, context)?
    } else {
        String::new()
    };
    let has_given = given.is_some();
    let parts = args.file.iter().map(|path| answer::file_part(path, "--file"));
    let mut parts = parts.collect::<anyhow::Result<Vec<String>>>()?;
    parts.extend([piped, given.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()));
    if parts.is_empty() {
        return Err(missing(args, has_given, wants_stdin).into());
    }
    Ok(Some(parts.join("\n\n")))
}

/// Returns the error for a prompt that is empty or missing.
fn missing(args: &RunArgs, is_given: bool, wants_stdin: bool) -> UsageError {
    if let Some(path) = &args.prompt_file {
        return UsageError(format!("`{}` is empty; write the prompt into it", path.display()));
    }
    let problem = match (is_given, wants_stdin) {
        (_, true) => "Standard input is empty; pipe the prompt in, or write it",
        (true, false) => "The prompt is empty; write it",
        (false, false) => "There is no prompt, and a chat needs a terminal; write a prompt",
    };
    let model = args.model.as_deref().unwrap_or("smollm2");
    if model.contains(char::is_whitespace) {
        // No model has such a name, so this is the prompt.
        return UsageError(format!(
            "The model comes before the prompt, as in `mlxk run smollm2 \"{model}\"`"
        ));
    }
    UsageError(format!("{problem} after the model, as in `mlxk run {model} \"Hello\"`"))
}

/// Returns the prompt of the command line, and `true` if `-` asks for standard input.
fn given(args: &RunArgs) -> anyhow::Result<(Option<String>, bool)> {
    if let Some(prompt) = &args.prompt {
        return Ok((Some(prompt.clone()), false));
    }
    if let Some(path) = &args.prompt_file {
        let text = input::read_file(path, input::MAX_PROMPT_BYTES)
            .with_context(|| format!("Cannot read the prompt in `{}`", path.display()))?;
        let text = String::from_utf8(text).map_err(|_| {
            UsageError(format!("The prompt in `{}` is not valid UTF-8 text", path.display()))
        })?;
        return Ok((Some(text.trim_end_matches(['\n', '\r']).to_owned()), false));
    }
    let words: Vec<&str> =
        args.words.iter().map(String::as_str).filter(|word| *word != "-").collect();
    let wants_stdin = words.len() < args.words.len();
    if wants_stdin && args.no_stdin {
        return Err(
            UsageError("`-` reads standard input, which `--no-stdin` forbids".into()).into()
        );
    }
    Ok(((!words.is_empty()).then(|| words.join(" ")), wants_stdin))
}
