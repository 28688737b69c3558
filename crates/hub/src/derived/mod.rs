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

mod copy;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{HubError, Locations, RepoId, Result};

pub(crate) use copy::dependents;
pub use copy::{Copied, copy};

/// Sets the named fields to those of the first struct, or of the second where the first has `None`.
/// What a flag or a request says comes before a model's own settings, those before the user's, and
/// the structs are not the same.
#[macro_export]
macro_rules! prefer {
    ($target:expr => $first:expr, $second:expr; $($field:ident)+) => {
        $($target.$field = $first.$field.or($second.$field);)+
    };
}

/// What a derived model does in another way than the one that it stands for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Instructions that precede the conversation.
    pub system: Option<String>,
    /// How it answers.
    pub parameters: Parameters,
}

/// How a model answers, as far as something is said about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// How freely tokens are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Draw from this many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Draw from tokens that together have this probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Drop tokens less probable than this share of the best one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Divide the logits of tokens that occurred by this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// How many tokens the penalty looks back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// The same seed gives the same answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// End an answer after this many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Tokens of prompt and answer together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<usize>,
    /// End an answer before these texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
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

/// The file as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    #[serde(default, skip_serializing_if = "is_empty")]
    parameters: Parameters,
}

const SUFFIX: &str = ".toml";
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The derived model called `name`; `None` where there is none.
pub fn derived(name: &str, locations: &Locations) -> Result<Option<Derived>> {
    let root = locations.models_dir();
    let Some(path) = path_of(&root, name).filter(|path| path.is_file()) else { return Ok(None) };
    let mut file = File::read(&path)?;
    let mut overrides = Overrides { system: file.system, parameters: file.parameters };
    let mut chain = vec![name.to_owned()];
    while let Some(next) = path_of(&root, &file.from).filter(|path| path.is_file()) {
        let is_cycle = chain.contains(&file.from);
        chain.push(file.from);
        if is_cycle {
            return Err(HubError::DerivedCycle { chain });
        }
        file = File::read(&next)?;
        overrides.fill(Overrides { system: file.system, parameters: file.parameters });
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

fn is_empty(parameters: &Parameters) -> bool {
    *parameters == Parameters::default()
}

impl Overrides {
    /// Takes from `other` what is not said here.
    pub fn fill(&mut self, other: Self) {
        self.system = self.system.take().or(other.system);
        let (own, other) = (&mut self.parameters, other.parameters);
        prefer!(own => own, other;
            temperature top_k top_p min_p repetition_penalty repeat_last_n seed max_tokens ctx);
        if own.stop.is_empty() {
            own.stop = other.stop;
        }
    }
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let bad = |line, problem| HubError::BadDerived { path: path.to_owned(), line, problem };
        let too_large = path.metadata().is_ok_and(|metadata| metadata.len() > MAX_FILE_BYTES);
        if too_large {
            return Err(bad(None, "it is too large for a model's settings".into()));
        }
        let text = fs_err::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => bad(None, "it is no UTF-8 text".into()),
            _ => HubError::Io { action: "read the settings of a model", source: error },
        })?;
        toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            bad(line, error.message().trim().replace('\n', "; "))
        })
    }
}

#[cfg(test)]
#[path = "derived_tests.rs"]
mod tests;
