//! Settings of other applications for our server: pure functions from a server and a model to files, variables and
//! arguments. `commands/launch.rs` asks, writes and starts programs.

mod aider;
mod claude;
mod cline;
mod codex;
mod continue_dev;
pub(crate) mod diff;
pub(crate) mod files;
pub(crate) mod fit;
mod goose;
pub(crate) mod merge;
mod opencode;
mod pi;
mod qwen_code;
pub(crate) mod server;
pub(crate) mod shell;
mod zed;

use std::path::PathBuf;

use serde_json::Value;

use crate::exit::UsageError;
use crate::misuse;

/// Variable that gives the key of our server to applications.
pub(crate) const KEY: &str = "MLXK_API_KEY";
/// Value for applications that insist on a key, if our server has none.
const NO_KEY: &str = "none";
/// Most tokens of an answer that applications ask for.
const MAX_OUTPUT: u64 = 16_384;

/// An application that can use our server.
#[derive(Debug)]
pub(crate) struct Application {
    /// Name on the command line.
    pub name: &'static str,
    /// Other names on the command line.
    pub aliases: &'static [&'static str],
    /// Name for people.
    pub title: &'static str,
    /// Programs to look for, the first that exists is started.
    pub programs: &'static [&'static str],
    /// Command or address to install it.
    pub install: &'static str,
    /// `true` if it only works with a model that calls tools.
    pub calls_tools: bool,
    /// Fewest tokens of context that its instructions and a little work need.
    pub min_context: u64,
    /// `true` if its program ends immediately, while its window stays open.
    pub detaches: bool,
    /// Returns the settings.
    pub plan: fn(&Target, &Folders) -> Plan,
}

/// All applications, in the order of their names.
pub(crate) const ALL: &[&Application] = &[
    &aider::APPLICATION,
    &claude::APPLICATION,
    &cline::APPLICATION,
    &codex::APPLICATION,
    &continue_dev::APPLICATION,
    &goose::APPLICATION,
    &opencode::APPLICATION,
    &pi::APPLICATION,
    &qwen_code::APPLICATION,
    &zed::APPLICATION,
];

/// Finds an application by its name.
pub(crate) fn find(typed: &str) -> Result<&'static Application, UsageError> {
    let wanted = typed.to_ascii_lowercase();
    let is_named =
        |app: &&Application| app.name == wanted || app.aliases.contains(&wanted.as_str());
    if let Some(found) = ALL.iter().copied().find(is_named) {
        return Ok(found);
    }
    let names =
        ALL.iter().flat_map(|app| [app.name].into_iter().chain(app.aliases.iter().copied()));
    Err(UsageError(match misuse::similar(&wanted, names) {
        Some(meant) => format!(
            "`{typed}` is not an application that mlxk can set up; did you mean `mlxk launch {meant}`?"
        ),
        None => format!(
            "`{typed}` is not an application that mlxk can set up; `mlxk launch` lists them"
        ),
    }))
}

/// The server and the model that an application is to use.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Address of the server, without a slash at the end.
    pub url: String,
    /// `true` if the server needs a key. Applications get it in the variable [`KEY`].
    pub has_key: bool,
    /// Name of the model in requests.
    pub model: String,
    /// Context length in tokens.
    pub context: u64,
    /// Time for files that want one, as in `2026-11-30T08:00:00Z`.
    pub now: String,
}

impl Target {
    /// Returns the address for clients of OpenAI's dialect.
    fn v1(&self) -> String {
        format!("{}/v1", self.url)
    }

    /// Returns the most tokens of an answer. A quarter of the context, so that there is room for questions.
    fn output(&self) -> u64 {
        (self.context / 4).min(MAX_OUTPUT)
    }

    /// Returns the value of a variable that holds the key.
    fn key(&self) -> VariableValue {
        if self.has_key { VariableValue::Key } else { VariableValue::Text(NO_KEY.to_owned()) }
    }
}

/// The folders in which applications keep their settings.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// System whose customs count.
    pub system: System,
    /// The home folder.
    pub home: PathBuf,
    /// `XDG_CONFIG_HOME`, if it is set.
    pub xdg_config: Option<PathBuf>,
    /// `APPDATA`, if it is set.
    pub app_data: Option<PathBuf>,
    /// `CODEX_HOME`, if it is set.
    pub codex: Option<PathBuf>,
    /// `QWEN_HOME`, if it is set.
    pub qwen: Option<PathBuf>,
    /// `PI_CODING_AGENT_DIR`, if it is set.
    pub pi: Option<PathBuf>,
    /// `CONTINUE_GLOBAL_DIR`, if it is set.
    pub continue_dev: Option<PathBuf>,
    /// Folder for files of our own.
    pub own: PathBuf,
}

impl Folders {
    /// Returns the folder of settings that programs for several systems use.
    fn config(&self) -> PathBuf {
        self.xdg_config.clone().unwrap_or_else(|| self.home.join(".config"))
    }
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Linux,
    MacOs,
    Windows,
}

impl System {
    /// The one that this program runs on. Other Unix systems count as Linux.
    pub(crate) const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };
}

/// Files, variables and arguments that make an application use a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Files to write or change.
    pub files: Vec<File>,
    /// Variables for its program.
    pub variables: Vec<Variable>,
    /// Arguments for its program, before those of the user.
    pub arguments: Vec<String>,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// A file of an application.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct File {
    /// Its path.
    pub path: PathBuf,
    /// Its content.
    pub content: Content,
}

/// The content that a file is to have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Settings in a file of JSON, perhaps with comments, next to settings of the user.
    Json(Vec<Setting>),
    /// All of a file that belongs to us alone.
    Whole(String),
}

/// A setting in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// Names of the objects around it, and its own name.
    pub path: Vec<String>,
    /// Its value.
    pub value: Value,
    /// Treatment of a value that is already there.
    pub rule: Rule,
}

/// Treatment of a value that is already in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Replace it.
    Replace,
    /// Keep it.
    Keep,
    /// It is a list of objects: replace the one with the same value of this field, or append ours.
    Entry(&'static str),
}

impl Setting {
    /// Returns a setting that replaces another value.
    fn new(path: &[&str], value: impl Into<Value>) -> Self {
        Self::with(path, value, Rule::Replace)
    }

    fn with(path: &[&str], value: impl Into<Value>, rule: Rule) -> Self {
        let path = path.iter().map(|&name| name.to_owned()).collect();
        Self { path, value: value.into(), rule }
    }
}

/// An environment variable for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: VariableValue,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VariableValue {
    /// A text.
    Text(String),
    /// The key of our server, which is never printed.
    Key,
}

impl Variable {
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: VariableValue::Text(value.into()) }
    }

    fn key(name: &'static str, target: &Target) -> Self {
        Self { name, value: target.key() }
    }
}

#[cfg(test)]
mod tests;
