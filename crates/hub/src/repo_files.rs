//! The hub's listing of a repository: the commit of a revision, and its files. Nothing is checked
//! here.

use serde::Deserialize;

use crate::error::Result;
use crate::http::{Client, Request, Subject, escape_part};
use crate::repo_id::RepoId;

/// A revision of a repository.
#[derive(Deserialize)]
pub(crate) struct Listing {
    /// Its commit.
    pub sha: Option<String>,
    #[serde(default)]
    pub siblings: Vec<Sibling>,
}

/// A file of a revision.
#[derive(Deserialize)]
pub(crate) struct Sibling {
    /// Path in the repository.
    pub rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    oid: Option<String>,
    size: Option<u64>,
}

impl Sibling {
    /// Returns the hub's hash of the content: SHA-256 for a large file, git's hash for any other.
    pub(crate) fn hash(&self) -> Option<&str> {
        match &self.lfs {
            Some(lfs) => lfs.sha256.as_deref().or(lfs.oid.as_deref()),
            None => self.blob_id.as_deref(),
        }
    }

    /// Returns the size of the content.
    pub(crate) fn size_bytes(&self) -> Option<u64> {
        self.lfs.as_ref().and_then(|lfs| lfs.size).or(self.size)
    }
}

/// Asks for the files of a revision. Returns the address of the request and the answer.
pub(crate) fn repo_files(
    client: &Client,
    repo: &RepoId,
    revision: &str,
    subject: &Subject,
) -> Result<(String, Listing)> {
    let revision = escape_part(revision);
    let url = client.url(&format!("/api/models/{repo}/revision/{revision}?blobs=true"));
    let listing = client.send(&Request::get(&url).about(subject))?.json()?;
    Ok((url, listing))
}
