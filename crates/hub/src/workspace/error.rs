//! A workspace that cannot be written or used.

use std::path::PathBuf;

use crate::explain::{Explain, Explained, impl_error, ticked};
use crate::human_bytes::human;

/// Most links that an error names.
const MAX_NAMED: usize = 5;

/// Failures of writing or reading a workspace.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum WorkspaceError {
    /// The content of the workspace cannot be hashed.
    NoHash { path: PathBuf, problem: String },
    /// A workspace cannot be written there. `problem` completes "Target `path` …".
    BadTarget { path: PathBuf, problem: &'static str, hint: String },
    /// Another process writes to the target.
    Busy { path: PathBuf },
    /// A model that was written, or is to be uploaded, is incomplete or damaged.
    Unusable { path: PathBuf, problem: String },
    /// Links in a folder that is to be copied or uploaded lead out of it.
    LinksOut { path: PathBuf, links: Vec<PathBuf> },
    /// There is no folder to upload.
    NotFound { path: PathBuf },
    /// Several folders begin like the given one.
    Ambiguous { path: PathBuf, candidates: Vec<String> },
    /// Not enough disk space.
    NoRoom { path: PathBuf, needed_bytes: u64, free_bytes: u64 },
}

impl_error!(WorkspaceError);

impl Explain for WorkspaceError {
    fn explain(&self) -> Explained {
        match self {
            Self::NoHash { path, problem } => Explained::new(
                "ValidationError",
                format!("Workspace `{}` has no content hash: {problem}", path.display()),
            )
            .hint("Fix or delete the file, then try again"),
            Self::BadTarget { path, problem, hint } => Explained::new(
                "InvalidTargetError",
                format!("Target `{}` {problem}", path.display()),
            )
            .hint(hint),
            Self::Busy { path } => Explained::new(
                "InvalidTargetError",
                format!("Target `{}` is being written by another program", path.display()),
            )
            .hint("Wait until it has finished, or name another target"),
            Self::Unusable { path, problem } => Explained::new(
                "HealthCheckFailed",
                format!("The model in `{}` is unusable: {problem}", path.display()),
            )
            .hint("The folder was kept; fix it, or create it again from a complete model"),
            Self::LinksOut { path, links } => {
                let names: Vec<String> =
                    links.iter().take(MAX_NAMED).map(|link| link.display().to_string()).collect();
                let more = match links.len().saturating_sub(MAX_NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let message = format!(
                    "Folder `{}` has links that lead out of it: {}{more}",
                    path.display(),
                    ticked(&names)
                );
                Explained::new("ValidationError", message)
                    .hint("Replace each link by the file that it should stand for, or delete it")
            }
            Self::NotFound { path } => Explained::new(
                "workspace_not_found",
                format!("There is no folder or workspace `{}`", path.display()),
            )
            .hint("List your workspaces with `mlxk list`, or name a folder like `./NAME`"),
            Self::Ambiguous { path, candidates } => Explained::new(
                "ambiguous_workspace",
                format!(
                    "`{}` matches {} workspaces: {}",
                    path.display(),
                    candidates.len(),
                    ticked(candidates)
                ),
            )
            .hint("Use one of these paths in full"),
            Self::NoRoom { path, needed_bytes, free_bytes } => Explained::new(
                "ValidationError",
                format!(
                    "Not enough disk space to write `{}`: it needs {}, and {} is free",
                    path.display(),
                    human(*needed_bytes),
                    human(*free_bytes)
                ),
            )
            .hint("Free some space, or name a target on another disk"),
        }
    }
}
