//! Folders as the tests need them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::store::Origin;
use crate::{Locations, Store};

/// A home with an empty cache and an empty store.
pub(crate) struct Fixture {
    pub locations: Locations,
    folder: TempDir,
}

/// How a cache keeps its files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Links into `blobs`.
    #[cfg(unix)]
    Linked,
    /// Copies beside the blobs.
    Copied,
    /// No blobs at all.
    Moved,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let locations = Locations {
            hf_hub_cache: folder.path().join("hub"),
            data_dir: folder.path().join("data"),
            offline: false,
            python: None,
        };
        Self { locations, folder }
    }

    /// The folder around everything.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A complete repository, one tiny checkpoint per hash, `main` at the last one.
    pub(crate) fn cached(&self, id: &str, hashes: &[&str]) -> PathBuf {
        let mut folder = PathBuf::new();
        for hash in hashes {
            let files = [("config.json", r#"{"model_type":"llama"}"#), ("model.safetensors", hash)];
            folder = self.snapshot(id, hash, &files, Layout::Copied);
            self.set_ref(id, "main", hash);
        }
        folder
    }

    /// One snapshot; returns the folder of its repository.
    pub(crate) fn snapshot(
        &self,
        id: &str,
        hash: &str,
        files: &[(&str, &str)],
        layout: Layout,
    ) -> PathBuf {
        let repo = self.repo_folder(id);
        let snapshot = repo.join("snapshots").join(hash);
        fs_err::create_dir_all(&snapshot).unwrap();
        fs_err::create_dir_all(repo.join("blobs")).unwrap();
        for (name, content) in files {
            let digest = crate::wheel::sha256_hex(content.as_bytes());
            let blob = repo.join("blobs").join(&digest);
            if layout != Layout::Moved {
                fs_err::write(&blob, content).unwrap();
            }
            match layout {
                #[cfg(unix)]
                Layout::Linked => {
                    let target = Path::new("../../blobs").join(digest);
                    fs_err::os::unix::fs::symlink(target, snapshot.join(name)).unwrap();
                }
                Layout::Copied | Layout::Moved => {
                    fs_err::write(snapshot.join(name), content).unwrap();
                }
            }
        }
        repo
    }

    pub(crate) fn set_ref(&self, id: &str, name: &str, hash: &str) {
        let path = self.repo_folder(id).join("refs").join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, hash).unwrap();
    }

    fn repo_folder(&self, id: &str) -> PathBuf {
        self.locations.hf_hub_cache.join(format!("models--{}", id.replace('/', "--")))
    }

    /// An imported model.
    pub(crate) fn stored(&self, name: &str, source: &str) -> PathBuf {
        let folder = self.locations.models_dir().join(name);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("config.json"), r#"{"model_type":"llama"}"#).unwrap();
        origin(source).write(&folder).unwrap();
        folder
    }

    /// Names of everything in the store's folder, sorted.
    pub(crate) fn in_store(&self) -> Vec<String> {
        let root = Store::new(&self.locations).root().to_owned();
        let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn origin(source: &str) -> Origin {
    Origin {
        source: source.to_owned(),
        package_version: None,
        file: "m.gguf".to_owned(),
        file_bytes: 1,
        file_modified_ns: None,
        sha256: None,
        imported_unix_s: 1,
        importer: "test".to_owned(),
    }
}
