//! Uploading a model: the files of a folder become a commit on the hub.
//!
//! The hub decides which files it keeps next to the repository (large ones, by LFS) and which
//! inside. Large files are sent first, unless the hub already has their content. Then one request
//! makes the commit. Until then the repository is unchanged, and an interrupted upload resumes:
//! content that has arrived is not sent again.

mod commit;
pub(crate) mod error;
mod files;
mod lfs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::{HubError, Result};
use crate::http::error::HttpError;
use crate::http::settings::HubSettings;
use crate::http::{Client, Subject, supervised};
use crate::locations::Locations;
use crate::push::error::PushError;
use crate::repo_id::RepoId;
use crate::reporter::Reporter;

use files::Hashes;
pub use files::LocalFile;

/// An upload.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The folder to upload.
    pub folder: PathBuf,
    /// The repository.
    pub repo: RepoId,
    /// The branch of the repository.
    pub branch: String,
    /// The first line of the commit's message.
    pub message: String,
    /// Creates the repository with this visibility, and the branch, if they do not exist.
    pub create: Option<Visibility>,
}

/// Visibility of a new repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Only its owner sees it.
    Private,
    /// Everyone sees it.
    Public,
}

/// The differences between a folder and a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files that the branch does not have.
    pub added: Vec<String>,
    /// Files that the branch has with other content.
    pub modified: Vec<String>,
    /// Number of files that are the same.
    pub unchanged: usize,
    /// Size of the files that are new or different.
    pub bytes: u64,
    /// `true` if the repository does not exist yet.
    pub repo_is_new: bool,
    /// `true` if the branch does not exist yet.
    pub branch_is_new: bool,
}

/// The result of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The differences before the upload.
    pub changes: Changes,
    /// The new commit; `None` if there was nothing to do.
    pub commit: Option<String>,
    /// Page of the commit.
    pub commit_url: Option<String>,
    /// Bytes that were sent. Content that the hub already had is not counted.
    pub sent_bytes: u64,
}

/// Returns the files that [`push()`] would upload. Ignore rules leave out files of git and Python,
/// what `.hfignore` names (it works like `.gitignore`), and records of this program.
/// Fails if links in the folder lead out of it.
pub fn files_to_push(folder: &std::path::Path, locations: &Locations) -> Result<Vec<LocalFile>> {
    files::collect(folder, locations)
}

/// Compares the folder with the branch without changing anything.
pub fn compare(
    request: &PushRequest,
    locations: &Locations,
    settings: &HubSettings,
    reporter: &dyn Reporter,
) -> Result<Changes> {
    let client = connect(request, settings)?;
    let push = Push { client: &client, request, reporter };
    let files = files::collect(&request.folder, locations)?;
    Ok(push.compare(&files)?.0)
}

/// Uploads the differences as one commit.
pub fn push(
    request: &PushRequest,
    locations: &Locations,
    settings: &HubSettings,
    reporter: &dyn Reporter,
) -> Result<Pushed> {
    let client = connect(request, settings)?;
    let push = Push { client: &client, request, reporter };
    let files = files::collect(&request.folder, locations)?;
    push.run(&files)
}

fn connect(request: &PushRequest, settings: &HubSettings) -> Result<Client> {
    if settings.offline {
        return Err(HttpError::Offline { action: format!("upload to `{}`", request.repo) }.into());
    }
    if settings.token.is_none() {
        return Err(PushError::NoToken { name: request.repo.to_string() }.into());
    }
    Client::new(settings)
}

struct Push<'a> {
    client: &'a Client,
    request: &'a PushRequest,
    reporter: &'a dyn Reporter,
}

impl Push<'_> {
    fn subject(&self) -> Subject {
        Subject {
            repo: self.request.repo.to_string(),
            revision: Some(self.request.branch.clone()),
            file: None,
        }
    }

    /// Returns if the repository exists, and the names and hashes of the files on the branch. They
    /// are `None` if there is no such branch.
    fn remote(&self) -> Result<(bool, Option<BTreeMap<String, String>>)> {
        let (client, request, subject) = (self.client, self.request, self.subject());
        let found =
            supervised(client, self.reporter, |_| commit::listing(client, request, &subject));
        match found {
            Ok(files) => Ok((true, Some(files))),
            Err(HubError::Http(HttpError::NoSuchRevision { .. })) => Ok((true, None)),
            Err(HubError::Http(HttpError::NoSuchRepo { name, page, token })) => {
                if request.create.is_some() {
                    return Ok((false, None));
                }
                Err(PushError::NoRepo { name, page, token }.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the differences, and the changed files with their hashes, which are computed here.
    fn compare<'f>(
        &self,
        files: &'f [LocalFile],
    ) -> Result<(Changes, Vec<(&'f LocalFile, Hashes)>)> {
        self.reporter.stage(&format!("Looking up {}", self.request.repo));
        let (exists, remote) = self.remote()?;
        if exists && remote.is_none() && self.request.create.is_none() {
            return Err(PushError::NoBranch {
                name: self.request.repo.to_string(),
                branch: self.request.branch.clone(),
                page: format!("{}/{}", self.client.endpoint(), self.request.repo),
            }
            .into());
        }
        let mut changes = Changes {
            repo_is_new: !exists,
            branch_is_new: remote.is_none() && (exists || self.request.branch != "main"),
            ..Changes::default()
        };
        let remote = remote.unwrap_or_default();
        self.reporter.stage("Reading the files");
        let total = files.iter().map(|file| file.size_bytes).sum();
        let mut before = 0;
        let mut different = Vec::new();
        for file in files {
            let hashes = file.hashes(&mut |done| {
                self.reporter.advance(before + done, total);
                if self.reporter.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
            })?;
            before += file.size_bytes;
            match remote.get(&file.name) {
                Some(hash) if *hash == hashes.sha256 || *hash == hashes.git => {
                    changes.unchanged += 1;
                    continue;
                }
                Some(_) => changes.modified.push(file.name.clone()),
                None => changes.added.push(file.name.clone()),
            }
            changes.bytes += file.size_bytes;
            different.push((file, hashes));
        }
        Ok((changes, different))
    }

    fn run(&self, files: &[LocalFile]) -> Result<Pushed> {
        let (client, request, subject) = (self.client, self.request, self.subject());
        let (changes, different) = self.compare(files)?;
        if changes.repo_is_new || changes.branch_is_new {
            self.reporter.stage(&format!("Creating {}", self.request.repo));
            supervised(client, self.reporter, |_| {
                commit::create(client, request, &changes, &subject)
            })?;
        }
        if different.is_empty() {
            return Ok(Pushed { changes, commit: None, commit_url: None, sent_bytes: 0 });
        }
        let total = changes.bytes;
        self.reporter.stage(&format!("Uploading to {}", self.request.repo));
        let (commit, sent_bytes) = supervised(client, self.reporter, |tell| {
            let ways = commit::ask_ways(client, request, &different, &subject)?;
            let upload = lfs::Upload { client, request, subject: &subject };
            let large: Vec<_> =
                different.iter().filter(|(file, _)| ways.is_large(&file.name)).collect();
            let sent = upload.run(&large, &mut |done| tell.advance(done, total))?;
            let made = commit::commit(client, request, &different, &ways, &subject)?;
            Ok((made, sent))
        })?;
        Ok(Pushed { changes, commit: Some(commit.0), commit_url: commit.1, sent_bytes })
    }
}
