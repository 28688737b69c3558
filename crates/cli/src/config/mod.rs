//! Settings that hold for every command: a flag wins over an environment variable, that over the
//! configuration file, that over the default.

mod file;
pub(crate) mod keys;

use std::path::{Path, PathBuf};

use mlxk_hub::{Overrides, Pair, Parameters};

use self::keys::{Form, KEYS, Key};
use crate::env;

/// All settings that are not left at their default.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The file, which need not exist.
    pub path: PathBuf,
    /// What is set, in the order of [`KEYS`].
    pub settings: Vec<Setting>,
    /// Names in Ollama's style, each with its line in the file.
    pub pairs: Vec<(Pair, usize)>,
}

/// One setting and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is set to.
    pub value: Value,
    /// Who says so.
    pub origin: Origin,
}

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Count(u64),
    Flag(bool),
    Text(String),
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The environment variable of this name.
    Variable(&'static str),
    /// This line of the file.
    Line(usize),
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file is there and cannot be read.
    #[error("The configuration `{}` cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The file named by a variable is not there.
    #[error("The configuration `{}`, which `MLXK_CONFIG` names, does not exist", path.display())]
    Missing { path: PathBuf },
    /// The file makes no sense.
    #[error("The configuration `{}`, line {line}, {problem}", path.display())]
    BadFile { path: PathBuf, line: usize, problem: String },
    /// A variable makes no sense.
    #[error("The variable `{name}` is `{value}`, which is not {expected}")]
    BadVariable { name: &'static str, value: String, expected: String },
}

impl ConfigError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "It has to be a text in UTF-8 that you may read",
            Self::Missing { .. } => "`mlxk config --init` writes one there; or unset `MLXK_CONFIG`",
            Self::BadFile { .. } => "`mlxk config --help` lists what it may say",
            Self::BadVariable { .. } => "Correct or unset it",
        }
    }
}

impl Config {
    /// Reads the environment through `lookup`, and the file.
    pub(crate) fn load(
        lookup: impl Fn(&str) -> Option<String>,
        home: &Path,
    ) -> Result<Self, ConfigError> {
        let path = file::path(&lookup, home);
        if lookup(env::MLXK_CONFIG).is_some() && !path.exists() {
            return Err(ConfigError::Missing { path });
        }
        let mut file = file::read(&path)?;
        let mut settings = Vec::new();
        for key in KEYS {
            let in_file = file.values.iter().position(|(found, ..)| found.name == key.name);
            let in_file = in_file.map(|index| file.values.swap_remove(index));
            if let Some((name, text)) = key.variable.and_then(|name| Some((name, lookup(name)?))) {
                let value = from_variable(key, name, &text)?;
                let origin = Origin::Variable(name);
                settings.push(Setting { name: key.name, value, origin });
            } else if let Some((_, value, line)) = in_file {
                settings.push(Setting { name: key.name, value, origin: Origin::Line(line) });
            }
        }
        Ok(Self { path, settings, pairs: file.pairs })
    }

    /// The file of a configuration that could not be loaded.
    pub(crate) fn empty(lookup: impl Fn(&str) -> Option<String>, home: &Path) -> Self {
        Self { path: file::path(lookup, home), ..Self::default() }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.settings.iter().find(|setting| setting.name == name).map(|setting| &setting.value)
    }

    fn number(&self, name: &str) -> Option<f32> {
        match self.get(name)? {
            Value::Number(number) => Some(*number as f32),
            _ => None,
        }
    }

    /// Threads that compute.
    pub(crate) fn threads(&self) -> Option<usize> {
        self.count("defaults.threads")
    }

    pub(crate) fn count(&self, name: &str) -> Option<usize> {
        match self.get(name)? {
            Value::Count(count) => usize::try_from(*count).ok(),
            _ => None,
        }
    }

    /// Returns `true` if a flag is set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Flag(true)))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What holds for a variable that the libraries ask for: the environment, else what the file
    /// says in its place.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let key = KEYS.iter().find(|key| key.variable == Some(name));
        match key.and_then(|key| self.get(key.name)) {
            Some(value) => Some(value.to_string()),
            None => env::read(name),
        }
    }

    /// How models answer, as far as the settings say something.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            system: self.text("defaults.system").map(str::to_owned),
            parameters: Parameters {
                temperature: self.number("defaults.temperature"),
                top_k: self.count("defaults.top_k"),
                top_p: self.number("defaults.top_p"),
                min_p: self.number("defaults.min_p"),
                max_tokens: self.count("defaults.max_tokens"),
                ctx: self.count("defaults.ctx"),
                ..Parameters::default()
            },
            ..Overrides::default()
        }
    }
}

/// The hub has its own reading of its variables, which takes more words; only ours are strict.
fn from_variable(key: &Key, name: &'static str, text: &str) -> Result<Value, ConfigError> {
    let text = text.trim();
    if !name.starts_with("MLXK_") {
        return Ok(Value::Text(text.to_owned()));
    }
    Value::parse(text, key.form).ok_or_else(|| ConfigError::BadVariable {
        name,
        value: text.to_owned(),
        expected: key.form.expected(),
    })
}

impl Value {
    /// Reads a value of a form; `None` where it is none.
    pub(crate) fn parse(text: &str, form: Form) -> Option<Self> {
        match form {
            Form::Number(low, high) => {
                let number: f64 = text.parse().ok()?;
                (number.is_finite() && (low..=high).contains(&number))
                    .then_some(Self::Number(number))
            }
            Form::Count(least) => {
                let count: u64 = text.parse().ok()?;
                (count >= least).then_some(Self::Count(count))
            }
            Form::Flag => text.parse().ok().map(Self::Flag),
            Form::Text => (!text.trim().is_empty()).then(|| Self::Text(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
