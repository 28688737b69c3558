//! The request for a pull.

use crate::repo_id::RepoId;

/// A repository to pull.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The repository.
    pub repo: RepoId,
    /// A branch, tag or full commit hash; `None` means `main`.
    pub revision: Option<String>,
    /// Settings of the download.
    pub options: PullOptions,
}

/// Settings of a download.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// `true` to also fetch files that no runner needs.
    pub all_files: bool,
    /// `true` to fetch models that will not run, or may not fit on the disk.
    pub force: bool,
    /// Number of simultaneous connections.
    pub workers: usize,
    /// Size of the parts that a file is fetched in. An interruption loses at most one part per
    /// connection.
    pub part_bytes: u64,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self { all_files: false, force: false, workers: 8, part_bytes: 16 << 20 }
    }
}
