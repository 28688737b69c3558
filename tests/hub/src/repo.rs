//! A repository: commits of files, and branches and tags that name them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A repository of the hub.
#[derive(Clone, Debug)]
pub struct Repo {
    pub(crate) id: String,
    /// Branches and tags, each with its commit.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) commits: BTreeMap<String, BTreeMap<String, StoredFile>>,
    /// Token that may read it; `None` if everyone may.
    pub(crate) token: Option<String>,
    /// `true` if everyone may know of it.
    pub(crate) gated: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) downloads: u64,
    /// `true` if the description has sizes and hashes.
    pub(crate) tells_blobs: bool,
}

/// One version of a file.
#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    pub(crate) content: Arc<Vec<u8>>,
    /// `true` if it is on the CDN.
    pub(crate) lfs: bool,
    /// SHA-256 of a file on the CDN, git's SHA-1 of any other.
    pub(crate) etag: String,
}

impl Repo {
    /// Returns an empty repository with a branch `main`.
    pub fn new(id: &str) -> Self {
        let commit = hex(&Sha1::digest(format!("{id}-0")));
        Self {
            id: id.to_owned(),
            refs: BTreeMap::from([("main".to_owned(), commit.clone())]),
            commits: BTreeMap::from([(commit, BTreeMap::new())]),
            token: None,
            gated: false,
            tags: vec!["mlx".to_owned()],
            downloads: 0,
            tells_blobs: true,
        }
    }

    /// Adds a file to `main`. Weight files are on the CDN.
    #[must_use]
    pub fn file(mut self, name: &str, content: &[u8]) -> Self {
        let lfs = [".safetensors", ".gguf", ".bin"].iter().any(|end| name.ends_with(end));
        let etag = if lfs { sha256(content) } else { git_sha1(content) };
        let file = StoredFile { content: Arc::new(content.to_vec()), lfs, etag };
        let commit = self.refs["main"].clone();
        self.commits.entry(commit).or_default().insert(name.to_owned(), file);
        self
    }

    /// Adds every file of a folder to `main`.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let content = std::fs::read(entry.path()).unwrap();
            self = self.file(entry.file_name().to_str().unwrap(), &content);
        }
        self
    }

    /// Creates a branch or tag at the commit of `main`.
    #[must_use]
    pub fn tagged(mut self, name: &str) -> Self {
        self.refs.insert(name.to_owned(), self.commit());
        self
    }

    /// Begins a new commit on `main` with the files of the last one. Other branches and tags stay.
    #[must_use]
    pub fn next_commit(mut self) -> Self {
        let files = self.commits[&self.refs["main"]].clone();
        let commit = hex(&Sha1::digest(format!("{}-{}", self.id, self.commits.len())));
        self.refs.insert("main".to_owned(), commit.clone());
        self.commits.insert(commit, files);
        self
    }

    /// Requires this token for reading files. Everyone may know of the repository.
    #[must_use]
    pub fn gated(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self.gated = true;
        self
    }

    /// Requires this token even for knowing of the repository.
    #[must_use]
    pub fn private(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Replaces the tags, which are `mlx` at first.
    #[must_use]
    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.tags = tags.iter().map(|&tag| tag.to_owned()).collect();
        self
    }

    /// Sets the number of downloads.
    #[must_use]
    pub fn downloads(mut self, downloads: u64) -> Self {
        self.downloads = downloads;
        self
    }

    /// Leaves sizes and hashes out of the description, as some mirrors do.
    #[must_use]
    pub fn without_blobs(mut self) -> Self {
        self.tells_blobs = false;
        self
    }

    /// Returns the commit of `main`.
    pub fn commit(&self) -> String {
        self.refs["main"].clone()
    }

    /// Returns the commit of a branch, tag or full hash.
    pub(crate) fn find(&self, revision: &str) -> Option<&str> {
        let named = self.refs.get(revision).map(String::as_str);
        named.or_else(|| self.commits.get_key_value(revision).map(|(hash, _)| hash.as_str()))
    }

    /// Returns the entry in a search result.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "_id": hex(&Sha1::digest(&self.id))[..24],
            "id": self.id,
            "modelId": self.id,
            "author": self.id.split('/').next(),
            "private": self.token.is_some() && !self.gated,
            "gated": if self.gated { json!("auto") } else { json!(false) },
            "disabled": false,
            "downloads": self.downloads,
            "likes": 0,
            "library_name": "mlx",
            "pipeline_tag": "text-generation",
            "tags": self.tags,
            "createdAt": "2025-01-01T00:00:00.000Z",
            "lastModified": "2025-01-02T00:00:00.000Z",
        })
    }

    /// Returns the files of a commit in the form of the API.
    pub(crate) fn tree(&self, commit: &str) -> Value {
        let entry = |(name, file): (&String, &StoredFile)| {
            let mut entry = json!({
                "type": "file", "path": name, "size": file.content.len(), "oid": file.etag,
            });
            if file.lfs {
                entry["oid"] = git_sha1(file.etag.as_bytes()).into();
                entry["lfs"] = json!({
                    "oid": file.etag, "size": file.content.len(), "pointerSize": 134,
                });
            }
            entry
        };
        self.commits[commit].iter().map(entry).collect()
    }

    /// Returns the API's description of a commit. `blobs` adds sizes and hashes.
    pub(crate) fn info(&self, commit: &str, blobs: bool) -> Value {
        let siblings: Vec<Value> = self.commits[commit]
            .iter()
            .map(|(name, file)| {
                let mut sibling = json!({"rfilename": name});
                if blobs && self.tells_blobs {
                    sibling["size"] = file.content.len().into();
                    sibling["blobId"] = if file.lfs {
                        git_sha1(file.etag.as_bytes()).into()
                    } else {
                        file.etag.clone().into()
                    };
                    if file.lfs {
                        sibling["lfs"] = json!({
                            "sha256": file.etag, "size": file.content.len(), "pointerSize": 134,
                        });
                    }
                }
                sibling
            })
            .collect();
        let mut info = self.summary();
        info["sha"] = commit.into();
        info["siblings"] = siblings.into();
        info
    }
}

/// Returns the SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns git's SHA-1 of a file with this content, in hexadecimal.
pub fn git_sha1(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
