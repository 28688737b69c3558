//! Fetches only what is damaged or missing in a snapshot.

use std::path::Path;

use super::layout::{RepoFolder, exists, has_size};
use super::options::PullOptions;
use super::remote::{self, Remote};
use super::remote_file::RemoteFile;
use super::verify::mismatch;
use super::{download, select};
use crate::disk::free_bytes;
use crate::error::{HubError, Result};
use crate::http::error::HttpError;
use crate::http::settings::HubSettings;
use crate::http::{Client, Tell, supervised};
use crate::locations::Locations;
use crate::pull::error::PullError;
use crate::repo_id::RepoId;
use crate::reporter::Reporter;
use crate::resolution::{Kind, Resolved};

/// Result of a repair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Names of the files that were damaged or missing and are intact now.
    pub files: Vec<String>,
    /// Bytes fetched.
    pub fetched_bytes: u64,
}

/// Files that a repair reads in full and compares with their hashes.
#[derive(Clone, Copy, Debug)]
pub enum Suspects<'a> {
    /// The named files, if the hub has them.
    Files(&'a [String]),
    /// All files.
    Everything,
}

impl Suspects<'_> {
    fn include(self, file: &RemoteFile) -> bool {
        match self {
            Suspects::Files(names) => names.contains(&file.name),
            Suspects::Everything => true,
        }
    }
}

/// Compares a snapshot in the cache with the same commit on the hub, and fetches what differs:
/// files that a runner needs and that are missing or have another size, and suspects whose content
/// has another hash.
pub fn repair(
    model: &Resolved,
    suspects: Suspects<'_>,
    locations: &Locations,
    settings: &HubSettings,
    options: &PullOptions,
    reporter: &dyn Reporter,
) -> Result<Repaired> {
    // A derived name has its files from the model that it stands for.
    let name = model.base.as_ref().unwrap_or(&model.name);
    let repo = RepoId::parse(name).ok().filter(|_| model.kind == Kind::HfCache);
    let (Some(repo), Some(commit)) = (repo, model.revision.as_deref()) else {
        return Err(PullError::NotRepairable { name: model.name.clone() }.into());
    };
    if settings.offline {
        return Err(HttpError::Offline { action: format!("download `{repo}`") }.into());
    }
    let cache = &locations.hf_hub_cache;
    let folder = RepoFolder::new(cache, &repo);
    let client = Client::new(settings)?;
    reporter.stage(&format!("Looking up {repo}"));
    supervised(&client, reporter, |tell| {
        let remote = remote::look_up(&client, &repo, Some(commit))?;
        let wanted = to_compare(&remote, &folder, suspects);
        folder.prepare()?;
        let _lock = folder.lock(&client, tell)?;
        tell.stage(format!("Checking {repo}"));
        let Differing { to_link, to_fetch } =
            compare(&wanted, &folder, &remote.commit, &client, tell)?;
        check_room(&to_fetch, &folder, &repo, cache)?;
        let fetched_bytes = if to_fetch.is_empty() {
            0
        } else {
            download::fetch_all(&client, &remote, &folder, to_fetch, options, true, tell)?
        };
        let linked: Vec<RemoteFile> =
            wanted.into_iter().filter(|file| to_link.contains(&file.name)).collect();
        folder.link_all(&remote, &linked, &to_link)?;
        Ok(Repaired { files: to_link, fetched_bytes })
    })
}

/// Returns the files to read: suspects, and files whose size is wrong. Files that are neither
/// needed nor there are left out.
fn to_compare(remote: &Remote, folder: &RepoFolder, suspects: Suspects<'_>) -> Vec<RemoteFile> {
    let snapshot = folder.snapshot(&remote.commit);
    let needed = select::select(remote.files.clone(), false);
    remote
        .files
        .iter()
        .filter(|file| needed.contains(file) || exists(&snapshot.join(&file.name)))
        .filter(|file| {
            suspects.include(file) || !has_size(&snapshot.join(&file.name), file.size_bytes)
        })
        .cloned()
        .collect()
}

/// Files that are not what the hub has.
struct Differing {
    /// Names of files whose link in the snapshot has to be made again.
    to_link: Vec<String>,
    /// Files whose content has to be fetched, each content once.
    to_fetch: Vec<RemoteFile>,
}

/// Compares files with their hashes, first as the snapshot shows them, then in the blobs.
fn compare(
    wanted: &[RemoteFile],
    folder: &RepoFolder,
    commit: &str,
    client: &Client,
    tell: &Tell,
) -> Result<Differing> {
    let snapshot = folder.snapshot(commit);
    let total = super::plan::total(wanted.iter().map(|file| file.size_bytes));
    let mut before = 0;
    let mut differing = Differing { to_link: Vec::new(), to_fetch: Vec::new() };
    for file in wanted {
        let is_intact = |path: &Path| -> Result<bool> {
            Ok(path.is_file()
                && mismatch(path, file, &mut |done| {
                    tell.advance(before + done, total);
                    if client.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
                })?
                .is_none())
        };
        if !is_intact(&snapshot.join(&file.name))? {
            differing.to_link.push(file.name.clone());
            if !is_intact(&folder.blob(&file.etag))?
                && !differing.to_fetch.iter().any(|known| known.etag == file.etag)
            {
                differing.to_fetch.push(file.clone());
            }
        }
        before = before.saturating_add(file.size_bytes);
    }
    Ok(differing)
}

fn check_room(
    to_fetch: &[RemoteFile],
    folder: &RepoFolder,
    repo: &RepoId,
    cache: &Path,
) -> Result<()> {
    let needed_bytes = super::plan::total(to_fetch.iter().map(|file| file.size_bytes));
    let free_bytes = free_bytes(&folder.root)?;
    if needed_bytes <= free_bytes {
        return Ok(());
    }
    let (name, folder) = (repo.to_string(), cache.to_owned());
    Err(PullError::NoRoom { name, folder, needed_bytes, free_bytes }.into())
}
