//! Downloads a repository of the hub into the Hugging Face cache, in the layout of the Python
//! tools, so that each finds the other's downloads.
//!
//! Before the first byte of weights is fetched, the caller knows what the repository is, how large
//! it is and if it runs here. Files are fetched in parts over several connections. A part is
//! recorded once it is on disk, so an interrupted pull resumes. A file gets its name only after its
//! hash was checked. The links of the snapshot follow, and the branch is written last, so a
//! snapshot that a branch names is complete.

mod download;
pub(crate) mod error;
mod fetch;
mod layout;
mod options;
mod partial_file;
mod parts;
mod plan;
mod progress;
mod remote;
mod remote_file;
mod repair;
mod scheduler;
mod select;
mod target;
mod verify;

use std::ops::ControlFlow;

use self::layout::RepoFolder;
use crate::cache::HfCache;
use crate::disk::free_bytes;
use crate::error::Result;
use crate::http::error::HttpError;
use crate::http::settings::HubSettings;
use crate::http::{Client, supervised};
use crate::locations::Locations;
use crate::pull::error::PullError;
use crate::reporter::Reporter;
use crate::resolution::Resolved;

pub use self::options::{PullOptions, PullRequest};
pub use self::plan::{Inspection, PlannedFile, PullPlan};
pub use self::repair::{Repaired, Suspects, repair};
pub use self::target::{PullTarget, pull_target};

/// The result of a pull.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    /// The model.
    pub resolved: Resolved,
    /// `true` if nothing had to be fetched.
    pub already: bool,
    /// Bytes fetched.
    pub fetched_bytes: u64,
}

/// The caller's decisions in a pull.
pub struct Decisions<'a> {
    /// Inspects `config.json` (`null` if there is none) and the size of the weights.
    pub inspect: &'a dyn Fn(&serde_json::Value, u64) -> Inspection,
    /// Receives the plan before anything is fetched. `Break` ends the pull with
    /// [`PullError::Declined`]. Not called if there is nothing to fetch.
    pub agree: &'a mut dyn FnMut(&PullPlan) -> ControlFlow<()>,
}

/// Pulls one repository.
///
/// After any interruption, what was fetched is kept, and the same pull resumes.
pub fn pull(
    request: &PullRequest,
    locations: &Locations,
    settings: &HubSettings,
    reporter: &dyn Reporter,
    decisions: &mut Decisions<'_>,
) -> Result<Pulled> {
    request.repo.check()?;
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
        let config = plan::config(&client, &remote, &folder)?;
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

/// Returns the model if it is complete on this machine, otherwise the error of offline mode.
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
