//! Links in the folder of a model. Commands that copy or upload a folder follow them, so a link of a foreign
//! checkpoint could lead them to any file of the user.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::locations::Locations;
use crate::workspace::error::WorkspaceError;

/// No checkpoint has deeper folders.
const MAX_DEPTH: usize = 12;

/// The places that links in a folder may lead to.
pub(crate) struct Inside {
    root: PathBuf,
    /// Folders of blobs: that of the snapshot itself, and those of the cache.
    blobs: Option<PathBuf>,
    cache: Option<PathBuf>,
}

impl Inside {
    /// Returns the places for links in `folder`: the folder itself, and blobs of the cache.
    pub(crate) fn of(folder: &Path, locations: &Locations) -> Self {
        let root = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let snapshots = root.parent().filter(|parent| parent.ends_with("snapshots"));
        let blobs = snapshots.and_then(Path::parent).map(|repo| repo.join("blobs"));
        let cache = std::fs::canonicalize(&locations.hf_hub_cache).ok();
        Self { root, blobs, cache }
    }

    /// Returns `true` if the link leads to one of these places, or nowhere.
    pub(crate) fn allows(&self, link: &Path) -> bool {
        let Ok(target) = std::fs::canonicalize(link) else { return true };
        let is_blob_of = |cache: &PathBuf| {
            // `models--org--name/blobs/HASH`
            let below = target.strip_prefix(cache).ok();
            let parts: Vec<_> = below.into_iter().flat_map(Path::iter).collect();
            matches!(parts[..], [_, folder, _] if folder == "blobs")
        };
        target.starts_with(&self.root)
            || self.blobs.as_ref().is_some_and(|blobs| target.starts_with(blobs))
            || self.cache.as_ref().is_some_and(is_blob_of)
    }
}

/// Refuses a folder with links that lead out of it, and names them. Only what `counts`, by its path in the
/// folder, is looked at.
pub(crate) fn check(
    folder: &Path,
    locations: &Locations,
    counts: &dyn Fn(&Path) -> bool,
) -> Result<()> {
    let inside = Inside::of(folder, locations);
    let mut outside = Vec::new();
    let mut pending = vec![(PathBuf::new(), 0)];
    while let Some((relative, depth)) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(folder.join(&relative)) else { continue };
        for entry in entries.flatten() {
            let relative = relative.join(entry.file_name());
            let Ok(kind) = entry.file_type() else { continue };
            if !counts(&relative) {
                continue;
            }
            if kind.is_dir() && depth < MAX_DEPTH {
                pending.push((relative, depth + 1));
            } else if kind.is_symlink() && !inside.allows(&entry.path()) {
                outside.push(relative);
            }
        }
    }
    refuse(folder, outside)
}

/// Refuses the folder if there are any links.
pub(crate) fn refuse(folder: &Path, mut outside: Vec<PathBuf>) -> Result<()> {
    if outside.is_empty() {
        return Ok(());
    }
    outside.sort();
    Err(WorkspaceError::LinksOut { path: folder.to_owned(), links: outside }.into())
}

/// Refuses a checkpoint folder whose own files, in its first level, are links that lead out of it.
pub fn check_links(folder: &Path, locations: &Locations) -> Result<()> {
    let is_visible = |relative: &Path| !relative.to_string_lossy().starts_with('.');
    let is_first = |relative: &Path| relative.components().count() == 1;
    check(folder, locations, &|relative| is_first(relative) && is_visible(relative))
}
