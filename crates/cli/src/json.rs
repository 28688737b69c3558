//! `--json`: exactly one envelope on standard output, success or failure, in the shape of
//! MLX-Knife's JSON API, version 0.2.3.

use clap::error::ErrorKind;
use mlxk_hub::HubError;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::args::command_of;
use crate::failure;
use crate::misuse;
use crate::names;
use crate::output;

/// The version of the API that the envelopes follow.
pub(crate) const API_VERSION: &str = "0.2.3";

/// Prints the envelope of a command that has something to show.
pub(crate) fn print(command: &str, data: &impl Serialize) -> anyhow::Result<()> {
    let data = serde_json::to_value(data)?;
    write(&json!({"status": "success", "command": command, "data": data, "error": null}))
}

/// Prints the envelope of a command that failed. `command` is `None` if the arguments name none.
pub(crate) fn print_error(command: Option<&str>, error: &anyhow::Error) -> anyhow::Result<()> {
    let (error, data) = failure::split(error);
    let object = error_object(error);
    write(&json!({"status": "error", "command": command, "data": data, "error": object}))
}

/// Prints the envelope of an invalid command line. It names the command if the arguments do.
pub(crate) fn print_usage_error(error: &clap::Error) -> anyhow::Result<()> {
    let text = error.to_string();
    let line = || text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let message =
        misuse::sentence(error, names::arguments().skip(1)).unwrap_or_else(|| line().to_owned());
    let object = json!({"type": "CommandError", "message": message});
    let command = command_of(names::arguments().skip(1));
    // The first word, as in the envelopes of results.
    let whole = command.and_then(|command| command.get_bin_name().map(str::to_owned));
    let command = whole.as_deref().and_then(|whole| whole.split(' ').nth(1));
    write(&json!({"status": "error", "command": command, "data": null, "error": object}))
}

/// Returns `true` if the arguments ask for JSON, even if they are invalid otherwise.
pub(crate) fn is_wanted(error: &clap::Error) -> bool {
    let shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    !shown && words_ask()
}

/// Returns `true` if the arguments are `--version --json`.
pub(crate) fn is_version(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::DisplayVersion && words_ask()
}

fn words_ask() -> bool {
    std::env::args_os().skip(1).any(|word| word == "--json")
}

fn error_object(error: &anyhow::Error) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), failure::kind(error).into());
    object.insert("message".into(), failure::message(error).into());
    if let Some(matches) = error.downcast_ref::<HubError>().and_then(HubError::candidates) {
        object.insert("matches".into(), matches.into());
    }
    if let Some(hint) = failure::hint(error) {
        object.insert("hint".into(), hint.into());
    }
    object.into()
}

fn write(envelope: &Value) -> anyhow::Result<()> {
    output::stdout().json(envelope)?;
    Ok(())
}
