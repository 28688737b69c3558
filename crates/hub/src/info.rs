//! The description of a model for `list`, `show` and `health`, from its small files and the headers
//! of its weights.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cache::HfCache;
use crate::cache::{CachedRepo, Snapshot, disk_bytes, folders};
use crate::detect::{Evidence, Framework, Judge, Role, Runtime, runtime};
use crate::error::{HubError, Result};
use crate::health::{Finding, Report, check};
use crate::inventory::Inventory;
use crate::locations::Locations;
use crate::pairs::PairTable;
use crate::reference::error::ReferenceError;
use crate::resolution::{Kind, Matching, Resolved};
use crate::store::{Origin, Store};
use crate::workspace::{self, Check, Sentinel, workspaces};

/// A model on this machine, described.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Full name.
    pub name: String,
    /// The folder with its files.
    pub path: PathBuf,
    /// Kind of place where it lives.
    pub kind: Kind,
    /// The underlying model of a derived name.
    pub base: Option<String>,
    /// Commit hash of a cached snapshot.
    pub revision: Option<String>,
    /// Total size of its files.
    pub size_bytes: u64,
    /// Bytes on disk, including other revisions. Deleting the model frees this many.
    pub disk_bytes: u64,
    /// Time of its newest file.
    pub modified: Option<SystemTime>,
    /// Framework of its weights.
    pub framework: Framework,
    /// Role of the model.
    pub role: Role,
    /// Capabilities in MLX-Knife's words: `text-generation`, `chat`, `vision` and so on.
    pub capabilities: Vec<&'static str>,
    /// Content of `config.json`; empty if it cannot be read.
    pub config: Map<String, Value>,
    /// Quantization of the weights; `None` for plain floating point.
    pub quantization: Option<QuantizationSummary>,
    /// Maximum context length of the model.
    pub context_length: Option<u64>,
    /// Context length that the name itself sets (`num_ctx`).
    pub named_context: Option<usize>,
    /// Origin of an imported model.
    pub origin: Option<Origin>,
    /// The record of a workspace, and the result of checking it.
    pub workspace: Option<(Sentinel, Check)>,
    /// Verdict on its files.
    pub health: Report,
    /// Verdict on running it here.
    pub runtime: Runtime,
}

/// The quantization that `config.json` declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuantizationSummary {
    /// Bits per weight of most modules.
    pub bits: u64,
    /// Number of weights that share a scale.
    pub group_size: u64,
    /// `affine`, `mxfp4`, `mxfp8` or `nvfp4`.
    pub mode: String,
    /// `true` if some modules have other settings.
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

/// Returns findings about the small files in a folder that only the loader understands.
pub type SmallFiles<'a> = &'a (dyn Fn(&Path) -> Vec<Finding> + Sync);

/// Settings for describing models.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Decides which architectures run.
    pub judge: Judge<'a>,
    /// Finds malformed small files in a folder.
    pub small_files: SmallFiles<'a>,
    /// `true` to parse the tokenizer too, which takes longer than everything else.
    pub thorough: bool,
}

const CONTEXT_KEYS: [&str; 7] = [
    "max_position_embeddings",
    "max_sequence_length",
    "max_seq_len",
    "model_max_length",
    "seq_length",
    "n_positions",
    "n_ctx",
];
/// More threads would only wait for the disk.
const MAX_THREADS: usize = 8;

/// Returns the places of all models, without looking into them: workspaces, imported models, cached
/// models and derived names, each group by name. A cached repository is represented by `main`, or
/// by its newest revision if `main` is missing. Without any revision,
/// [`revision`](Resolved::revision) is `None`.
pub fn places(locations: &Locations) -> Result<Vec<Resolved>> {
    let mut found: Vec<Resolved> =
        workspaces(locations)?.into_iter().map(Resolved::workspace).collect();
    found.extend(Store::new(locations).models()?.iter().map(Resolved::stored));
    let repos = HfCache::new(&locations.hf_hub_cache).repos()?;
    found.extend(repos.iter().map(CachedRepo::any_revision));
    found.extend(derived_places(locations));
    Ok(found)
}

/// Returns derived names. If the underlying model is missing, the path is that of the name's file.
/// A malformed file is reported when the name is used.
fn derived_places(locations: &Locations) -> Vec<Resolved> {
    let find = |name: String| {
        let derived = crate::derived(&name, locations).ok()??;
        let from = derived.from.parse().ok()?;
        let pairs = PairTable::default();
        let found = crate::resolve(&from, Matching::Exact, &pairs, locations).ok();
        Some(match found.and_then(|found| found.local().ok()) {
            Some(base) => base.derived(derived),
            None => Resolved::missing(derived),
        })
    };
    crate::derived::derived_names(locations).into_iter().filter_map(find).collect()
}

/// Returns the checkpoint in `folder`, or those in the folders inside it. If there is no such folder,
/// returns those in its parent whose names begin like it. With a relative path, they have the names of
/// their folders, otherwise their paths.
pub fn checkpoints_in(folder: &Path) -> Result<Vec<Resolved>> {
    let bad =
        |problem| HubError::Reference(ReferenceError::BadPath { path: folder.to_owned(), problem });
    let absolute = std::path::absolute(folder).map_err(HubError::io("make the path absolute"))?;
    let place = |path: PathBuf| {
        let name = path.file_name().filter(|_| folder.is_relative());
        let name = name.map(|name| name.to_string_lossy().into_owned());
        Resolved::folder(name.unwrap_or_else(|| path.display().to_string()), path)
    };
    let is_checkpoint = |path: &PathBuf| path.join("config.json").is_file();
    if is_checkpoint(&absolute) {
        return Ok(vec![place(absolute)]);
    }
    if absolute.is_dir() {
        let inside = folders(&absolute).map_err(HubError::io("read the folder"))?;
        return Ok(inside
            .into_iter()
            .filter(|(name, _)| !workspace::is_unfinished(name))
            .map(|(_, path)| path)
            .filter(is_checkpoint)
            .map(place)
            .collect());
    }
    if absolute.exists() {
        return Err(bad("is not a folder"));
    }
    let (Some(parent), Some(start)) = (absolute.parent(), absolute.file_name()) else {
        return Err(bad("does not exist"));
    };
    let start = start.to_string_lossy();
    let siblings = folders(parent).map_err(HubError::io("read the folder"))?;
    let found: Vec<Resolved> = siblings
        .into_iter()
        .filter(|(name, path)| name.starts_with(&*start) && is_checkpoint(path))
        .map(|(_, path)| place(path))
        .collect();
    if found.is_empty() { Err(bad("does not exist")) } else { Ok(found) }
}

/// Describes all models on this machine, in the order of [`places`].
pub fn list(locations: &Locations, look: Look<'_>) -> Result<Vec<ModelInfo>> {
    Ok(describe(&places(locations)?, look))
}

/// Describes several models at once.
pub fn describe(places: &[Resolved], look: Look<'_>) -> Vec<ModelInfo> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some((at, place)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            places.get(at).map(|place| (at, place))
        } {
            found.push((at, info(place, look)));
        }
        found
    };
    let mut found: Vec<(usize, ModelInfo)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(places.len())).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for other in others {
            found.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        found
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, model)| model).collect()
}

/// Describes one model.
pub fn info(model: &Resolved, look: Look<'_>) -> ModelInfo {
    let files = Inventory::read(&model.path);
    let mut checked = check(model, &files, look.thorough);
    checked.report.add((look.small_files)(&model.path), model);
    let evidence = Evidence {
        name: &model.name,
        files: &files,
        config: &checked.config,
        weights: &checked.weights,
    };
    let detected = evidence.detect();
    let runs = if checked.report.is_healthy() {
        runtime(&evidence, &detected, look.judge)
    } else {
        Runtime::Refused(checked.report.reason())
    };
    let size_bytes = files.size_bytes();
    let is_own = matches!(model.kind, Kind::Folder | Kind::Workspace);
    let sentinel = is_own.then(|| Sentinel::read(&model.path)).flatten();
    ModelInfo {
        workspace: sentinel.map(|sentinel| (sentinel, workspace::check(&model.path))),
        name: model.name.clone(),
        kind: model.kind,
        base: model.base.clone(),
        revision: model.revision.clone(),
        size_bytes,
        disk_bytes: model.repo_folder().map_or(size_bytes, disk_bytes),
        modified: model.named_at.or_else(|| files.modified()),
        framework: detected.framework,
        role: detected.role,
        capabilities: detected.capabilities(),
        quantization: quantization(&checked.config),
        context_length: context_length(&checked.config),
        named_context: model.overrides.parameters.ctx,
        origin: (model.kind != Kind::HfCache).then(|| Origin::read(&model.path)).flatten(),
        health: checked.report,
        runtime: runs,
        config: checked.config,
        path: model.path.clone(),
    }
}

/// Returns the files of a model's folder, by name. A link counts as its target.
pub fn files(folder: &Path) -> Vec<FileInfo> {
    let files = Inventory::read(folder).files.into_iter();
    files.map(|(name, file)| FileInfo { name, size_bytes: file.size_bytes.unwrap_or(0) }).collect()
}

impl<'a> Look<'a> {
    /// Returns settings that read headers and small files.
    pub fn quick(judge: Judge<'a>, small_files: SmallFiles<'a>) -> Self {
        Self { judge, small_files, thorough: false }
    }
}

impl ModelInfo {
    /// Returns the model type, such as `llama`.
    pub fn model_type(&self) -> Option<&str> {
        self.config.get("model_type").and_then(Value::as_str)
    }

    /// Returns the class name, such as `LlamaForCausalLM`.
    pub fn architecture(&self) -> Option<&str> {
        self.config.get("architectures")?.as_array()?.first()?.as_str()
    }

    /// Returns `true` if the model is complete and runs here.
    pub fn is_usable(&self) -> bool {
        self.health.is_healthy() && self.runtime.runs()
    }
}

impl CachedRepo {
    /// Returns the revision that represents the repository, or its folder if it has none.
    pub(crate) fn any_revision(&self) -> Resolved {
        // A repository that has only another revision still deserves its line.
        let main = self.snapshot(None).ok().flatten();
        let snapshot = main.or_else(|| self.snapshots().into_iter().max_by_key(Snapshot::modified));
        match snapshot {
            Some(snapshot) => Resolved::cached(self.id.to_string(), snapshot.path, snapshot.hash),
            None => Resolved {
                kind: Kind::HfCache,
                ..Resolved::folder(self.id.to_string(), self.folder.clone())
            },
        }
    }
}

impl Resolved {
    /// Returns the folder of a cached model's repository, with all its revisions.
    pub fn repo_folder(&self) -> Option<&Path> {
        match (self.kind, &self.revision) {
            (Kind::HfCache, None) => Some(&self.path),
            // `snapshots/<hash>` is two levels below the repository.
            (Kind::HfCache, Some(_)) => self.path.ancestors().nth(2),
            _ => None,
        }
    }
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
mod tests;
