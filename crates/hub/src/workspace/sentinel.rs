//! `.mlxk_workspace.json`: the file that makes a folder a managed workspace.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::content::{Content, DEFAULT_EXCLUDES, IndexEntry};
use crate::error::{HubError, Result};

/// Name of the file.
pub const SENTINEL_FILE: &str = ".mlxk_workspace.json";
/// Version of the content hash. Older ones are not recognized.
pub(super) const HASH_ALGORITHM: &str = "v2";
/// Limit of the file, which has a line per file of the model.
const MAX_BYTES: u64 = 16 << 20;

/// Our own member with the hashes of weights, which MLX-Knife ignores.
const WEIGHT_HASHES: &str = "weight_hashes";
/// Our own member with the options of a conversion, which MLX-Knife ignores.
const OPTIONS: &str = "options";

/// The operation that created a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A copy of a repository.
    Clone,
    /// A conversion.
    Convert,
}

impl Operation {
    /// Returns its name in the file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Convert => "convert",
        }
    }
}

/// The content of the file. Unknown members are preserved.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentinel {
    members: Map<String, Value>,
}

impl Sentinel {
    /// Returns a new sentinel without a content hash. `tool` is the program and its version.
    pub fn new(operation: Operation, source: &str, revision: Option<&str>, tool: &str) -> Self {
        let mut members = Map::new();
        for (key, value) in [
            ("mlxk_version", json!(tool)),
            ("created_at", json!(now())),
            ("source_repo", json!(source)),
            ("source_revision", json!(revision)),
            ("managed", json!(true)),
            ("operation", json!(operation.name())),
        ] {
            members.insert(key.to_owned(), value);
        }
        Self { members }
    }

    /// Returns the sentinel of a folder, or `None` if it is missing or unreadable.
    pub fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(SENTINEL_FILE);
        let metadata = path.metadata().ok()?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return None;
        }
        match serde_json::from_slice(mlxk_format::without_mark(&fs_err::read(path).ok()?)) {
            Ok(Value::Object(members)) => Some(Self { members }),
            _ => None,
        }
    }

    /// Adds a member for this operation, such as `mode` or `quantization`.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.members.insert(key.to_owned(), value);
        self
    }

    /// Returns `true` if MLX-Knife or this program created the folder and maintains its hash.
    pub fn is_managed(&self) -> bool {
        self.members.get("managed") == Some(&Value::Bool(true))
    }

    /// Returns all members except the lists of files.
    pub fn metadata(&self) -> Map<String, Value> {
        let mut members = self.members.clone();
        members.shift_remove("file_index");
        members.shift_remove(WEIGHT_HASHES);
        members
    }

    /// Adds the options of a conversion, as words of a command line.
    #[must_use]
    pub fn with_options(self, options: &[String]) -> Self {
        self.with(OPTIONS, json!(options))
    }

    /// Returns the options of the conversion, as words of a command line. `None` if they are
    /// unknown. MLX-Knife and older versions of this program record only the quantization.
    pub fn options(&self) -> Option<Vec<String>> {
        if let Some(options) = self.members.get(OPTIONS) {
            let words = options.as_array()?.iter();
            return words.map(|word| word.as_str().map(str::to_owned)).collect();
        }
        let quantization = self.members.get("quantization")?;
        let number = |key: &str| quantization.get(key).and_then(Value::as_u64);
        let mut words = match quantization.get("mode").and_then(Value::as_str) {
            None | Some("affine") => vec!["-q".to_owned(), number("bits")?.to_string()],
            Some(mode @ ("mxfp4" | "mxfp8" | "nvfp4")) => {
                return Some(vec!["-q".to_owned(), mode.to_owned()]);
            }
            Some(_) => return None,
        };
        if let Some(size) = number("group_size") {
            words.extend(["--q-group-size".to_owned(), size.to_string()]);
        }
        Some(words)
    }

    /// Returns the SHA-256 of the weights when they were last recorded, in hexadecimal, by path.
    /// Empty if MLX-Knife or an older version of this program wrote the file.
    pub fn weight_hashes(&self) -> BTreeMap<String, String> {
        let Some(Value::Object(hashes)) = self.members.get(WEIGHT_HASHES) else {
            return BTreeMap::new();
        };
        let hash =
            |(path, hash): (&String, &Value)| Some((path.clone(), hash.as_str()?.to_owned()));
        hashes.iter().filter_map(hash).collect()
    }

    pub(super) fn set_weight_hashes(&mut self, hashes: &BTreeMap<String, String>) {
        self.members.insert(WEIGHT_HASHES.to_owned(), json!(hashes));
    }

    /// Returns `clone`, `convert`, or a word of a later version.
    pub fn operation(&self) -> Option<&str> {
        self.text("operation")
    }

    /// Returns the repository or path that it was made from.
    pub fn source_repo(&self) -> Option<&str> {
        self.text("source_repo")
    }

    /// Returns the commit that it was made from.
    pub fn source_revision(&self) -> Option<&str> {
        self.text("source_revision")
    }

    /// Returns the time of its creation (RFC 3339).
    pub fn created_at(&self) -> Option<&str> {
        self.text("created_at")
    }

    /// Returns the hash of the content when it was last computed: `sha256:` and 64 digits.
    pub fn content_hash(&self) -> Option<&str> {
        self.text("content_hash")
    }

    /// Returns the time of that hash.
    pub fn hash_modified(&self) -> Option<&str> {
        self.text("hash_modified")
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.members.get(key).and_then(Value::as_str)
    }

    /// Returns `true` if we can compute the kind of hash that is stored.
    pub(super) fn is_current(&self) -> bool {
        self.text("hash_algorithm") == Some(HASH_ALGORITHM)
    }

    /// Returns the names that the hash leaves out: the stored list, or the usual one.
    pub(super) fn excludes(&self) -> Vec<String> {
        match self.members.get("exclude_patterns").and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => DEFAULT_EXCLUDES.iter().map(|&pattern| pattern.to_owned()).collect(),
        }
    }

    /// Returns the list of files, or `None` if it is missing, has another form, or names a file
    /// outside.
    pub(super) fn index(&self) -> Option<Vec<IndexEntry>> {
        let entries = self.members.get("file_index")?.as_array()?;
        let index: Vec<IndexEntry> =
            entries.iter().map(IndexEntry::from_json).collect::<Option<_>>()?;
        index.iter().all(|entry| super::path::problem(&entry.path).is_none()).then_some(index)
    }

    pub(super) fn set_index(&mut self, index: &[IndexEntry]) {
        let list = index.iter().map(IndexEntry::to_json).collect();
        self.members.insert("file_index".to_owned(), Value::Array(list));
    }

    pub(super) fn set_content(&mut self, content: &Content, excludes: &[String]) {
        for (key, value) in [
            ("hash_algorithm", json!(HASH_ALGORITHM)),
            ("content_hash", json!(content.hash)),
            ("hash_modified", json!(now())),
            ("exclude_patterns", json!(excludes)),
        ] {
            self.members.insert(key.to_owned(), value);
        }
        self.set_index(&content.index);
    }

    /// Writes it into `folder`, completely or not at all.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(SENTINEL_FILE)
                .suffix(".tmp")
                .tempfile_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(&self.members)?)?;
            file.write_all(b"\n")?;
            readable(file.as_file())?;
            file.persist(folder.join(SENTINEL_FILE))?;
            Ok(())
        };
        write().map_err(HubError::io("record the origin of the workspace"))
    }
}

/// Temporary files are private, but this one should have the usual permissions.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "only Unix can fail here")]
fn readable(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
