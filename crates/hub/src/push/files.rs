//! The files of a folder to upload, and their hashes.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{HubError, Result};
use crate::hash::{self, Stopped};
use crate::links::{self, Inside};
use crate::locations::Locations;
use crate::reference::error::ReferenceError;
use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;

/// Never uploaded: records of other tools, and our own records of this machine.
const LEFT_OUT: [&str; 12] = [
    ".git",
    ".DS_Store",
    ".hfignore",
    ".gitignore",
    "__pycache__",
    ".venv",
    "venv",
    "*.pyc",
    ".hf_cache",
    ".mlxk_workspace.json",
    "mlxk-origin.json",
    "mlxk-settings.toml",
];
const READ: &str = "read a file to upload";
/// Number of bytes of a file that the hub wants to see before it says how to send it.
const SAMPLE_BYTES: u64 = 512;

/// A file to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Path in the repository, with slashes.
    pub name: String,
    /// Path on disk.
    pub path: PathBuf,
    /// Size of the file.
    pub size_bytes: u64,
}

/// The two hashes by which a hub may know a file, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hashes {
    /// SHA-256 of the content.
    pub sha256: String,
    /// SHA-1 of the content as a git blob.
    pub git: String,
}

/// Returns the files of a folder, by name.
pub(super) fn collect(folder: &Path, locations: &Locations) -> Result<Vec<LocalFile>> {
    let bad =
        |problem| HubError::Reference(ReferenceError::BadPath { path: folder.to_owned(), problem });
    if !folder.is_dir() {
        return Err(bad(if folder.exists() { "is not a folder" } else { "does not exist" }));
    }
    let mut rules = OverrideBuilder::new(folder);
    for pattern in LEFT_OUT {
        rules.add(&format!("!{pattern}")).map_err(|error| walk_error(&error))?;
    }
    let walk = WalkBuilder::new(folder)
        .standard_filters(false)
        .follow_links(false)
        .overrides(rules.build().map_err(|error| walk_error(&error))?)
        .add_custom_ignore_filename(".hfignore")
        .sort_by_file_path(Ord::cmp)
        .build();
    let inside = Inside::of(folder, locations);
    let (mut files, mut outside) = (Vec::new(), Vec::new());
    for entry in walk {
        let entry = entry.map_err(|error| walk_error(&error))?;
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        // The folder itself may be a link; that is the user's own choice.
        let is_link = entry.path_is_symlink() && entry.depth() > 0;
        if is_link && !inside.allows(entry.path()) {
            outside.push(relative.to_owned());
            continue;
        }
        let metadata = if is_link {
            // A link to a folder inside adds nothing, and one that leads nowhere has no content.
            match std::fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                Err(_) => continue,
            }
        } else {
            entry.metadata().map_err(|error| walk_error(&error))?
        };
        if !metadata.is_file() {
            continue;
        }
        let parts: Option<Vec<&str>> = relative.iter().map(|part| part.to_str()).collect();
        let Some(parts) = parts else {
            let path = entry.path().to_owned();
            return Err(
                ReferenceError::BadPath { path, problem: "has a name that is not UTF-8" }.into()
            );
        };
        files.push(LocalFile {
            name: parts.join("/"),
            path: entry.path().to_owned(),
            size_bytes: metadata.len(),
        });
    }
    links::refuse(folder, outside)?;
    if files.is_empty() {
        return Err(bad("has no files to upload"));
    }
    Ok(files)
}

fn walk_error(error: &ignore::Error) -> HubError {
    HubError::io("read the folder to upload")(std::io::Error::other(error.to_string()))
}

impl LocalFile {
    /// Reads the whole file. `advance` receives the bytes read so far.
    pub(super) fn hashes(&self, advance: &mut dyn FnMut(u64) -> Result<()>) -> Result<Hashes> {
        let failed = || HubError::io(READ);
        let mut file = fs_err::File::open(&self.path).map_err(failed())?;
        let mut length = 0;
        let (sha256, git) = hash::both(&mut file, self.size_bytes, &mut |done| {
            length = done;
            advance(done)
        })
        .map_err(Stopped::during(READ))?;
        if length != self.size_bytes {
            return Err(self.changed());
        }
        Ok(Hashes { sha256, git })
    }

    /// Returns the first bytes of the file.
    pub(super) fn sample(&self) -> Result<Vec<u8>> {
        self.read_up_to(SAMPLE_BYTES)
    }

    /// Returns the whole content of a small file.
    pub(super) fn content(&self) -> Result<Vec<u8>> {
        let content = self.read_up_to(self.size_bytes + 1)?;
        if content.len() as u64 != self.size_bytes {
            return Err(self.changed());
        }
        Ok(content)
    }

    fn read_up_to(&self, limit: u64) -> Result<Vec<u8>> {
        let failed = || HubError::io(READ);
        let mut content = Vec::new();
        let file = fs_err::File::open(&self.path).map_err(failed())?;
        file.take(limit).read_to_end(&mut content).map_err(failed())?;
        Ok(content)
    }

    fn changed(&self) -> HubError {
        ReferenceError::BadPath {
            path: self.path.clone(),
            problem: "changed while it was read; try again when no program writes to it",
        }
        .into()
    }
}
