//! An error that ends a command: its exit code, its word for `--json`, and its hint.
//!
//! Errors of the libraries bring these along. This file adds the decisions that only the command
//! line makes, such as deleting nothing without a confirmation.

use std::io;
use std::path::Path;

use mlxk_bench::BenchError;
use mlxk_bench::compare::MEASURE_ANYWAY;
use mlxk_engine::EngineError;
use mlxk_http::without_os_code;
use mlxk_hub::HubError;
use mlxk_models::ModelError;
use mlxk_server::ServerError;
use serde_json::Value;

use crate::config::ConfigError;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::launch::System;
use crate::launch::fit::Unfit;
use crate::launch::shell::quoted;

/// A deletion that did not happen, because it needs the user's consent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemovalRefused {
    /// The user said no.
    #[error("Deletion of {name} declined; nothing was deleted")]
    Declined { name: String },
    /// The name is not the full one, and there is no terminal to ask on.
    #[error("The name is only a part of `{name}`; deleting it needs the full name")]
    PartOfName { name: String },
    /// The name is the full one in another case, and there is no terminal to ask on.
    #[error("The name differs from `{name}` in case; deleting it needs the exact name")]
    OtherCase { name: String },
    /// Other names stand for the model, and there is no terminal to ask on.
    #[error("{} for `{name}` and would stop working; nothing was deleted", standing(.dependents))]
    Named { name: String, dependents: Vec<String> },
    /// Unused files are listed, and there is no terminal to ask on.
    #[error(
        "Refusing to delete unused files without confirmation; run in a terminal or pass `--force`"
    )]
    Unused,
}

impl RemovalRefused {
    fn kind(&self) -> &'static str {
        match self {
            Self::Declined { .. } => "UserCancelledError",
            Self::PartOfName { .. }
            | Self::OtherCase { .. }
            | Self::Named { .. }
            | Self::Unused => "requires_confirmation",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Declined { .. } => None,
            Self::PartOfName { name } | Self::OtherCase { name } => {
                Some(format!("Run `mlxk rm {name}`"))
            }
            Self::Named { name, dependents } => {
                let (names, all) = match dependents.len() {
                    1 => ("both names", "both"),
                    _ => ("all names", "all of them"),
                };
                Some(format!(
                    "Keep {names}: they share the weights, so that takes no space. To remove {all}, run \
                     `mlxk rm {} {name}`",
                    dependents.join(" ")
                ))
            }
            Self::Unused => Some("List them first with `mlxk rm --unused --dry-run`".to_owned()),
        }
    }
}

/// A name that was not replaced, because that needs the user's consent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplacementRefused {
    /// The user said no.
    #[error("Name `{name}` was left unchanged")]
    Declined { name: String },
    /// There is no terminal to ask on.
    #[error("Name `{name}` already exists")]
    NotAsked { name: String },
}

impl ReplacementRefused {
    fn kind(&self) -> &'static str {
        match self {
            Self::Declined { .. } => "UserCancelledError",
            Self::NotAsked { .. } => "requires_confirmation",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Declined { .. } => None,
            Self::NotAsked { name } => Some(format!(
                "Replace it with `--force`, or look at it with `mlxk show {name} --modelfile`"
            )),
        }
    }
}

/// No server answers at an address.
#[derive(Debug, thiserror::Error)]
#[error("{}{address}: {}", start(.also.as_ref()), reason.to_string().trim_start_matches("io: "))]
pub(crate) struct NoServer {
    pub(crate) address: String,
    pub(crate) reason: ureq::Error,
    /// The server in `OLLAMA_HOST`, if that was tried, too.
    pub(crate) also: Option<Tried>,
}

/// The address in `OLLAMA_HOST`, at which no server of ours is.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) address: String,
    /// `true` if a server of another kind answered there.
    pub(crate) is_another: bool,
}

fn standing(names: &[String]) -> String {
    let ticked: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let verb = if names.len() == 1 { "stands" } else { "stand" };
    format!("{} {verb}", ticked.join(", "))
}

impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = &self.address;
        if self.is_another {
            write!(f, "The server at {address} (`OLLAMA_HOST`) is not mlxk")
        } else {
            write!(f, "No server at {address} (`OLLAMA_HOST`)")
        }
    }
}

/// Returns the sentence before the usual address.
fn start(tried: Option<&Tried>) -> String {
    match tried {
        None => "No server at ".to_owned(),
        Some(tried) if tried.is_another => format!("{tried}, and no server is at "),
        Some(Tried { address, .. }) => {
            format!("No mlxk server at {address} (`OLLAMA_HOST`), nor at ")
        }
    }
}

/// A server refused a request.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ServerRefused {
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// A model that a server should unload is not loaded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotLoaded(pub(crate) ServerRefused);

/// The content of a damaged folder is not recorded as intended.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is damaged, so its content hash was not recalculated: {problem}")]
pub(crate) struct DamagedFolder {
    pub(crate) name: String,
    pub(crate) problem: String,
}

/// A comparison of engines has only one that can take part.
#[derive(Debug, thiserror::Error)]
#[error("Nothing was measured, because no other engine can take part")]
pub(crate) struct NothingToCompare {
    /// Name of our model.
    pub(crate) model: String,
}

/// A failure that nevertheless has something to show under `data`.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct WithData {
    pub error: anyhow::Error,
    /// The `data` of the JSON envelope.
    pub data: Value,
}

impl WithData {
    /// Returns the error with its data.
    pub(crate) fn wrap(error: anyhow::Error, data: Value) -> anyhow::Error {
        Self { error, data }.into()
    }
}

/// Splits an error from the data that [`WithData`] attached to it.
pub(crate) fn split(error: &anyhow::Error) -> (&anyhow::Error, Option<&Value>) {
    match error.downcast_ref::<WithData>() {
        Some(with) => (&with.error, Some(&with.data)),
        None => (error, None),
    }
}

/// Returns an error and its causes as one sentence. Errors of libraries often quote their cause; such a cause
/// is not repeated, and the numbers of the operating system's errors are left out.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let mut causes = error.chain().map(|cause| without_os_code(&cause.to_string()));
    let mut message = causes.next().unwrap_or_default();
    for cause in causes {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Returns the exit code for an error that ended a command.
pub(crate) fn status(error: &anyhow::Error) -> ExitStatus {
    let (error, _) = split(error);
    if error.is::<Interrupted>() || matches!(error.downcast_ref(), Some(HubError::Cancelled)) {
        return ExitStatus::Interrupted;
    }
    if error.is::<UsageError>() || error.downcast_ref().is_some_and(ConfigError::is_usage) {
        return ExitStatus::Usage;
    }
    if matches!(error.downcast_ref(), Some(EngineError::Panicked { .. })) {
        return ExitStatus::Internal;
    }
    let broken_pipe = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    // The reader of our output has seen enough, as in `mlxk list | head`.
    if broken_pipe { ExitStatus::Success } else { ExitStatus::Failure }
}

/// Returns the `type` of an error in the JSON envelope.
pub(crate) fn kind(error: &anyhow::Error) -> &'static str {
    if let Some(error) = error.downcast_ref::<HubError>() {
        error.kind()
    } else if let Some(error) = error.downcast_ref::<RemovalRefused>() {
        error.kind()
    } else if let Some(error) = error.downcast_ref::<ReplacementRefused>() {
        error.kind()
    } else if error.is::<ConfigError>() {
        "ValidationError"
    } else if error.is::<UsageError>() {
        "CommandError"
    } else if error.is::<Interrupted>() {
        "UserCancelledError"
    } else if status(error) == ExitStatus::Internal {
        "InternalError"
    } else {
        "execution_error"
    }
}

/// Returns advice on an error, if possible a command to paste.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return Some(error.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<RemovalRefused>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<ReplacementRefused>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<Unfit>() {
        return Some(error.hint());
    }
    if let Some(NothingToCompare { model }) = error.downcast_ref() {
        return Some(format!(
            "Measure mlxk alone with `mlxk bench model {}`",
            quoted(model, System::HERE)
        ));
    }
    if matches!(error.downcast_ref(), Some(BenchError::Unequal { .. })) {
        return Some(MEASURE_ANYWAY.to_owned());
    }
    if let Some(BenchError::Unable { suggestion, .. }) = error.downcast_ref() {
        return suggestion.clone();
    }
    if error.is::<NoServer>() {
        return Some("Start one with `mlxk server`".to_owned());
    }
    if let Some(ServerError::Listen { port, source, .. }) = error.downcast_ref()
        && source.kind() == io::ErrorKind::AddrInUse
    {
        return Some(format!(
            "Another program listens there, such as Ollama or another `mlxk server`. Choose another port with \
             `--port {}`",
            port.checked_add(1).unwrap_or(8000)
        ));
    }
    if let Some(ServerRefused { status: 401, .. }) = error.downcast_ref() {
        return Some("Set `MLXK_API_KEY` to the server's key".to_owned());
    }
    if error.is::<NotLoaded>() {
        return Some("List the loaded models with `mlxk ps`".to_owned());
    }
    let hint = error.downcast_ref::<HubError>().and_then(HubError::hint);
    hint.or_else(|| damaged(error).and_then(check_of))
}

/// Returns the file of a model that is damaged or missing, if that is the reason of the error.
fn damaged(error: &anyhow::Error) -> Option<&Path> {
    if let Some(HubError::Format(error)) = error.downcast_ref() {
        return error.damaged();
    }
    match error.downcast_ref()? {
        EngineError::Format(error) | EngineError::Model(ModelError::Format(error)) => {
            error.damaged()
        }
        _ => None,
    }
}

/// Returns advice to check the model of a damaged file. It names the repair, which differs between a download,
/// a copy and a conversion.
fn check_of(file: &Path) -> Option<String> {
    let is_named = file.extension().is_some_and(|extension| extension == "gguf");
    if is_named || mlxk_format::gguf::is_gguf(file) {
        return Some("Get an intact copy of the file".to_owned());
    }
    let folder = if file.is_dir() { file } else { file.parent()? };
    let in_cache =
        folder.iter().filter_map(|part| part.to_str()?.strip_prefix("models--")).next_back();
    let name = match in_cache {
        Some(repo) => repo.replace("--", "/"),
        None => folder.display().to_string(),
    };
    Some(format!("Find out how to repair it with `mlxk health {}`", quoted(&name, System::HERE)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{RemovalRefused, message};

    #[derive(Debug, thiserror::Error)]
    #[error("Cannot listen on `{place}`: {source}")]
    struct Quoting {
        place: &'static str,
        source: io::Error,
    }

    #[test]
    fn numbers_of_the_operating_system_are_left_out() {
        let error = || io::Error::from_raw_os_error(2);
        let plain = error().to_string().replace(" (os error 2)", "");
        let quoting = Quoting { place: "a", source: error() };
        let message = message(&anyhow::Error::new(quoting));
        assert_eq!(message, format!("Cannot listen on `a`: {plain}"));
    }

    #[test]
    fn both_names_are_two() {
        let hint = |dependents: &[&str]| {
            let dependents = dependents.iter().map(|&name| name.to_owned()).collect();
            RemovalRefused::Named { name: "org/a".to_owned(), dependents }.hint().unwrap()
        };
        assert!(hint(&["x"]).starts_with("Keep both names: "));
        assert!(hint(&["x"]).ends_with("To remove both, run `mlxk rm x org/a`"));
        assert!(hint(&["x", "y"]).starts_with("Keep all names: "));
        assert!(hint(&["x", "y"]).ends_with("To remove all of them, run `mlxk rm x y org/a`"));
    }

    #[test]
    fn a_cause_is_named_once() {
        let quoting = Quoting { place: "a", source: io::Error::other("taken") };
        let error = anyhow::Error::new(quoting).context("No server");
        assert_eq!(message(&error), "No server: Cannot listen on `a`: taken");
    }
}
