//! Writes a workspace: everything is written next to the target and appears there by one rename,
//! completely or not at all.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use super::unfinished::{self, Claim};
use super::{Sentinel, record};
use crate::disk::{free_bytes, walk};
use crate::error::{HubError, Result};
use crate::locations::Locations;
use crate::reporter::Reporter;
use crate::resolution::Resolved;
use crate::staging;
use crate::workspace::error::WorkspaceError;

/// Advice on a target that is taken.
const NEW_FOLDER: &str = "Name a folder that does not exist yet";

/// An unfinished workspace. Dropping it deletes it.
#[derive(Debug)]
pub struct Building {
    // Dropped before the claim, so that no other process takes the folder for a leftover.
    temporary: TempDir,
    claim: Claim,
    target: PathBuf,
    /// Hashes of copied files that are known from where they came.
    known: BTreeMap<String, String>,
}

/// Returns the folder that `target` names: a bare name is in the folder of workspaces if that is
/// set, anything else is a path.
pub fn target_folder(target: &str, locations: &Locations) -> PathBuf {
    let path = Path::new(target);
    let bare = matches!(path.components().collect::<Vec<_>>()[..], [Component::Normal(name)] if name == target);
    match &locations.workspace_home {
        Some(home) if bare => home.join(target),
        _ => path.to_owned(),
    }
}

impl Building {
    /// Checks that a workspace may be written to `target`, and begins it. `needed_bytes` must be
    /// free on that disk.
    pub fn begin(target: &Path, needed_bytes: u64, locations: &Locations) -> Result<Self> {
        let given = target;
        let bad = |problem: &'static str, hint: &str| {
            let (path, hint) = (given.to_owned(), hint.to_owned());
            HubError::Workspace(WorkspaceError::BadTarget { path, problem, hint })
        };
        let target = std::path::absolute(target)
            .map_err(HubError::io("make the path of the target absolute"))?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(bad("cannot be a folder", NEW_FOLDER));
        };
        if locations.workspace_home.as_deref() == Some(parent) {
            fs_err::create_dir_all(parent)
                .map_err(HubError::io("create the folder of workspaces"))?;
        }
        let Ok(real_parent) = parent.canonicalize() else {
            let missing = given.parent().unwrap_or(parent).display();
            let hint = format!("Create `{missing}` first, or name a target in an existing folder");
            return Err(bad("is in a folder that does not exist", &hint));
        };
        let caches = [locations.hf_hub_cache.clone(), locations.models_dir()];
        let is_inside = |cache: &PathBuf| {
            target.starts_with(cache)
                || cache.canonicalize().is_ok_and(|cache| real_parent.starts_with(cache))
        };
        if caches.iter().any(is_inside) {
            let hint =
                format!("Name a target outside the cache, such as `./{}`", name.to_string_lossy());
            return Err(bad("is inside a cache, where other programs delete files", &hint));
        }
        match std::fs::read_dir(&target).map(|mut entries| entries.next().is_some()) {
            Ok(true) => {
                return Err(bad("already exists and is not empty", NEW_FOLDER));
            }
            Err(_) if target.symlink_metadata().is_ok() => {
                return Err(bad("already exists and is not a folder", NEW_FOLDER));
            }
            _ => {}
        }
        // The leftovers that this removes count as free space.
        let claim = Claim::new(&real_parent.join(name), locations)?;
        let free_bytes = free_bytes(parent)?;
        if needed_bytes > free_bytes {
            return Err(WorkspaceError::NoRoom { path: target, needed_bytes, free_bytes }.into());
        }
        let temporary = tempfile::Builder::new()
            .prefix(&unfinished::prefix(name))
            .rand_bytes(unfinished::SUFFIX)
            .tempdir_in(parent)
            .map_err(HubError::io("create a folder next to the target"))?;
        Ok(Self { temporary, claim, target, known: BTreeMap::new() })
    }

    /// Returns the folder to write to.
    pub fn folder(&self) -> &Path {
        self.temporary.path()
    }

    /// Returns the final place of the workspace.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Copies a model. Uses copy-on-write if the disk supports it. Hashes that are recorded for its
    /// files are kept, so that a copy of damaged weights is found to be damaged.
    ///
    /// Fails if links in the folder lead out of it.
    pub fn copy_model(
        &mut self,
        from: &Resolved,
        locations: &Locations,
        reporter: &dyn Reporter,
    ) -> Result<()> {
        crate::links::check(&from.path, locations, &|relative| !is_bookkeeping(relative))?;
        let failed = || HubError::io("copy the files of the model");
        let files: Vec<_> = walk(&from.path)
            .into_iter()
            .filter(|file| !is_bookkeeping(&file.relative) && file.target.is_some())
            .collect();
        let total = files.iter().map(crate::disk::Entry::size_bytes).sum();
        let mut done = 0;
        reporter.stage("Copying");
        for file in files {
            if reporter.cancelled() {
                return Err(HubError::Cancelled);
            }
            let target = self.folder().join(&file.relative);
            if let Some(parent) = target.parent() {
                fs_err::create_dir_all(parent).map_err(failed())?;
            }
            let source = fs_err::canonicalize(&file.path).map_err(failed())?;
            reflink_copy::reflink_or_copy(&source, &target).map_err(failed())?;
            done += file.size_bytes();
            reporter.advance(done, total);
        }
        self.known = crate::health::recorded_sha256(&from.path);
        Ok(())
    }

    /// Records origin and content of the workspace, and moves it into place. Returns its folder and
    /// the hash of its content.
    pub fn finish(self, sentinel: Sentinel, reporter: &dyn Reporter) -> Result<(PathBuf, String)> {
        let failed = || HubError::io("move the workspace into place");
        let hash = record(self.folder(), sentinel, &self.known, reporter)?;
        staging::flush(self.folder()).map_err(failed())?;
        public(self.folder()).map_err(failed())?;
        // This only removes an empty folder.
        let _ = std::fs::remove_dir(&self.target);
        fs_err::rename(self.folder(), &self.target).map_err(failed())?;
        let Self { temporary, claim, target, known: _ } = self;
        let _ = temporary.keep();
        drop(claim);
        if let Some(parent) = target.parent() {
            staging::flush_folder(parent).map_err(failed())?;
        }
        Ok((target, hash))
    }
}

/// Returns `true` for files that record how a copy was made and are not part of the model.
fn is_bookkeeping(relative: &Path) -> bool {
    let first = relative.iter().next().map(|part| part.to_string_lossy()).unwrap_or_default();
    let ours = [super::SENTINEL_FILE, crate::store::ORIGIN_FILE, crate::derived::SETTINGS_FILE];
    ours.contains(&first.as_ref()) || [".git", ".cache", ".hf_cache"].contains(&first.as_ref())
}

/// Temporary folders are private, but a workspace should have the usual permissions.
#[cfg(unix)]
fn public(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "only Unix can fail here")]
fn public(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
