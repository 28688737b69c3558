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
/// No model has more shards. A name may claim any number.
const MAX_SHARDS: usize = 10_000;

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

/// The shards of a checkpoint.
pub(super) struct Shards {
    /// All tensors by name.
    pub tensors: BTreeMap<String, Entry>,
    /// The complete files that contain them.
    pub files: Vec<Bytes>,
    /// `true` if the metadata of all shards names MLX.
    pub mlx: bool,
}

/// Opens the shards in a folder.
pub(super) fn shards(folder: &Path) -> Result<Shards, FormatError> {
    let index = folder.join(INDEX);
    let shards = if index.try_exists().map_err(FormatError::read(&index))? {
        indexed_shards(folder, &index)?
    } else {
        let paths = weight_files(folder)?;
        if let Some(path) = missing_in_series(&paths) {
            return Err(FormatError::MissingShard { path });
        }
        open_all(&paths)?
    };
    let mlx = shards
        .iter()
        .all(|shard| shard.metadata().get("format").is_some_and(|format| format == "mlx"));
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
    Ok(Shards { tensors, files, mlx })
}

fn open_all(paths: &[PathBuf]) -> Result<Vec<Shard>, FormatError> {
    paths.iter().map(|path| Shard::open(path)).collect()
}

/// Opens exactly the shards that the index names. An index that is of other files is ignored, as in
/// mlx-lm: none of its shards is there, or the files that are there have all its tensors. Otherwise a
/// download is incomplete.
fn indexed_shards(folder: &Path, index: &Path) -> Result<Vec<Shard>, FormatError> {
    let value = read_object(index, MAX_INDEX_BYTES)?;
    let promised = promises(folder, index, &value)?;
    let error = match listed_shards(folder, &promised) {
        Ok(shards) => return Ok(shards),
        Err(error @ (FormatError::MissingShard { .. } | FormatError::NotInShard { .. })) => error,
        Err(error) => return Err(error),
    };
    let Ok(paths) = weight_files(folder) else { return Err(error) };
    let Ok(shards) = open_all(&paths) else { return Err(error) };
    let is_of_others = promised.keys().all(|shard| !folder.join(shard).exists())
        && missing_in_series(&paths).is_none();
    let has = |tensor: &str| shards.iter().any(|shard| shard.contains(tensor));
    let is_stale = is_of_others || promised.values().flatten().all(|tensor| has(tensor));
    if is_stale { Ok(shards) } else { Err(error) }
}

/// Returns the tensors that the index promises, by shard.
fn promises<'a>(
    folder: &Path,
    index: &Path,
    value: &'a Value,
) -> Result<BTreeMap<&'a str, BTreeSet<&'a str>>, FormatError> {
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
    if let Some(shard) = promised.keys().find(|name| !is_plain_file_name(name)) {
        let shard = (*shard).to_owned();
        return Err(FormatError::BadShardName { path: index.to_owned(), shard });
    }
    Ok(promised)
}

/// Opens the listed shards, and checks that each contains the tensors listed for it.
fn listed_shards(
    folder: &Path,
    promised: &BTreeMap<&str, BTreeSet<&str>>,
) -> Result<Vec<Shard>, FormatError> {
    let mut shards = Vec::with_capacity(promised.len());
    for (name, tensors) in promised {
        let path = folder.join(name);
        let shard = Shard::open(&path).map_err(|error| match error {
            FormatError::Read { source, path } if source.kind() == ErrorKind::NotFound => {
                FormatError::MissingShard { path }
            }
            other => other,
        })?;
        if let Some(tensor) = tensors.iter().find(|tensor| !shard.contains(tensor)) {
            return Err(FormatError::NotInShard { path, tensor: (*tensor).to_owned() });
        }
        shards.push(shard);
    }
    Ok(shards)
}

/// Returns `true` if the name is that of a file in the same folder. The index is untrusted.
fn is_plain_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0'])
}

/// Returns `true` if a file of this name, directly in the folder of a model, has weights that are
/// loaded. These are the files that mlx-lm loads.
pub fn is_weight_file(name: &str) -> bool {
    name.starts_with("model") && name.ends_with(".safetensors") && !name.contains('/')
}

/// Returns the sorted paths of the files with weights.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FormatError::read(folder))? {
        let entry = entry.map_err(FormatError::read(folder))?;
        if entry.file_name().to_str().is_some_and(is_weight_file) {
            paths.push(entry.path());
        }
    }
    if paths.is_empty() {
        return Err(no_weights(folder));
    }
    paths.sort();
    Ok(paths)
}

/// Returns the error for a folder without files that can be loaded.
fn no_weights(folder: &Path) -> FormatError {
    const OTHERS: [(&[&str], &str); 3] = [
        (&[".gguf"], "import the GGUF file by its path: `mlxk run FILE.gguf`"),
        (&[".safetensors"], "rename the files to `model*.safetensors`, as MLX does"),
        (&[".bin", ".pt", ".pth", ".npz"], "look for a version of it for MLX: `mlxk search NAME`"),
    ];
    let path = folder.to_owned();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.starts_with(['.', '_']) && !name.starts_with("adapter"));
    names.sort();
    for (endings, advice) in OTHERS {
        let fits = |name: &&String| endings.iter().any(|ending| name.ends_with(ending));
        if let Some(file) = names.iter().find(fits) {
            return FormatError::OtherWeights { path, file: file.clone(), advice };
        }
    }
    FormatError::NoWeights { path }
}

/// Returns the first file that is missing in a series such as `model-00001-of-00003.safetensors`.
fn missing_in_series(paths: &[PathBuf]) -> Option<PathBuf> {
    let number = |path: &PathBuf| {
        let stem = path.file_stem()?.to_str()?;
        let (start, of) = stem.rsplit_once("-of-")?;
        let (start, number) = start.rsplit_once('-')?;
        let width = number.len();
        let of: usize = of.parse().ok().filter(|&of| of <= MAX_SHARDS)?;
        Some((path.with_file_name(start), width, number.parse::<usize>().ok()?, of))
    };
    let here: BTreeSet<_> = paths.iter().filter_map(number).collect();
    here.iter().find_map(|(start, width, _, of)| {
        let missing = |at: &usize| !here.contains(&(start.clone(), *width, *at, *of));
        let at = (1..=*of).find(missing)?;
        let start = start.file_name()?.to_str()?.to_owned();
        let name = format!("{start}-{at:0width$}-of-{of:05}.safetensors");
        Some(paths[0].with_file_name(name))
    })
}
