//! A pull or a repair that was refused or failed.

use std::path::PathBuf;

use crate::explain::{Explain, Explained, impl_error};
use crate::human_bytes::human;

/// Failures of bringing a repository into the cache, beyond those of the network.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum PullError {
    /// The model would not run here.
    WillNotRun { name: String, problem: String },
    /// The model has no second copy on a hub.
    NotRepairable { name: String },
    /// Not enough disk space.
    NoRoom { name: String, folder: PathBuf, needed_bytes: u64, free_bytes: u64 },
    /// A downloaded file is not what the hub promised.
    Damaged { file: String, problem: String },
    /// The caller said no.
    Declined { name: String },
}

impl_error!(PullError);

impl Explain for PullError {
    fn explain(&self) -> Explained {
        match self {
            Self::WillNotRun { name, problem } => {
                Explained::new("ValidationError", format!("`{name}` was not downloaded: {problem}"))
                    .hint("To download it anyway, pass `--force`")
            }
            Self::NotRepairable { name } => Explained::new(
                "ValidationError",
                format!("Cannot repair `{name}`: it is not a repository in the Hugging Face cache"),
            )
            .hint(format!("See what is wrong and how to fix it with `mlxk health {name} --deep`")),
            Self::NoRoom { name, folder, needed_bytes, free_bytes } => Explained::new(
                "download_failed",
                format!(
                    "Not enough disk space to download `{name}`: it needs {} in `{}`, and {} is \
                     free",
                    human(*needed_bytes),
                    folder.display(),
                    human(*free_bytes)
                ),
            )
            .hint(
                "Free some space, set `HF_HUB_CACHE` to another disk, or pass `--force` to try \
                 anyway",
            ),
            Self::Damaged { file, problem } => Explained::new(
                "download_failed",
                format!("Downloaded file `{file}` is damaged: {problem}"),
            )
            .hint("The file was deleted; run the same command to download it again"),
            Self::Declined { name } => {
                Explained::new("UserCancelledError", format!("Download of `{name}` declined"))
            }
        }
    }
}
