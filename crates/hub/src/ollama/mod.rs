//! Ollama's own store, read and never written: `manifests/<host>/<namespace>/<name>/<tag>`, a list
//! of layers each, and `blobs/sha256-<hex>`. The layer of a model is one GGUF file, which is
//! imported like any other, and what other layers say about it comes along (see `layers`).

pub(crate) mod error;
mod layers;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::hash::{self, Stopped};
use crate::ollama::error::OllamaError;
use crate::repo_id::is_name_char;
use crate::{HubError, Locations, Reporter, Result};

pub(crate) use layers::overrides;

const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";
const TAG: &str = "latest";
const LAYER: &str = "application/vnd.ollama.image.";
/// Models that are stored tensor by tensor have thousands of layers.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;
const MAX_DEPTH: usize = 4;
const READ: &str = "read what Ollama has";

/// A model that Ollama has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OllamaModel {
    /// `name:tag`.
    pub name: String,
    /// Its GGUF file.
    pub path: PathBuf,
    /// SHA-256 of that file in hexadecimal, as its name has it.
    pub sha256: String,
    /// What else belongs to it: kind and file.
    pub layers: Vec<(String, PathBuf)>,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
    /// Bytes; older manifests may not say.
    size: Option<u64>,
}

/// `name:tag`, with the tag that a name without one has.
pub(crate) fn full_name(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("{name}:{TAG}") }
}

/// The model called `name[:tag]`, out of the first store that has it.
pub(crate) fn find(name: &str, locations: &Locations) -> Result<OllamaModel> {
    let full = full_name(name);
    let manifest = manifest_path(&full);
    for root in &locations.ollama_models {
        let Some(path) = manifest.as_ref().map(|path| root.join("manifests").join(path)) else {
            break;
        };
        if path.is_file() {
            return read(&full, &path, &root.join("blobs"));
        }
    }
    Err(OllamaError::NotFound {
        name: name.to_owned(),
        known: names(locations),
        stores: locations.ollama_models.clone(),
    }
    .into())
}

/// The GGUF file of the model called `name[:tag]` in Ollama's store.
pub fn model_file(name: &str, locations: &Locations) -> Result<PathBuf> {
    Ok(find(name, locations)?.path)
}

/// Whether Ollama has a model of this name that can be imported, as far as its manifest tells.
pub(crate) fn has(name: &str, locations: &Locations) -> bool {
    find(name, locations).is_ok()
}

/// All that Ollama has, by name: what could be imported, or why it could not.
pub fn ollama_models(locations: &Locations) -> Vec<(String, Result<OllamaModel>)> {
    let found = names(locations).into_iter().map(|name| {
        let model = find(&name, locations);
        (name, model)
    });
    found.collect()
}

/// Names of all that Ollama has, sorted.
pub(crate) fn names(locations: &Locations) -> Vec<String> {
    let mut names = Vec::new();
    for root in &locations.ollama_models {
        collect(&root.join("manifests"), &mut Vec::new(), &mut names);
    }
    names.sort();
    names.dedup();
    names
}

fn collect(folder: &Path, above: &mut Vec<String>, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(part) = entry.file_name().into_string() else { continue };
        let Ok(kind) = entry.file_type() else { continue };
        if !is_part(&part) {
            continue;
        }
        above.push(part);
        if kind.is_dir() && above.len() < MAX_DEPTH {
            collect(&entry.path(), above, names);
        } else if let ([host, namespace, name, tag], true) = (above.as_slice(), kind.is_file()) {
            let name = match (host.as_str(), namespace.as_str()) {
                (HOST, NAMESPACE) => name.clone(),
                (HOST, namespace) => format!("{namespace}/{name}"),
                (host, namespace) => format!("{host}/{namespace}/{name}"),
            };
            names.push(format!("{name}:{tag}"));
        }
        above.pop();
    }
}

/// `host/namespace/name/tag`; `None` for what can be no such path.
fn manifest_path(full: &str) -> Option<PathBuf> {
    let (name, tag) = full.split_once(':')?;
    let parts: Vec<&str> = name.split('/').collect();
    let parts = match parts.as_slice() {
        [name] => [HOST, NAMESPACE, name, tag],
        [namespace, name] => [HOST, namespace, name, tag],
        [host, namespace, name] => [host, namespace, name, tag],
        _ => return None,
    };
    parts.iter().all(|part| is_part(part)).then(|| parts.iter().collect())
}

fn is_part(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && part.chars().all(is_name_char)
}

fn read(name: &str, manifest: &Path, blobs: &Path) -> Result<OllamaModel> {
    let unusable = |problem: String| {
        HubError::Ollama(OllamaError::Unusable { name: name.to_owned(), problem })
    };
    let damaged =
        |problem: String| HubError::Ollama(OllamaError::Damaged { name: name.to_owned(), problem });
    let no_manifest = || damaged(format!("its manifest `{}` makes no sense", manifest.display()));
    let small = manifest.metadata().is_ok_and(|metadata| metadata.len() <= MAX_MANIFEST_BYTES);
    if !small {
        return Err(no_manifest());
    }
    let text = fs_err::read(manifest).map_err(HubError::io(READ))?;
    let Ok(Manifest { layers }) = serde_json::from_slice(&text) else { return Err(no_manifest()) };
    let has = |kind: &str| layers.iter().any(|layer| layer.media_type == format!("{LAYER}{kind}"));
    if has("adapter") {
        return Err(unusable("it has an adapter, which cannot be imported".into()));
    }
    if has("projector") {
        return Err(unusable("it reads images too, and such models cannot be imported".into()));
    }
    if has("tensor") {
        return Err(unusable("it is no GGUF file but stored tensor by tensor".into()));
    }
    let model = format!("{LAYER}model");
    let mut models = layers.iter().filter(|layer| layer.media_type == model);
    let (Some(layer), None) = (models.next(), models.next()) else {
        return Err(unusable("it does not consist of one model file".into()));
    };
    let Some(sha256) = digits(layer) else { return Err(no_manifest()) };
    let path = blobs.join(format!("sha256-{sha256}"));
    let length = path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    let Some(length) = length else {
        return Err(damaged(format!("its file `{}` is missing", path.display())));
    };
    if let Some(size) = layer.size.filter(|&size| size != length) {
        let path = path.display();
        return Err(damaged(format!("its file `{path}` has {length} bytes instead of {size}")));
    }
    let others = layers.iter().filter_map(|layer| {
        let kind = layer.media_type.strip_prefix(LAYER).filter(|kind| *kind != "model")?;
        Some((kind.to_owned(), blobs.join(format!("sha256-{}", digits(layer)?))))
    });
    Ok(OllamaModel {
        name: name.to_owned(),
        path,
        sha256: sha256.to_ascii_lowercase(),
        layers: others.collect(),
    })
}

/// The hash that names a layer's file, in hexadecimal.
fn digits(layer: &Layer) -> Option<&str> {
    let hex = layer.digest.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hex)
}

/// Reads the whole file, and makes sure that it is what its name promises.
pub(crate) fn verify(model: &OllamaModel, reporter: &dyn Reporter) -> Result<()> {
    reporter.stage(&format!("Checking {}", model.name));
    let mut file = fs_err::File::open(&model.path).map_err(HubError::io(READ))?;
    let total = file.metadata().map_err(HubError::io(READ))?.len();
    let found = hash::sha256(&mut file, &mut |done| {
        reporter.advance(done, total);
        if reporter.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
    })
    .map_err(Stopped::during(READ))?;
    if found == model.sha256 {
        return Ok(());
    }
    Err(OllamaError::Damaged {
        name: model.name.clone(),
        problem: "its file does not have the SHA-256 of its name".into(),
    }
    .into())
}

#[cfg(test)]
mod tests;
