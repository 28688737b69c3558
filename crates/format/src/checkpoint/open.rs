//! Finds the files of a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mlxk_memory::Bytes;
use serde_json::Value;

use crate::error::FormatError;
use crate::files::{MAX_CONFIG_BYTES, MAX_INDEX_BYTES, read_object};
use crate::safetensors::{Entry, Shard};

const INDEX: &str = "model.safetensors.index.json";

pub(super) fn config(folder: &Path) -> Result<Value, FormatError> {
    match read_object(&folder.join("config.json"), MAX_CONFIG_BYTES) {
        Err(FormatError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
            // If the folder itself doesn't exist, the error should say so.
            std::fs::metadata(folder).map_err(FormatError::read(folder))?;
            Err(FormatError::NoConfig { path: folder.to_owned() })
        }
        other => other,
    }
}

/// Returns all tensors by name, and the files that contain them.
pub(super) fn tensors(folder: &Path) -> Result<(BTreeMap<String, Entry>, Vec<Bytes>), FormatError> {
    let index = folder.join(INDEX);
    let shards = if index.try_exists().map_err(FormatError::read(&index))? {
        indexed_shards(folder, &index)?
    } else {
        globbed_shards(folder)?.iter().map(|path| Shard::open(path)).collect::<Result<_, _>>()?
    };
    let mut tensors = BTreeMap::new();
    let mut holders: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut files = Vec::with_capacity(shards.len());
    for shard in shards {
        let path = shard.path().to_owned();
        files.push(shard.bytes().clone());
        for (name, entry) in shard.into_entries() {
            if let Some(first) = holders.insert(name.clone(), path.clone()) {
                return Err(FormatError::DuplicateTensor { tensor: name, first, second: path });
            }
            tensors.insert(name, entry);
        }
    }
    Ok((tensors, files))
}

/// Opens exactly the shards that the index names, and checks that each contains the tensors listed
/// for it.
fn indexed_shards(folder: &Path, index: &Path) -> Result<Vec<Shard>, FormatError> {
    let value = read_object(index, MAX_INDEX_BYTES)?;
    let wrong = |key: &str, expected| FormatError::ConfigValue {
        path: index.to_owned(),
        key: key.to_owned(),
        expected,
    };
    let map = value
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("weight_map", "an object of tensor and file names"))?;
    let mut promised: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tensor, shard) in map {
        let shard =
            shard.as_str().ok_or_else(|| wrong(&format!("weight_map.{tensor}"), "a file name"))?;
        promised.entry(shard).or_default().insert(tensor);
    }
    if promised.is_empty() {
        return Err(FormatError::NoWeights { path: folder.to_owned() });
    }
    let mut shards = Vec::with_capacity(promised.len());
    for (name, tensors) in promised {
        if !is_plain_file_name(name) {
            return Err(FormatError::BadShardName {
                path: index.to_owned(),
                shard: name.to_owned(),
            });
        }
        let path = folder.join(name);
        let shard = Shard::open(&path).map_err(|error| match error {
            FormatError::Read { source, path } if source.kind() == ErrorKind::NotFound => {
                FormatError::MissingShard { path }
            }
            other => other,
        })?;
        if let Some(tensor) = tensors.into_iter().find(|&tensor| !shard.contains(tensor)) {
            return Err(FormatError::NotInShard { path, tensor: tensor.to_owned() });
        }
        shards.push(shard);
    }
    Ok(shards)
}

/// Returns `true` if the name is that of a file in the same folder. The index is untrusted.
fn is_plain_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0'])
}

/// Returns the sorted paths of `model*.safetensors`, the files that mlx-lm loads.
fn globbed_shards(folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FormatError::read(folder))? {
        let entry = entry.map_err(FormatError::read(folder))?;
        let name = entry.file_name();
        let is_shard = name
            .to_str()
            .is_some_and(|name| name.starts_with("model") && name.ends_with(".safetensors"));
        if is_shard {
            paths.push(entry.path());
        }
    }
    if paths.is_empty() {
        return Err(FormatError::NoWeights { path: folder.to_owned() });
    }
    paths.sort();
    Ok(paths)
}
