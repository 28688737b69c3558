//! Fetches again what is damaged or missing in a snapshot, and nothing else.

use super::layout::{RepoFolder, exists, has_size};
use super::remote::{self, RemoteFile};
use super::verify::mismatch;
use super::{PullOptions, download, select};
use crate::disk::free_bytes;
use crate::http::error::HttpError;
use crate::http::{Client, supervised};
use crate::pull::error::PullError;
use crate::{HubError, HubSettings, Kind, Locations, RepoId, Reporter, Resolved, Result};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Files that were damaged or missing, and are whole now, by name.
    pub files: Vec<String>,
    /// Bytes fetched.
    pub fetched_bytes: u64,
}

/// Which files a repair reads in full and compares with their hashes.
#[derive(Clone, Copy, Debug)]
pub enum Suspects<'a> {
    /// These, where the hub has them.
    Files(&'a [String]),
    /// All.
    Everything,
}

/// Compares a snapshot of the cache with what the hub has for its commit, and fetches what does not
/// agree: files that a runner needs and that are missing or have another size, and suspects whose
/// content has another hash.
pub fn repair(
    model: &Resolved,
    suspects: Suspects<'_>,
    locations: &Locations,
    settings: &HubSettings,
    options: &PullOptions,
    reporter: &dyn Reporter,
) -> Result<Repaired> {
    // A second name has its files from the model that it stands for.
    let name = model.base.as_ref().unwrap_or(&model.name);
    let repo = RepoId::parse(name).ok().filter(|_| model.kind == Kind::HfCache);
    let (Some(repo), Some(commit)) = (repo, model.revision.as_deref()) else {
        return Err(PullError::NotRepairable { name: model.name.clone() }.into());
    };
    if settings.offline {
        return Err(HttpError::Offline { action: format!("download `{repo}`") }.into());
    }
    let repo = &repo;
    let folder = RepoFolder::new(&locations.hf_hub_cache, repo);
    let client = Client::new(settings)?;
    reporter.stage(&format!("Looking up {repo}"));
    supervised(&client, reporter, |tell| {
        let remote = remote::look_up(&client, repo, Some(commit))?;
        let snapshot = folder.snapshot(&remote.commit);
        let needed = select::select(remote.files.clone(), false);
        let is_suspect = |file: &RemoteFile| match suspects {
            Suspects::Files(names) => names.contains(&file.name),
            Suspects::Everything => true,
        };
        let wanted: Vec<RemoteFile> = remote
            .files
            .iter()
            .filter(|file| needed.contains(file) || exists(&snapshot.join(&file.name)))
            .filter(|file| {
                is_suspect(file) || !has_size(&snapshot.join(&file.name), file.size_bytes)
            })
            .cloned()
            .collect();
        folder.prepare()?;
        let _lock = folder.lock(&client, tell)?;
        tell.stage(format!("Checking {repo}"));
        let total = wanted.iter().map(|file| file.size_bytes).sum();
        let mut before = 0;
        let mut to_fetch: Vec<RemoteFile> = Vec::new();
        let mut to_link: Vec<String> = Vec::new();
        for file in &wanted {
            let is_whole = |path: &std::path::Path| -> Result<bool> {
                Ok(path.is_file()
                    && mismatch(path, file, &mut |done| {
                        tell.advance(before + done, total);
                        if client.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
                    })?
                    .is_none())
            };
            let shown = snapshot.join(&file.name);
            if !is_whole(&shown)? {
                to_link.push(file.name.clone());
                if !is_whole(&folder.blob(&file.etag))?
                    && !to_fetch.iter().any(|known| known.etag == file.etag)
                {
                    to_fetch.push(file.clone());
                }
            }
            before += file.size_bytes;
        }
        let needed_bytes = to_fetch.iter().map(|file| file.size_bytes).sum();
        let free_bytes = free_bytes(&folder.root)?;
        if needed_bytes > free_bytes {
            return Err(PullError::NoRoom {
                name: repo.to_string(),
                folder: locations.hf_hub_cache.clone(),
                needed_bytes,
                free_bytes,
            }
            .into());
        }
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
