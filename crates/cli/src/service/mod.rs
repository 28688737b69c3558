//! The server as a service of the system: pure functions from the server's options to a definition, and to the
//! commands of the system's own tools. `commands/service.rs` writes and runs them.

mod launchd;
mod systemd;
mod windows;

use std::path::PathBuf;

use crate::launch::System;

/// Lines of a log that are shown.
const LOG_LINES: &str = "100";

/// The server that is to run.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// This program.
    pub program: PathBuf,
    /// Its arguments, the first of which is `server`.
    pub words: Vec<String>,
    /// Variables that say where the models and settings are.
    pub variables: Vec<Variable>,
}

/// An environment variable of the server.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub name: &'static str,
    pub value: String,
}

/// The places of a service on a system.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub system: System,
    /// The home folder.
    pub home: PathBuf,
    /// `XDG_CONFIG_HOME`, if it is set.
    pub xdg_config: Option<PathBuf>,
    /// Folder for files of our own.
    pub own: PathBuf,
    /// The user as the system's tools want it: the number on macOS, the name with the domain on Windows.
    pub user: String,
}

/// A file that defines a service.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Work to do on a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start it now and at every login. Its definition is in place.
    Install,
    /// Stop it. Its definition is still in place.
    Uninstall,
    /// Forget it. Its definition is gone.
    Forget,
    Status,
    Logs,
    /// Print the log, and what is added to it.
    Follow,
}

/// A command of one of the system's tools.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// `true` if the rest is done even if it fails.
    pub may_fail: bool,
}

impl Step {
    fn new(words: &[&str]) -> Self {
        Self { words: words.iter().map(|&word| word.to_owned()).collect(), may_fail: false }
    }

    fn that_may_fail(words: &[&str]) -> Self {
        Self { may_fail: true, ..Self::new(words) }
    }
}

/// Returns the definition of the service, or a sentence about a word that can't be part of one.
pub(crate) fn definition(server: &Server, places: &Places) -> Result<Definition, String> {
    let path = path(places);
    let text = match places.system {
        System::Linux => systemd::unit(server),
        System::MacOs => launchd::plist(server, &log(places)),
        System::Windows => windows::task(server, &places.user, &log(places))?,
    };
    let bytes = match places.system {
        System::Windows => windows::encoded(&text),
        System::Linux | System::MacOs => text.clone().into_bytes(),
    };
    Ok(Definition { path, text, bytes })
}

/// Returns the path of the definition.
pub(crate) fn path(places: &Places) -> PathBuf {
    match places.system {
        System::Linux => {
            let config = places.xdg_config.clone().unwrap_or_else(|| places.home.join(".config"));
            config.join("systemd/user").join(systemd::NAME)
        }
        System::MacOs => {
            places.home.join("Library/LaunchAgents").join(format!("{}.plist", launchd::LABEL))
        }
        System::Windows => places.own.join("service.xml"),
    }
}

/// Returns the path of the log. On Linux, the journal has it.
pub(crate) fn log(places: &Places) -> PathBuf {
    match places.system {
        System::MacOs => places.home.join("Library/Logs/mlxk.log"),
        System::Linux | System::Windows => places.own.join("service.log"),
    }
}

/// Returns the commands for an action.
pub(crate) fn steps(action: Action, places: &Places) -> Vec<Step> {
    let path = path(places).display().to_string();
    let log = log(places).display().to_string();
    match places.system {
        System::Linux => systemd::steps(action),
        System::MacOs => launchd::steps(action, &places.user, &path, &log),
        System::Windows => windows::steps(action, &path, &log),
    }
}

/// Returns text for the content of an element or a value in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
