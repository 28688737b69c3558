//! The hash of a workspace's content, version 2, identical to MLX-Knife's. It is cheap for models
//! of any size, because only the headers of weights are read.

use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use glob::Pattern;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::error::{HubError, Result};
use crate::hash::{self, Stopped};
use crate::workspace::error::WorkspaceError;

/// Names that the hash leaves out unless the sentinel says otherwise: a file, or a folder if a
/// slash follows.
pub(super) const DEFAULT_EXCLUDES: [&str; 34] = [
    ".hf_cache/",
    ".mlxk_workspace.json",
    ".git/",
    ".github/",
    "__pycache__/",
    ".vscode/",
    ".idea/",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".tox/",
    "node_modules/",
    ".venv/",
    "venv/",
    "*.lock",
    "*.tmp",
    "*.log",
    "*.bak",
    ".DS_Store",
    "._*",
    ".Spotlight-V100/",
    ".Trashes/",
    ".fseventsd/",
    ".TemporaryItems/",
    ".apdisk",
    "Icon\r",
    "Thumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN/",
    "System Volume Information/",
    "*~",
    ".*.swp",
    ".*.swo",
];
/// Of larger files, only name and size count.
const MAX_READ_BYTES: u64 = 1 << 30;
const WEIGHTS: &str = ".safetensors";
const MAX_HEADER_BYTES: u64 = 100 << 20;
const READ: &str = "read a file of the workspace";

/// The content of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Hash: `sha256:` and 64 digits.
    pub hash: String,
    pub(super) index: Vec<IndexEntry>,
}

/// One file of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    /// Path in the workspace, with slashes, in Unicode's normal form C.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) mtime_ns: i128,
    pub(super) sha: String,
}

impl IndexEntry {
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            path: value.get("path")?.as_str()?.to_owned(),
            size: value.get("size")?.as_u64()?,
            mtime_ns: i128::from(value.get("mtime_ns")?.as_i64()?),
            sha: value.get("sha")?.as_str()?.to_owned(),
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let mtime_ns = i64::try_from(self.mtime_ns).unwrap_or_default();
        json!({"path": self.path, "size": self.size, "mtime_ns": mtime_ns, "sha": self.sha})
    }
}

/// Reads the content of the checkpoint in `folder`, without the names in `excludes`. Links that
/// lead outside and damaged weights have no hash, and are errors.
pub fn content(folder: &Path, excludes: &[String]) -> Result<Content> {
    let mut index = Vec::new();
    for found in walk(folder, excludes)? {
        let entry = match &found.kind {
            FoundKind::Link(target) => {
                let sha = target.clone().ok_or_else(|| {
                    bad(folder, format!("its link `{}` leads outside", found.path))
                })?;
                IndexEntry { path: found.path, size: 0, mtime_ns: 0, sha }
            }
            FoundKind::File(metadata) => {
                let sha = file_hash(&found.file, metadata.len())?.ok_or_else(|| {
                    bad(folder, format!("its file `{}` has a damaged header", found.path))
                })?;
                let (size, mtime_ns) = (metadata.len(), modified_ns(metadata));
                IndexEntry { path: found.path, size, mtime_ns, sha }
            }
        };
        index.push(entry);
    }
    index.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Content { hash: aggregate(&index), index })
}

fn bad(folder: &Path, problem: String) -> HubError {
    WorkspaceError::NoHash { path: folder.to_owned(), problem }.into()
}

fn aggregate(index: &[IndexEntry]) -> String {
    let mut hasher = Sha256::new();
    for entry in index {
        hasher.update(entry.path.as_bytes());
        hasher.update([0]);
        hasher.update(entry.sha.as_bytes());
    }
    prefixed(hasher)
}

fn prefixed(hasher: Sha256) -> String {
    format!("sha256:{}", hash::hex(&hasher.finalize()))
}

/// Returns `true` if the hash of a file covers all its contents. Of weights it covers the header.
pub(super) fn is_read(path: &str, length: u64) -> bool {
    !path.ends_with(WEIGHTS) && length <= MAX_READ_BYTES
}

/// Returns the hash of one file, or `None` for weights with a damaged header.
pub(super) fn file_hash(path: &Path, length: u64) -> Result<Option<String>> {
    let failed = || HubError::io(READ);
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let hash = if name.ends_with(WEIGHTS) {
        let mut file = fs_err::File::open(path).map_err(failed())?;
        let mut prefix = [0; 8];
        if length < 8 || file.read_exact(&mut prefix).is_err() {
            return Ok(None);
        }
        let header = u64::from_le_bytes(prefix);
        if header == 0 || header > MAX_HEADER_BYTES || header > length - 8 {
            return Ok(None);
        }
        hash::sha256(&mut file.take(header), &mut |_| Ok(())).map_err(Stopped::during(READ))?
    } else if length > MAX_READ_BYTES {
        hash::sha256_of(format!("{name}\0{length}").as_bytes())
    } else {
        let mut file = fs_err::File::open(path).map_err(failed())?;
        hash::sha256(&mut file, &mut |_| Ok(())).map_err(Stopped::during(READ))?
    };
    Ok(Some(format!("sha256:{hash}")))
}

pub(super) fn modified_ns(metadata: &Metadata) -> i128 {
    let Ok(modified) = metadata.modified() else { return 0 };
    match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

/// A file or link of a workspace.
pub(super) struct Found {
    pub(super) path: String,
    pub(super) file: PathBuf,
    pub(super) kind: FoundKind,
}

pub(super) enum FoundKind {
    File(Metadata),
    /// Hash of a target inside the workspace.
    Link(Option<String>),
}

/// Returns everything that counts as content. Links are not followed.
pub(super) fn walk(folder: &Path, excludes: &[String]) -> Result<Vec<Found>> {
    let failed = || HubError::io("read the workspace");
    let root = fs_err::canonicalize(folder).map_err(failed())?;
    let excludes = Excludes::new(excludes);
    let mut found = Vec::new();
    let mut pending = vec![(root.clone(), String::new())];
    while let Some((current, below)) = pending.pop() {
        for entry in fs_err::read_dir(&current).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name: String = entry.file_name().to_string_lossy().nfc().collect();
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            let kind = entry.file_type().map_err(failed())?;
            let file = entry.path();
            if kind.is_symlink() {
                // Names are excluded for tidiness, but links are checked for safety.
                let kind = FoundKind::Link(link_hash(&file, &root));
                found.push(Found { path, file, kind });
            } else if kind.is_dir() && !excludes.folder(&name) {
                pending.push((file, path));
            } else if kind.is_file() && !excludes.file(&name) {
                let kind = FoundKind::File(entry.metadata().map_err(failed())?);
                found.push(Found { path, file, kind });
            }
        }
    }
    Ok(found)
}

fn link_hash(link: &Path, root: &Path) -> Option<String> {
    let target = std::fs::canonicalize(link).ok()?;
    let inside = target.strip_prefix(root).ok()?;
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    let mut hasher = Sha256::new();
    hasher.update(b"SYMLINK\0");
    hasher.update(parts.join("/"));
    Some(prefixed(hasher))
}

struct Excludes {
    files: Vec<Pattern>,
    folders: Vec<Pattern>,
}

impl Excludes {
    fn new(patterns: &[String]) -> Self {
        let (folders, files): (Vec<&String>, Vec<&String>) =
            patterns.iter().partition(|pattern| pattern.ends_with('/'));
        let compile = |patterns: Vec<&String>| {
            let pattern = |text: &&String| Pattern::new(text.trim_end_matches('/')).ok();
            patterns.iter().filter_map(pattern).collect()
        };
        Self { files: compile(files), folders: compile(folders) }
    }

    fn file(&self, name: &str) -> bool {
        self.files.iter().any(|pattern| pattern.matches(name))
    }

    fn folder(&self, name: &str) -> bool {
        self.folders.iter().any(|pattern| pattern.matches(name))
    }
}
