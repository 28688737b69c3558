//! A removal that was refused.

use std::path::PathBuf;

use crate::explain::{Explain, Explained, did_you_mean, impl_error, ticked};

/// Failures of removing a model.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum RemoveError {
    /// No model of that name, not even a broken one.
    NotFound { name: String, similar: Vec<String> },
    /// The repository has other revisions only; `available` holds their hashes.
    NoSuchRevision { name: String, revision: String, available: Vec<String> },
    /// The path is a folder or file of the user's own.
    NotOurs { path: PathBuf },
    /// Another program holds lock files of the repository.
    Locked { name: String, files: Vec<PathBuf> },
    /// A folder of the repository is a link to somewhere else.
    ThroughLink { name: String, link: PathBuf },
}

impl_error!(RemoveError);

impl Explain for RemoveError {
    fn explain(&self) -> Explained {
        match self {
            Self::NotFound { name, similar } => {
                Explained::new("model_not_found", format!("Model `{name}` not found")).hint(
                    did_you_mean(similar).unwrap_or_else(|| {
                        "`mlxk list --all` shows everything that you can delete".to_owned()
                    }),
                )
            }
            Self::NoSuchRevision { name, revision, available } => Explained::new(
                "hash_not_found",
                format!("Revision `{revision}` of `{name}` is not on this machine"),
            )
            .hint(if available.is_empty() {
                format!("It has no revisions; delete what is left of it with `mlxk rm {name}`")
            } else {
                format!("Available revisions: {}", ticked(available))
            }),
            Self::NotOurs { path } => Explained::new(
                "workspace_model",
                format!(
                    "Refusing to delete `{}`: `mlxk rm` only deletes models in the cache and \
                     imported ones",
                    path.display()
                ),
            )
            .hint("Delete it as you would any other file"),
            Self::Locked { name, files } => {
                let lock = files.first().map(|file| file.display().to_string()).unwrap_or_default();
                Explained::new(
                    "locks_present",
                    format!("Another program is using `{name}`: it holds the lock `{lock}`"),
                )
                .hint("Wait until it has finished, or pass `--force` to delete the model anyway")
            }
            Self::ThroughLink { name, link } => Explained::new(
                "deletion_failed",
                format!("Cannot delete from `{name}`: its folder `{}` is a link", link.display()),
            )
            .hint(format!("`mlxk rm {name}` deletes the links and keeps their targets")),
        }
    }
}
