//! All rules, in order of importance.

use serde_json::{Map, Value};

use super::files::{json, lost, object, present};
use super::tokenizer::tokenizer;
use super::weights::{Weights, weights};
use super::{Finding, Problem, Report};
use crate::inventory::{Inventory, is_hidden};
use crate::resolution::{Kind, Resolved};

/// Small files that must be JSON if they exist.
const JSON_FILES: [&str; 6] = [
    "generation_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "preprocessor_config.json",
    "processor_config.json",
];
/// Endings of the names of unfinished downloads.
const PART_ENDINGS: [&str; 6] =
    [".tmp", ".part", ".partial", ".incomplete", ".aria2", ".crdownload"];

/// The result of checking a model's files.
pub(crate) struct Checked {
    pub report: Report,
    pub weights: Weights,
    /// Empty if it cannot be read.
    pub config: Map<String, Value>,
}

/// Checks the folder of a model. `thorough` also parses the tokenizer.
pub(crate) fn check(model: &Resolved, files: &Inventory, thorough: bool) -> Checked {
    let mut findings = Vec::new();
    if model.kind == Kind::Missing {
        let base = model.base.clone().unwrap_or_default();
        let report = Report::new(vec![Finding::error("", Problem::NoBase { base })], 0, model);
        return Checked { report, weights: Weights::default(), config: Map::new() };
    }
    if model.kind == Kind::HfCache && model.revision.is_none() {
        let report = Report::new(vec![Finding::error("", Problem::NoRevision)], 0, model);
        return Checked { report, weights: Weights::default(), config: Map::new() };
    }
    let config = match object(files, "config.json") {
        Ok(config) => config,
        Err(problem) => {
            let problem = if problem == Problem::Missing { Problem::NoConfig } else { problem };
            findings.push(Finding::error("config.json", problem));
            Map::new()
        }
    };
    let found = weights(files, &mut findings);
    let only_gguf = found.gguf && !found.safetensors && !found.torch;
    if only_gguf {
        // A GGUF file has its own settings, so it needs no `config.json`.
        findings.retain(|finding| finding.file != "config.json");
    } else {
        tokenizer(files, &config, thorough, &mut findings);
        processor(files, &config, &found, &mut findings);
    }
    for name in JSON_FILES.into_iter().filter(|name| files.has(name)) {
        let problem = json(files, name, thorough).err();
        findings.extend(problem.map(|problem| Finding::error(name, problem)));
    }
    others(files, &mut findings);
    if model.kind == Kind::HfCache {
        leftovers(files, &mut findings);
    }
    Checked { report: Report::new(findings, found.shards, model), weights: found, config }
}

/// A model with a vision tower needs the settings of its images, unless it was converted for text
/// alone.
fn processor(
    files: &Inventory,
    config: &Map<String, Value>,
    weights: &Weights,
    findings: &mut Vec<Finding>,
) {
    let has_settings = files.has("preprocessor_config.json") || files.has("processor_config.json");
    if config.contains_key("vision_config") && weights.vision_tower && !has_settings {
        findings.push(Finding::error("preprocessor_config.json", Problem::NoProcessor));
    }
}

/// Checks the files that no other rule looks at: dead links, pointers, leftovers of downloads.
fn others(files: &Inventory, findings: &mut Vec<Finding>) {
    for (name, file) in &files.files {
        if findings.iter().any(|finding| finding.file == *name) {
            continue;
        }
        let lower = name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let is_part =
            lower.contains("partial") || PART_ENDINGS.iter().any(|ending| lower.ends_with(ending));
        if file.size_bytes.is_none() {
            findings.push(Finding::error(name, lost(files, file)));
        } else if is_part && is_hidden(name) {
            findings.push(Finding::note(name, Problem::Leftover));
        } else if is_part {
            findings.push(Finding::error(name, Problem::PartMarker));
        } else if matches!(present(files, name), Err(Problem::LfsPointer)) {
            let matters = [".json", ".jinja", ".model", ".txt", ".py", ".tiktoken"];
            let matters = matters.iter().any(|ending| lower.ends_with(ending));
            let finding = if matters { Finding::error } else { Finding::note };
            findings.push(finding(name, Problem::LfsPointer));
        }
    }
}

/// Finds unfinished blobs that no file of this revision links to.
fn leftovers(files: &Inventory, findings: &mut Vec<Finding>) {
    let Some(repo) = files.folder.parent().and_then(|snapshots| snapshots.parent()) else { return };
    let Ok(entries) = std::fs::read_dir(repo.join("blobs")) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some(blob) = name.strip_suffix(".incomplete") else { continue };
        let is_known = files
            .files
            .values()
            .any(|file| file.blob.as_deref() == Some(blob) && file.size_bytes.is_none());
        if !is_known {
            findings.push(Finding::note(format!("blobs/{name}"), Problem::Leftover));
        }
    }
}
