//! Rebuilds an index from the existing weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::FormatError;
use crate::checkpoint::is_weight_file;
use crate::safetensors::Shard;
use crate::writer::json_bytes;

const NAME: &str = "model.safetensors.index.json";

/// Result of rebuilding an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedIndex {
    /// Number of files with weights.
    pub shards: usize,
    /// Number of tensors in them.
    pub tensors: usize,
    /// `true` if an index was written. A single file doesn't need one.
    pub written: bool,
}

/// The files of a model and their tensors.
struct Found {
    shards: usize,
    total_size: u64,
    /// The file of every tensor.
    holders: BTreeMap<String, PathBuf>,
}

/// Checks that an index of the weights in `folder` can be written: every file is intact, and no tensor is in
/// two of them.
pub fn check_shards(folder: &Path) -> Result<(), FormatError> {
    find(folder).map(|_| ())
}

fn find(folder: &Path) -> Result<Found, FormatError> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FormatError::read(folder))? {
        let path = entry.map_err(FormatError::read(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let is_other = name.starts_with('.') || name.starts_with("adapter");
        if name.ends_with(".safetensors") && !is_other {
            paths.push(path);
        }
    }
    let is_loaded = |path: &PathBuf| {
        path.file_name().is_some_and(|name| is_weight_file(&name.to_string_lossy()))
    };
    // Older names are loaded only if an index lists them, and only if there are no others.
    if paths.iter().any(is_loaded) {
        paths.retain(is_loaded);
    }
    if paths.is_empty() {
        return Err(FormatError::NoWeights { path: folder.to_owned() });
    }
    paths.sort();
    let mut found = Found { shards: paths.len(), total_size: 0, holders: BTreeMap::new() };
    for path in &paths {
        let shard = Shard::open(path)?;
        found.total_size += shard.bytes().len() as u64;
        for (name, ..) in shard.tensors() {
            if let Some(first) = found.holders.insert(name.to_owned(), path.clone()) {
                let (tensor, second) = (name.to_owned(), path.clone());
                return Err(FormatError::DuplicateTensor { tensor, first, second });
            }
        }
    }
    Ok(found)
}

/// Reads the headers of all weights in `folder` and writes their index, after checking every file
/// against its header. If there is only one file, an existing index is removed instead.
pub fn rebuild_index(folder: &Path) -> Result<RepairedIndex, FormatError> {
    let Found { shards, total_size, holders } = find(folder)?;
    let tensors = holders.len();
    let written = shards > 1;
    let index = folder.join(NAME);
    if written {
        let file = |path: PathBuf| {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let map: Map<String, Value> =
            holders.into_iter().map(|(name, path)| (name, file(path).into())).collect();
        let value = json!({"metadata": {"total_size": total_size}, "weight_map": map});
        let temporary = folder.join(format!(".{NAME}.tmp"));
        std::fs::write(&temporary, json_bytes(&value)).map_err(FormatError::write(&temporary))?;
        std::fs::rename(&temporary, &index).map_err(FormatError::write(&index))?;
    } else if index.exists() {
        std::fs::remove_file(&index).map_err(FormatError::write(&index))?;
    }
    Ok(RepairedIndex { shards, tensors, written })
}
