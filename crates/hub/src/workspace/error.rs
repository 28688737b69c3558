//! A workspace that cannot be written or used.

use std::path::PathBuf;

use crate::explain::{Explain, Explained, impl_error};
use crate::human_bytes::human;

/// Failures of writing or reading a workspace.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum WorkspaceError {
    /// The content of the workspace cannot be hashed.
    NoHash { path: PathBuf, problem: String },
    /// A workspace cannot be written there. `problem` completes "Target `path` …".
    BadTarget { path: PathBuf, problem: &'static str },
    /// A model that was written, or is to be uploaded, is incomplete or damaged.
    Unusable { path: PathBuf, problem: String },
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
            Self::BadTarget { path, problem } => Explained::new(
                "InvalidTargetError",
                format!("Target `{}` {problem}", path.display()),
            )
            .hint("Name a folder that does not exist yet"),
            Self::Unusable { path, problem } => Explained::new(
                "HealthCheckFailed",
                format!("The model in `{}` is unusable: {problem}", path.display()),
            )
            .hint("The folder was kept; fix it, or create it again from a complete model"),
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
