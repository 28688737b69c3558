//! Uploading a model: the files of a folder become a commit on the hub.
//!
//! The hub says which files it keeps beside the repository (large ones, by LFS) and which inside. The
//! large ones are sent first, each only where the hub does not have its content yet; then one
//! request makes the commit. Until that request a repository is as it was, and an interrupted
//! upload goes on where it stopped: what arrived is not sent again.

mod commit;
pub(crate) mod error;
mod files;
mod lfs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::http::error::HttpError;
use crate::http::{Client, Subject, supervised};
use crate::push::error::PushError;
use crate::{HubError, HubSettings, RepoId, Reporter, Result};

use files::Hashes;
pub use files::LocalFile;

/// What to upload, and where to.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The folder.
    pub folder: PathBuf,
    /// The repository.
    pub repo: RepoId,
    /// Its branch.
    pub branch: String,
    /// The first line of the commit's message.
    pub message: String,
    /// Makes the repository, with this visibility, and the branch, where they do not exist.
    pub create: Option<Visibility>,
}

/// Who may see a new repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Its owner.
    Private,
    /// Everybody.
    Public,
}

/// How the files of a folder differ from those of the branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files that the branch does not have.
    pub added: Vec<String>,
    /// Files that it has with another content.
    pub modified: Vec<String>,
    /// Files that are the same.
    pub unchanged: usize,
    /// Bytes of the files that are new or different.
    pub bytes: u64,
    /// Whether the repository is still to be made.
    pub repo_is_new: bool,
    /// Whether the branch is still to be made.
    pub branch_is_new: bool,
}

/// What an upload came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What was to do.
    pub changes: Changes,
    /// The new commit; `None` where there was nothing to do.
    pub commit: Option<String>,
    /// Its page.
    pub commit_url: Option<String>,
    /// Bytes that were sent; content that the hub had already was not.
    pub sent_bytes: u64,
}

/// The files that [`push()`] would upload, those that ignore rules leave out excepted: versions of git
/// and of Python, what `.hfignore` names (in the way of `.gitignore`), and records of this program.
pub fn files_to_push(folder: &std::path::Path) -> Result<Vec<LocalFile>> {
    files::collect(folder)
}

/// Compares the folder with the branch without changing anything.
pub fn compare(
    request: &PushRequest,
    settings: &HubSettings,
    reporter: &dyn Reporter,
) -> Result<Changes> {
    let client = connect(request, settings)?;
    let push = Push { client: &client, request, reporter };
    let files = files::collect(&request.folder)?;
    Ok(push.compare(&files)?.0)
}

/// Uploads what differs, as one commit.
pub fn push(
    request: &PushRequest,
    settings: &HubSettings,
    reporter: &dyn Reporter,
) -> Result<Pushed> {
    let client = connect(request, settings)?;
    let push = Push { client: &client, request, reporter };
    let files = files::collect(&request.folder)?;
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

    /// Names and hashes of the files on the branch; `None` where it does not exist, and whether the
    /// repository does.
    fn remote(&self) -> Result<(bool, Option<BTreeMap<String, String>>)> {
        let (client, request, subject) = (self.client, self.request, self.subject());
        let found =
            supervised(client, self.reporter, |_| commit::listing(client, request, &subject));
        match found {
            Ok(files) => Ok((true, Some(files))),
            Err(HubError::Http(HttpError::NoSuchRevision { .. })) => Ok((true, None)),
            Err(HubError::Http(HttpError::NoSuchRepo { .. })) if self.request.create.is_some() => {
                Ok((false, None))
            }
            Err(error) => Err(error),
        }
    }

    /// What differs, with the hashes of those files, which are read for it.
    fn compare<'f>(
        &self,
        files: &'f [LocalFile],
    ) -> Result<(Changes, Vec<(&'f LocalFile, Hashes)>)> {
        self.reporter.stage(&format!("Looking up {}", self.request.repo));
        let (exists, remote) = self.remote()?;
        if exists && remote.is_none() && self.request.create.is_none() {
            return Err(HttpError::NoSuchRevision {
                name: self.request.repo.to_string(),
                revision: self.request.branch.clone(),
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
