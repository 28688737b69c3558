//! Names that stand for another model: `NAME.toml` beside the imported models, a few lines that say
//! which model it is and what is different about it. The weights stay where they are.
//!
//! ```toml
//! from = "mlx-community/Qwen3-0.6B-4bit"
//! system = "Answer with code only."
//!
//! [parameters]
//! temperature = 0.2
//! stop = ["\n\n"]
//! ```
//!
//! `from` is a reference as users type it, and may be such a name itself: what the outer one says
//! wins. Unknown keys are refused, so that a typing error never passes for a setting.
//!
//! An imported model may bring such settings along: `mlxk-settings.toml` in its folder, without
//! `from`.

mod copy;
mod create;
pub(crate) mod error;
mod file;
mod parameters;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::file::File;
use crate::derived::error::DerivedError;
use crate::{Locations, RepoId, Result};

pub(crate) use copy::dependents;
pub use copy::{Copied, copy};
pub use create::{Created, base_of, check_new_name, create, derived_modelfile, modelfile_of};
pub use file::write_settings;
pub(crate) use file::{SETTINGS_FILE, read_settings};
pub use parameters::{OLLAMA_PARAMETERS, ParameterError, Parameters};

/// Sets the named fields to those of the first struct, or of the second where the first has `None`.
/// What a flag or a request says comes before a model's own settings, those before the user's, and
/// the structs are not the same.
#[macro_export]
macro_rules! prefer {
    ($target:expr => $first:expr, $second:expr; $($field:ident)+) => {
        $($target.$field = $first.$field.or($second.$field);)+
    };
}

/// What a model does in another way than the one that it stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// Instructions that precede the conversation; empty for none, whatever the other one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Under which terms it may be used, each a text of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub license: Vec<String>,
    /// What was said before a conversation begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Turn>,
    /// How it answers.
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// By whom: `system`, `user` or `assistant`.
    pub role: String,
    /// The words.
    pub content: String,
}

/// A name that stands for another model, its chain followed to the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The reference at the end of the chain, which is no derived name.
    pub from: String,
    /// What all of the chain says, the outermost first.
    pub overrides: Overrides,
}

const SUFFIX: &str = ".toml";

/// The derived model called `name`; `None` where there is none.
pub fn derived(name: &str, locations: &Locations) -> Result<Option<Derived>> {
    let root = locations.models_dir();
    let Some(path) = path_of(&root, name).filter(|path| path.is_file()) else { return Ok(None) };
    let mut file = File::read(&path)?;
    let mut overrides = file.overrides();
    let mut chain = vec![name.to_owned()];
    while let Some(next) = path_of(&root, &file.from).filter(|path| path.is_file()) {
        let is_cycle = chain.contains(&file.from);
        chain.push(file.from.clone());
        if is_cycle {
            return Err(DerivedError::Cycle { chain }.into());
        }
        file = File::read(&next)?;
        overrides.fill(file.overrides());
    }
    Ok(Some(Derived { name: name.to_owned(), path, from: file.from, overrides }))
}

/// Names of all derived models, sorted, broken ones too.
pub fn derived_names(locations: &Locations) -> Vec<String> {
    let entries = std::fs::read_dir(locations.models_dir()).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(SUFFIX)?.to_owned()))
        .filter(|name| is_name(name))
        .collect();
    names.sort();
    names
}

/// The file of a name; `None` for what can be no derived name.
pub(crate) fn path_of(root: &Path, name: &str) -> Option<PathBuf> {
    is_name(name).then(|| root.join(format!("{name}{SUFFIX}")))
}

fn is_name(name: &str) -> bool {
    RepoId::parse(name).is_ok_and(|id| id.org().is_none())
}

impl Overrides {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes from `other` what is not said here; licenses add up.
    pub fn fill(&mut self, other: Self) {
        self.system = self.system.take().or(other.system);
        if self.messages.is_empty() {
            self.messages = other.messages;
        }
        for text in other.license {
            if !self.license.contains(&text) {
                self.license.push(text);
            }
        }
        let (own, other) = (&mut self.parameters, other.parameters);
        prefer!(own => own, other;
            temperature top_k top_p min_p repetition_penalty repeat_last_n seed max_tokens ctx);
        if own.stop.is_empty() {
            own.stop = other.stop;
        }
    }
}

#[cfg(test)]
mod tests;
