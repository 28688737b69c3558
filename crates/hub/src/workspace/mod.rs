//! Workspaces: checkpoint folders outside the caches that a user owns and changes. A small file in
//! each, shared with MLX-Knife, says where it came from and what its content was; from that follows
//! whether it was modified since.

mod building;
mod check;
mod content;
pub(crate) mod error;
mod path;
mod sentinel;

use std::path::{Path, PathBuf};

use crate::cache::folders;
use crate::{HubError, Locations, Result};

pub use building::{Building, target_folder};
pub use check::{Check, check, record};
pub use content::{Content, content};
pub use sentinel::{Operation, SENTINEL_FILE, Sentinel};

/// A workspace in the folder of workspaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Name of its folder, by which users call it.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
}

/// All workspaces in `MLXK_WORKSPACE_HOME`, sorted by name: its folders that hold a `config.json`.
/// None where it is not set or does not exist.
pub fn workspaces(locations: &Locations) -> Result<Vec<Workspace>> {
    let Some(home) = &locations.workspace_home else { return Ok(Vec::new()) };
    let found = folders(home).map_err(HubError::io("read the folder of workspaces"))?;
    Ok(found
        .into_iter()
        .filter(|(name, path)| !name.starts_with('.') && is_checkpoint(path))
        .map(|(name, path)| Workspace { name, path })
        .collect())
}

/// Whether a folder looks like a checkpoint.
pub(crate) fn is_checkpoint(folder: &Path) -> bool {
    folder.join("config.json").is_file()
}

#[cfg(test)]
mod tests;
