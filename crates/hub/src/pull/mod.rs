//! Brings a repository of the hub into the Hugging Face cache, as the Python tools would lay it
//! out, so that either finds what the other fetched.
//!
//! Before the first byte of weights it is known what the repository is, how large it is and
//! whether it runs here. Files come in parts over several connections at once, each part recorded
//! once it is on the disk: whatever interrupts a pull, the next one goes on from there. A file gets
//! its name only after its hash was checked; the snapshot's links follow, and the branch's name
//! comes last. So a snapshot that a branch names is whole.

mod download;
pub(crate) mod error;
mod fetch;
mod layout;
mod partial_file;
mod parts;
mod plan;
mod progress;
mod remote;
mod repair;
mod scheduler;
mod select;
mod target;
mod verify;

use std::ops::ControlFlow;

use self::layout::RepoFolder;
use crate::disk::free_bytes;
use crate::http::error::HttpError;
use crate::http::{Client, supervised};
use crate::pull::error::PullError;
use crate::{HfCache, HubSettings, Locations, RepoId, Reporter, Resolved, Result};

pub use self::plan::{Inspection, PlannedFile, PullPlan};
pub use self::repair::{Repaired, Suspects, repair};
pub use self::target::{PullTarget, pull_target};

/// What to pull.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The repository.
    pub repo: RepoId,
    /// A branch, tag or full commit hash; `None` is `main`.
    pub revision: Option<String>,
    /// How to go about it.
    pub options: PullOptions,
}

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Also fetch what no runner needs.
    pub all_files: bool,
    /// Fetch even what will not run, or not fit on the disk.
    pub force: bool,
    /// Connections at once.
    pub workers: usize,
    /// Size of the parts that a file is fetched in, and the most that an interruption costs per
    /// connection.
    pub part_bytes: u64,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self { all_files: false, force: false, workers: 8, part_bytes: 16 << 20 }
    }
}

/// What a pull did.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    /// The model as a reference would find it.
    pub resolved: Resolved,
    /// Whether everything was here before.
    pub already: bool,
    /// Bytes fetched.
    pub fetched_bytes: u64,
}

/// The caller's say in a pull.
pub struct Decisions<'a> {
    /// Looks at `config.json` (`null` where there is none) and the size of the weights.
    pub inspect: &'a dyn Fn(&serde_json::Value, u64) -> Inspection,
    /// Learns the plan before anything is fetched; `Break` ends the pull with
    /// [`HubError::Declined`]. Not called where there is nothing to fetch.
    pub agree: &'a mut dyn FnMut(&PullPlan) -> ControlFlow<()>,
}

/// Pulls one repository.
///
/// Interrupted in any way, what was fetched stays, and the same pull goes on from there.
pub fn pull(
    request: &PullRequest,
    locations: &Locations,
    settings: &HubSettings,
    reporter: &dyn Reporter,
    decisions: &mut Decisions<'_>,
) -> Result<Pulled> {
    let folder = RepoFolder::new(&locations.hf_hub_cache, &request.repo);
    if settings.offline {
        return already_here(request, locations);
    }
    let client = Client::new(settings)?;
    reporter.stage(&format!("Looking up {}", request.repo));
    let found = supervised(&client, reporter, |_| {
        let remote = remote::look_up(&client, &request.repo, request.revision.as_deref())?;
        let files = select::select(remote.files.clone(), request.options.all_files);
        let missing = folder.missing(&remote.commit, &files)?;
        if missing.is_empty() && folder.has_snapshot(&remote.commit, &files) {
            folder.write_ref(&remote)?;
            folder.sweep(&files);
            return Ok((remote, files, None));
        }
        let config = remote::config(&client, &remote, &folder)?;
        Ok((remote, files, Some((missing, config))))
    })?;
    let (remote, files, todo) = found;
    let path = folder.snapshot(&remote.commit);
    let resolved = Resolved::cached(request.repo.to_string(), path, remote.commit.clone());
    let Some((missing, config)) = todo else {
        return Ok(Pulled { resolved, already: true, fetched_bytes: 0 });
    };
    let plan = PullPlan::new(
        &remote,
        &files,
        &missing,
        config,
        free_bytes(&folder.root)?,
        &locations.hf_hub_cache,
        decisions.inspect,
    );
    if !request.options.force {
        plan.check()?;
    }
    if (decisions.agree)(&plan).is_break() {
        return Err(PullError::Declined { name: plan.name }.into());
    }
    let fetched_bytes = supervised(&client, reporter, |tell| {
        folder.prepare()?;
        let _lock = folder.lock(&client, tell)?;
        let wanted = missing.into_iter().map(|missing| missing.file).collect();
        let fetched =
            download::fetch_all(&client, &remote, &folder, wanted, &request.options, false, tell)?;
        folder.link_all(&remote, &files, &[])?;
        folder.write_ref(&remote)?;
        Ok(fetched)
    })?;
    Ok(Pulled { resolved, already: false, fetched_bytes })
}

/// The model where it is here and whole; an error that says what offline mode forbids where not.
fn already_here(request: &PullRequest, locations: &Locations) -> Result<Pulled> {
    let repos = HfCache::new(&locations.hf_hub_cache).repos()?;
    let snapshot = match repos.iter().find(|repo| repo.id == request.repo) {
        Some(repo) => repo.snapshot(request.revision.as_deref())?,
        None => None,
    };
    match snapshot.filter(|snapshot| layout::looks_whole(&snapshot.path)) {
        Some(snapshot) => Ok(Pulled {
            resolved: Resolved::cached(request.repo.to_string(), snapshot.path, snapshot.hash),
            already: true,
            fetched_bytes: 0,
        }),
        None => Err(HttpError::Offline { action: format!("download `{}`", request.repo) }.into()),
    }
}

#[cfg(test)]
mod tests;
