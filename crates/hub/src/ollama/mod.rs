//! Reads Ollama's own store, and never writes to it: `manifests/<host>/<namespace>/<name>/<tag>`
//! lists the layers of a model, which are in `blobs/sha256-<hex>`. The layer of the weights is one
//! GGUF file, which is imported like any other. The settings in the other layers come along (see
//! `layers`).

pub(crate) mod error;
mod layers;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{HubError, Result};
use crate::hash::{self, Stopped};
use crate::locations::Locations;
use crate::ollama::error::OllamaError;
use crate::repo_id::is_name_char;
use crate::reporter::Reporter;

pub(crate) use layers::overrides;

const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";
const TAG: &str = "latest";
const LAYER: &str = "application/vnd.ollama.image.";
/// Models that are stored one tensor per layer have thousands of layers.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;
const MAX_DEPTH: usize = 4;
const READ: &str = "read Ollama's models";

/// A model in Ollama's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OllamaModel {
    /// `name:tag`.
    pub name: String,
    /// Its GGUF file.
    pub path: PathBuf,
    /// SHA-256 of that file in hexadecimal, according to its name.
    pub sha256: String,
    /// Other layers: kind and file.
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
    /// Size in bytes. Older manifests lack it.
    size: Option<u64>,
}

/// Returns `name:tag`, adding Ollama's default tag if there is none.
pub(crate) fn full_name(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("{name}:{TAG}") }
}

/// Returns the model called `name[:tag]`, from the first store that has it. As in Ollama, upper and lower case are the
/// same. Without a tag it is `latest`, else the only one that there is.
pub(crate) fn find(name: &str, locations: &Locations) -> Result<OllamaModel> {
    let full = full_name(name);
    if let Some(model) = find_as_written(&full, locations) {
        return model;
    }
    let known = names(locations);
    let same = known.iter().find(|known| known.eq_ignore_ascii_case(&full));
    let tags: Vec<&String> = match same {
        Some(same) => vec![same],
        None => known.iter().filter(|known| is_tag_of(known, name)).collect(),
    };
    let found = match tags.as_slice() {
        [only] => find_as_written(only, locations),
        [] => None,
        several => {
            let tags = several.iter().map(|&tag| tag.clone()).collect();
            Some(Err(OllamaError::SeveralTags { name: name.to_owned(), tags }.into()))
        }
    };
    found.unwrap_or_else(|| {
        let stores = locations.ollama_models.clone();
        Err(OllamaError::NotFound { name: name.to_owned(), known, stores }.into())
    })
}

/// Returns `true` if `known` is `name` with a tag.
pub(crate) fn is_tag_of(known: &str, name: &str) -> bool {
    known.rsplit_once(':').is_some_and(|(base, _)| base.eq_ignore_ascii_case(name))
}

/// Returns the model of this full name in this case, or `None` if no store has it.
fn find_as_written(full: &str, locations: &Locations) -> Option<Result<OllamaModel>> {
    let manifest = manifest_path(full)?;
    let mut stores = locations.ollama_models.iter();
    stores.find_map(|root| {
        let path = root.join("manifests").join(&manifest);
        path.is_file().then(|| read(full, &path, &root.join("blobs")))
    })
}

/// Returns the GGUF file of the model called `name[:tag]` in Ollama's store.
pub fn model_file(name: &str, locations: &Locations) -> Result<PathBuf> {
    Ok(find(name, locations)?.path)
}

/// Returns `true` if Ollama has a model of this name that can be imported, judging by its manifest.
pub(crate) fn has(name: &str, locations: &Locations) -> bool {
    find(name, locations).is_ok()
}

/// Returns all of Ollama's models by name, with the reason if one cannot be imported.
pub fn ollama_models(locations: &Locations) -> Vec<(String, Result<OllamaModel>)> {
    let found = names(locations).into_iter().map(|name| {
        let model = find(&name, locations);
        (name, model)
    });
    found.collect()
}

/// Returns the first model whose GGUF file has this SHA-256 in hexadecimal.
pub(crate) fn with_file(sha256: &str, locations: &Locations) -> Option<OllamaModel> {
    let models = ollama_models(locations).into_iter().filter_map(|(_, model)| model.ok());
    models.into_iter().find(|model| model.sha256.eq_ignore_ascii_case(sha256))
}

/// Returns the names of all of Ollama's models, sorted.
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

/// Returns `host/namespace/name/tag`, or `None` if the name cannot be a path.
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
    let no_manifest = || damaged(format!("its manifest `{}` is malformed", manifest.display()));
    let small = manifest.metadata().is_ok_and(|metadata| metadata.len() <= MAX_MANIFEST_BYTES);
    if !small {
        return Err(no_manifest());
    }
    let text = fs_err::read(manifest).map_err(HubError::io(READ))?;
    let Ok(Manifest { layers }) = serde_json::from_slice(mlxk_format::without_mark(&text)) else {
        return Err(no_manifest());
    };
    let has = |kind: &str| layers.iter().any(|layer| layer.media_type == format!("{LAYER}{kind}"));
    if has("adapter") {
        return Err(unusable("models with an adapter cannot be imported".into()));
    }
    if has("projector") {
        return Err(unusable("models that read images cannot be imported".into()));
    }
    if has("tensor") {
        return Err(unusable("it is stored tensor by tensor, not as a GGUF file".into()));
    }
    let model = format!("{LAYER}model");
    let mut models = layers.iter().filter(|layer| layer.media_type == model);
    let (Some(layer), None) = (models.next(), models.next()) else {
        return Err(unusable("it does not have exactly one model file".into()));
    };
    let Some(sha256) = digits(layer) else { return Err(no_manifest()) };
    let path = blobs.join(format!("sha256-{sha256}"));
    let length = path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    let Some(length) = length else {
        return Err(damaged(format!("its file `{}` is missing", path.display())));
    };
    if let Some(size) = layer.size.filter(|&size| size != length) {
        let path = path.display();
        return Err(damaged(format!("its file `{path}` has {length} bytes, expected {size}")));
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

/// Returns the hash in the name of a layer's file, in hexadecimal.
fn digits(layer: &Layer) -> Option<&str> {
    let hex = layer.digest.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hex)
}

/// Reads the whole file, and checks that its hash is that of its name.
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
        problem: "the SHA-256 of its file does not match the file's name".into(),
    }
    .into())
}

#[cfg(test)]
mod tests;
