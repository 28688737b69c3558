//! Fetches again what is damaged or missing in a snapshot, and nothing else.

use super::layout::{RepoFolder, exists};
use super::remote::{self, RemoteFile};
use super::verify::mismatch;
use super::{PullOptions, choose, download};
use crate::http::{Client, supervised};
use crate::size::free_bytes;
use crate::{HubError, HubSettings, Locations, RepoId, Reporter, Result};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Files that were damaged or missing, and are whole now, by name.
    pub files: Vec<String>,
    /// Bytes fetched.
    pub fetched_bytes: u64,
}

/// Checks `files` of a snapshot, or where that is empty all that a runner needs and all that is
/// there, against the sizes and hashes that the hub has for the commit `commit`; fetches what does
/// not agree.
pub fn repair(
    repo: &RepoId,
    commit: &str,
    files: &[String],
    locations: &Locations,
    settings: &HubSettings,
    options: &PullOptions,
    reporter: &dyn Reporter,
) -> Result<Repaired> {
    if settings.offline {
        return Err(HubError::Offline { name: repo.to_string() });
    }
    let folder = RepoFolder::new(&locations.hf_hub_cache, repo);
    let client = Client::new(settings)?;
    reporter.stage(&format!("Looking up {repo}"));
    supervised(&client, reporter, |tell| {
        let remote = remote::look_up(&client, repo, Some(commit))?;
        let snapshot = folder.snapshot(&remote.commit);
        let needed = choose::choose(remote.files.clone(), false);
        let wanted: Vec<RemoteFile> = match files {
            [] => {
                let there = |file: &&RemoteFile| {
                    needed.contains(file) || exists(&snapshot.join(&file.name))
                };
                remote.files.iter().filter(there).cloned().collect()
            }
            files => {
                let find = |name: &String| {
                    let found = remote.files.iter().find(|file| file.name == *name).cloned();
                    found.ok_or_else(|| HubError::NoSuchFile {
                        name: repo.to_string(),
                        file: name.clone(),
                    })
                };
                files.iter().map(find).collect::<Result<_>>()?
            }
        };
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
            return Err(HubError::NoRoom {
                name: repo.to_string(),
                folder: locations.hf_hub_cache.clone(),
                needed_bytes,
                free_bytes,
            });
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
