//! An import that was refused or failed.

use std::path::PathBuf;

use crate::explain::{Explain, Explained, impl_error};
use crate::human_bytes::human;

/// Failures of importing a model file, and of fetching the package that contains it.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum ImportError {
    /// No Python that could run pip. `problem` says what was tried.
    NoPip { problem: String },
    /// pip could not download the package. `detail` is the line of its output that says why.
    PipFailed { requirement: String, detail: String },
    /// The package file is malformed. `problem` completes "Package file `x` …".
    BadWheel { file: String, problem: String },
    /// The `member` of a package does not have the hash that was promised. Hashes are hexadecimal.
    Damaged { file: String, member: String, expected: String, found: String },
    /// Not enough disk space.
    NoRoom { name: String, folder: PathBuf, needed_bytes: u64, free_bytes: u64 },
    /// The caller said no.
    Declined { name: String },
}

impl_error!(ImportError);

const DOWNLOAD: &str = "download_failed";
const NOTHING_KEPT: &str = "Nothing was kept; report this to the operator of the package index";

impl Explain for ImportError {
    fn explain(&self) -> Explained {
        match self {
            Self::NoPip { problem } => Explained::new(
                DOWNLOAD,
                format!("`pypi:` models need Python 3 with pip: {problem}"),
            )
            .hint(
                "Install Python 3 with pip (`python3 -m ensurepip` adds pip), or set \
                         `MLXK_PYTHON` to the interpreter",
            ),
            Self::PipFailed { requirement, detail } => Explained::new(
                DOWNLOAD,
                format!("Downloading `{requirement}` with pip failed: {detail}"),
            )
            .hint(format!(
                "See the full output with `python3 -m pip download --no-deps {requirement}`"
            )),
            Self::BadWheel { file, problem } => {
                Explained::new(DOWNLOAD, format!("Package file `{file}` {problem}"))
                    .hint(NOTHING_KEPT)
            }
            Self::Damaged { file, member, expected, found } => Explained::new(
                DOWNLOAD,
                format!(
                    "`{member}` in `{file}` is damaged: its SHA-256 is {found}, not {expected}"
                ),
            )
            .hint(NOTHING_KEPT),
            Self::NoRoom { name, folder, needed_bytes, free_bytes } => Explained::new(
                DOWNLOAD,
                format!(
                    "Not enough disk space to import `{name}`: it needs {} in `{}`, and {} is free",
                    human(*needed_bytes),
                    folder.display(),
                    human(*free_bytes)
                ),
            )
            .hint("Free some space, or set `XDG_DATA_HOME` to another disk"),
            Self::Declined { name } => {
                Explained::new("UserCancelledError", format!("Import of `{name}` declined"))
            }
        }
    }
}
