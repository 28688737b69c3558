//! What `list` and `show` tell about a model, from `config.json` and file sizes alone.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cache::{CachedRepo, Snapshot};
use crate::size::{content_bytes, newest, walk};
use crate::{HfCache, Kind, Locations, Origin, Resolved, Result, Store};

/// A model on this machine, described.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Full name.
    pub name: String,
    /// The folder with the files.
    pub path: PathBuf,
    /// Where it lies.
    pub kind: Kind,
    /// Commit hash of a cached snapshot.
    pub revision: Option<String>,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Bytes on disk, other revisions included; what removing it would free.
    pub disk_bytes: u64,
    /// When its newest file changed.
    pub modified: Option<SystemTime>,
    /// The family of architectures, such as `llama`.
    pub model_type: Option<String>,
    /// Class names, such as `LlamaForCausalLM`.
    pub architectures: Vec<String>,
    /// How the weights are quantized; `None` for plain floating point.
    pub quantization: Option<QuantizationSummary>,
    /// Longest context that the model was made for.
    pub context_length: Option<u64>,
    /// Where an imported model came from.
    pub origin: Option<Origin>,
    /// Why the model cannot be used, as far as this cheap look can tell.
    pub problem: Option<&'static str>,
}

/// The quantization that `config.json` declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuantizationSummary {
    /// Bits per weight of most modules.
    pub bits: u64,
    /// Weights that share a scale.
    pub group_size: u64,
    /// `affine`, `mxfp4`, `mxfp8` or `nvfp4`.
    pub mode: String,
    /// Whether some modules have settings of their own.
    pub mixed: bool,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    /// Path inside the model's folder, with slashes.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

const MAX_CONFIG_BYTES: u64 = 16 << 20;
const CONTEXT_KEYS: [&str; 7] = [
    "max_position_embeddings",
    "max_sequence_length",
    "max_seq_len",
    "model_max_length",
    "seq_length",
    "n_positions",
    "n_ctx",
];

/// All models on this machine: workspaces, imported ones, cached ones, each by name. A cached
/// repository that is incomplete is listed with its [`problem`](ModelInfo::problem).
pub fn list(locations: &Locations) -> Result<Vec<ModelInfo>> {
    let mut found: Vec<ModelInfo> = Vec::new();
    for workspace in crate::workspace::workspaces(locations)? {
        found.push(ModelInfo::of_folder(workspace.name, Kind::Workspace, workspace.path));
    }
    for model in Store::new(locations).models()? {
        found.push(ModelInfo::of_folder(model.name, Kind::Imported, model.path));
    }
    for repo in HfCache::new(&locations.hf_hub_cache).repos()? {
        found.push(ModelInfo::of_repo(&repo));
    }
    Ok(found)
}

/// Describes one resolved model.
pub fn info(resolved: &Resolved) -> ModelInfo {
    let mut info =
        ModelInfo::of_folder(resolved.name.clone(), resolved.kind, resolved.path.clone());
    info.revision.clone_from(&resolved.revision);
    // snapshots/<hash> lies two levels below the repository.
    if let (Kind::HfCache, Some(folder)) = (resolved.kind, resolved.path.ancestors().nth(2)) {
        info.disk_bytes = crate::cache::disk_bytes(folder);
    }
    info
}

/// The files of a model's folder, by name; a link counts as what it leads to.
pub fn files(folder: &Path) -> Vec<FileInfo> {
    let mut files: Vec<FileInfo> = walk(folder)
        .into_iter()
        .map(|entry| {
            let parts: Vec<_> = entry.relative.iter().map(|part| part.to_string_lossy()).collect();
            FileInfo { name: parts.join("/"), size_bytes: entry.size_bytes() }
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

impl ModelInfo {
    fn of_repo(repo: &CachedRepo) -> Self {
        let name = repo.id.to_string();
        let disk_bytes = crate::cache::disk_bytes(&repo.folder);
        // A repository with nothing but another revision is still worth its line.
        let main = repo.snapshot(None).ok().flatten();
        let snapshot = main.or_else(|| repo.snapshots().into_iter().max_by_key(Snapshot::modified));
        let Some(snapshot) = snapshot else {
            let mut info = Self::of_folder(name, Kind::HfCache, repo.folder.clone());
            info.size_bytes = disk_bytes;
            info.disk_bytes = disk_bytes;
            info.problem = Some("it has no complete revision");
            return info;
        };
        let mut info = Self::of_folder(name, Kind::HfCache, snapshot.path);
        info.revision = Some(snapshot.hash);
        info.disk_bytes = disk_bytes;
        info
    }

    fn of_folder(name: String, kind: Kind, path: PathBuf) -> Self {
        let (config, problem) = match read_config(&path.join("config.json")) {
            Ok(config) => (config, None),
            Err(problem) => (Map::new(), Some(problem)),
        };
        let size_bytes = content_bytes(&path);
        Self {
            name,
            kind,
            revision: None,
            size_bytes,
            disk_bytes: size_bytes,
            modified: newest(&path),
            model_type: config.get("model_type").and_then(Value::as_str).map(str::to_owned),
            architectures: architectures(&config),
            quantization: quantization(&config),
            context_length: context_length(&config),
            origin: Origin::read(&path),
            problem,
            path,
        }
    }
}

fn read_config(path: &Path) -> Result<Map<String, Value>, &'static str> {
    let metadata = path.metadata().map_err(|_| "its `config.json` is missing")?;
    if metadata.len() > MAX_CONFIG_BYTES {
        return Err("its `config.json` is too large");
    }
    let text = fs_err::read(path).map_err(|_| "its `config.json` cannot be read")?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(config)) => Ok(config),
        _ => Err("its `config.json` is no JSON object"),
    }
}

fn architectures(config: &Map<String, Value>) -> Vec<String> {
    let names = config.get("architectures").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

pub(crate) fn quantization(config: &Map<String, Value>) -> Option<QuantizationSummary> {
    let table = ["quantization", "quantization_config"]
        .iter()
        .find_map(|key| config.get(*key).and_then(Value::as_object))?;
    let number = |key: &str| table.get(key).and_then(Value::as_u64);
    let mode = table.get("mode").and_then(Value::as_str).unwrap_or("affine");
    Some(QuantizationSummary {
        bits: number("bits")?,
        group_size: number("group_size")?,
        mode: mode.to_owned(),
        mixed: table.values().any(|value| value.is_object() || value == &Value::Bool(false)),
    })
}

pub(crate) fn context_length(config: &Map<String, Value>) -> Option<u64> {
    let nested = config.get("text_config").and_then(Value::as_object);
    [Some(config), nested].into_iter().flatten().find_map(|table| {
        CONTEXT_KEYS.iter().find_map(|key| table.get(*key).and_then(Value::as_u64))
    })
}

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
