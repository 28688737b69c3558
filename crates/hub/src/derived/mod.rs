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
//! A name may have a namespace and a tag, as in Ollama: the file of `me/coder:v2` is
//! `me--coder@v2.toml`.
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
mod names;
pub(crate) mod overrides;
pub(crate) mod parameters;

use std::path::PathBuf;

use self::file::File;
use crate::derived::error::DerivedError;
use crate::error::Result;
use crate::locations::Locations;
use crate::reference::Reference;

pub(crate) use copy::dependents;
pub use copy::{Copied, check_copy, copy};
pub use create::{Created, base_of, check_new_name, create, derived_modelfile, modelfile_of};
pub use file::write_settings;
pub(crate) use file::{SETTINGS_FILE, read_settings};
pub use names::derived_name;
pub(crate) use names::path_of;
pub use overrides::{Overrides, Turn};
pub use parameters::{OLLAMA_PARAMETERS, ParameterError, Parameters, Taken};

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

/// Returns the derived model called `name` in any case, or `None` if there is none.
pub fn derived(name: &str, locations: &Locations) -> Result<Option<Derived>> {
    let root = locations.models_dir();
    let Some((name, path)) = find(name, locations) else { return Ok(None) };
    let mut file = File::read(&path)?;
    let mut overrides = file.overrides();
    let mut chain = vec![name.clone()];
    while let Some(next) = path_of(&root, &file.from).filter(|path| path.is_file()) {
        let is_cycle = chain.contains(&file.from);
        chain.push(file.from.clone());
        if is_cycle {
            return Err(DerivedError::Cycle { chain }.into());
        }
        file = File::read(&next)?;
        overrides.fill(file.overrides());
    }
    Ok(Some(Derived { name, path, from: file.from, overrides }))
}

/// Returns the derived model that a reference means, or `None` if it means another kind of model.
pub fn derived_by(reference: &Reference, locations: &Locations) -> Result<Option<Derived>> {
    derived_name(reference).map_or(Ok(None), |name| derived(&name, locations))
}

/// Returns the exact name of a derived model and its file. No two names differ in their case alone.
fn find(name: &str, locations: &Locations) -> Option<(String, PathBuf)> {
    let root = locations.models_dir();
    path_of(&root, name)?;
    let names = derived_names(locations);
    let exact = names.iter().find(|known| *known == name);
    let found = exact.or_else(|| names.iter().find(|known| known.eq_ignore_ascii_case(name)))?;
    Some((found.clone(), path_of(&root, found)?))
}

/// Returns the names of all derived models, sorted, including broken ones.
pub fn derived_names(locations: &Locations) -> Vec<String> {
    let entries = std::fs::read_dir(locations.models_dir()).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| names::of_file(entry.file_name().to_str()?))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests;
