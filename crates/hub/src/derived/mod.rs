//! Names that stand for another model: `NAME.toml` in the folder of imported models names that
//! model and the settings that differ. The weights are not copied.
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
//! `from` is a reference as users type it. If it is such a name itself, the settings of the outer
//! one win. Unknown keys are refused, so that a typing error is noticed.
//!
//! An imported model may have such settings too: `mlxk-settings.toml` in its folder, without
//! `from`.

mod copy;
mod create;
pub(crate) mod error;
mod file;
pub(crate) mod overrides;
pub(crate) mod parameters;

use std::path::{Path, PathBuf};

use self::file::{File, SUFFIX};
use crate::derived::error::DerivedError;
use crate::error::Result;
use crate::locations::Locations;
use crate::repo_id::RepoId;

pub(crate) use copy::dependents;
pub use copy::{Copied, copy};
pub use create::{Created, base_of, check_new_name, create, derived_modelfile, modelfile_of};
pub use file::write_settings;
pub(crate) use file::{SETTINGS_FILE, read_settings};
pub use overrides::{Overrides, Turn};
pub use parameters::{OLLAMA_PARAMETERS, ParameterError, Parameters};

/// A derived name, followed to the end of its chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The reference at the end of the chain, which is not a derived name.
    pub from: String,
    /// The settings of the whole chain; the outermost win.
    pub overrides: Overrides,
}

/// Returns the derived model called `name`, or `None` if there is none.
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

/// Returns the names of all derived models, sorted, including broken ones.
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

/// Returns the file of a name, or `None` if it cannot be a derived name.
pub(crate) fn path_of(root: &Path, name: &str) -> Option<PathBuf> {
    is_name(name).then(|| root.join(format!("{name}{SUFFIX}")))
}

fn is_name(name: &str) -> bool {
    RepoId::parse(name).is_ok_and(|id| id.org().is_none())
}

#[cfg(test)]
mod tests;
