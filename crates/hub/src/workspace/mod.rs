//! Workspaces: checkpoint folders outside the caches that a user owns and changes. A small file in
//! each, shared with MLX-Knife, records its origin and its content, and so tells if it was
//! modified.

mod building;
mod check;
mod content;
pub(crate) mod error;
mod path;
mod sentinel;
mod unfinished;
mod weight_hashes;

use std::path::{Path, PathBuf};

use crate::cache::folders;
use crate::error::{HubError, Result};
use crate::locations::Locations;

pub use building::{Building, target_folder};
pub use check::{Check, check, record};
pub use content::{Content, content};
pub use sentinel::{Operation, SENTINEL_FILE, Sentinel};
pub(crate) use unfinished::is_unfinished;
pub use unfinished::{remove_unfinished, unfinished};
pub use weight_hashes::weight_hashes;

/// A workspace in the folder of workspaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Name of its folder, which is also the name of the model.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
}

/// Returns all workspaces in `MLXK_WORKSPACE_HOME`, sorted by name: its folders with a
/// `config.json`. There are none if the variable is not set or the folder does not exist.
pub fn workspaces(locations: &Locations) -> Result<Vec<Workspace>> {
    let Some(home) = &locations.workspace_home else { return Ok(Vec::new()) };
    let found = folders(home).map_err(HubError::io("read the folder of workspaces"))?;
    Ok(found
        .into_iter()
        .filter(|(name, path)| !name.starts_with('.') && is_checkpoint(path))
        .map(|(name, path)| Workspace { name, path })
        .collect())
}

/// Returns `true` if a folder looks like a checkpoint.
pub(crate) fn is_checkpoint(folder: &Path) -> bool {
    folder.join("config.json").is_file()
}

#[cfg(test)]
mod tests;
