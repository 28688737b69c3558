//! Settings of all commands. An option overrides an environment variable. A variable overrides the
//! configuration file, and the file overrides the default.

mod file;
pub(crate) mod keys;

use std::path::{Path, PathBuf};

use mlxk_hub::{Overrides, Pair, Parameters};

use self::keys::{Form, KEYS, Key, OLDER};
use crate::args::values;
use crate::env;

/// All settings that differ from their default.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The file, which may not exist.
    pub path: PathBuf,
    /// The settings, in the order of [`KEYS`].
    pub settings: Vec<Setting>,
    /// Ollama names, each with its line in the file.
    pub pairs: Vec<(Pair, usize)>,
}

/// One setting and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// Its name in the file.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// The place that sets it.
    pub origin: Origin,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Count(u64),
    Flag(bool),
    Text(String),
}

/// The place that a setting comes from.
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
    /// The file exists but cannot be read.
    #[error("Cannot read the configuration `{}`: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The file that `MLXK_CONFIG` names does not exist.
    #[error("`MLXK_CONFIG`: the file `{}` does not exist", path.display())]
    Missing { path: PathBuf },
    /// A line of the file is invalid.
    #[error("`{}`, line {line}: {problem}", path.display())]
    BadFile { path: PathBuf, line: usize, problem: String },
    /// The value of a variable is invalid.
    #[error("`{name}` is `{value}`, but must be {expected}")]
    BadVariable { name: &'static str, value: String, expected: String },
}

impl ConfigError {
    /// Returns `true` if a value is wrong, which counts as wrong usage.
    pub(crate) fn is_usage(&self) -> bool {
        !matches!(self, Self::Unreadable { .. })
    }

    /// Returns a way to fix it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "The file must be readable UTF-8 text",
            Self::Missing { .. } => "Create it with `mlxk config --init`, or unset `MLXK_CONFIG`",
            Self::BadFile { .. } => "List the settings with `mlxk config --help`",
            Self::BadVariable { .. } => "Fix or unset the environment variable",
        }
    }
}

impl Config {
    /// Reads the file, and the environment through `lookup`.
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
            let older =
                OLDER.iter().find(|(setting, _)| *setting == key.name).map(|(_, name)| *name);
            let set = |name: &'static str| Some((name, lookup(name)?));
            if let Some((name, text)) = key.variable.and_then(set).or_else(|| set(older?)) {
                let value = from_variable(key, name, &text)?;
                let origin = Origin::Variable(name);
                settings.push(Setting { name: key.name, value, origin });
            } else if let Some((_, value, line)) = in_file {
                settings.push(Setting { name: key.name, value, origin: Origin::Line(line) });
            }
        }
        Ok(Self { path, settings, pairs: file.pairs })
    }

    /// Returns an empty configuration with the path of the file, if loading failed.
    pub(crate) fn empty(lookup: impl Fn(&str) -> Option<String>, home: &Path) -> Self {
        Self { path: file::path(lookup, home), ..Self::default() }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.settings.iter().find(|setting| setting.name == name).map(|setting| &setting.value)
    }

    /// Returns the place that sets a setting, for errors.
    pub(crate) fn place(&self, name: &str) -> Option<String> {
        let setting = self.settings.iter().find(|setting| setting.name == name)?;
        Some(match setting.origin {
            Origin::Variable(variable) => format!("`{variable}`"),
            Origin::Line(line) => {
                format!("`{}`, line {line}: `{name}`", self.path.display())
            }
        })
    }

    fn number(&self, name: &str) -> Option<f32> {
        match self.get(name)? {
            Value::Number(number) => Some(*number as f32),
            _ => None,
        }
    }

    /// Returns the number of compute threads.
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

    /// Returns a size in bytes.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        values::size(self.text(name)?).ok()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of a variable that the libraries ask for. If the environment doesn't set it, the
    /// file may.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let key = KEYS.iter().find(|key| key.variable == Some(name));
        match key.and_then(|key| self.get(key.name)) {
            Some(value) => Some(value.to_string()),
            None => env::read(name),
        }
    }

    /// Returns the settings that change how models answer.
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

/// Reads a variable. Those of the hub are read leniently by the hub itself; only ours are strict.
fn from_variable(key: &Key, name: &'static str, text: &str) -> Result<Value, ConfigError> {
    let text = text.trim();
    if name == env::OLLAMA_NOHISTORY {
        // Ollama takes every other text for true.
        let is_off = ["", "0", "f", "false"].contains(&text.to_ascii_lowercase().as_str());
        return Ok(Value::Flag(!is_off));
    }
    if !name.starts_with("MLXK") {
        return Ok(Value::Text(text.to_owned()));
    }
    Value::parse(text, key.form).ok_or_else(|| ConfigError::BadVariable {
        name,
        value: text.to_owned(),
        expected: key.form.expected_for(text),
    })
}

impl Value {
    /// Parses a value. Returns `None` if the form doesn't allow it.
    pub(crate) fn parse(text: &str, form: Form) -> Option<Self> {
        match form {
            Form::Number(low, high) => {
                let number: f64 = text.parse().ok()?;
                (number.is_finite() && (low..=high).contains(&number))
                    .then_some(Self::Number(number))
            }
            Form::Count(low, high) => {
                let count: u64 = text.parse().ok()?;
                (low..=high).contains(&count).then_some(Self::Count(count))
            }
            Form::Flag => match text {
                "true" | "1" => Some(Self::Flag(true)),
                "false" | "0" => Some(Self::Flag(false)),
                _ => None,
            },
            Form::Text
            | Form::Address
            | Form::Size
            | Form::Time
            | Form::Origins
            | Form::Backends
            | Form::Policy
            | Form::Costs => form.allows(text).then(|| Self::Text(text.to_owned())),
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
mod tests;
