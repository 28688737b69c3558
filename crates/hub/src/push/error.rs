//! An upload that was refused.

use crate::explain::{Explain, Explained, impl_error};
use crate::http::error::{DENIED, no_such_repo};

/// Failures of an upload, beyond those of the network.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum PushError {
    /// No token is set.
    NoToken { name: String },
    /// The repository does not exist, or the token has no access to it.
    NoRepo { name: String, page: String, token: Option<String> },
    /// The repository has no such branch.
    NoBranch { name: String, branch: String, page: String },
    /// The hub made a repository public although a private one was asked for.
    NotPrivate { name: String, page: String },
}

impl_error!(PushError);

impl Explain for PushError {
    fn explain(&self) -> Explained {
        match self {
            Self::NoToken { name } => {
                Explained::new("auth_error", format!("Uploading to `{name}` requires a token"))
                    .hint(
                        "Create one with write permission on the hub's settings page, and set \
                         `HF_TOKEN` to it",
                    )
            }
            Self::NoRepo { name, page, token } => {
                Explained::new(DENIED, no_such_repo(name, token.as_deref())).hint(format!(
                    "To create it, pass `--create`; otherwise check the spelling on {page}"
                ))
            }
            Self::NoBranch { name, branch, page } => Explained::new(
                "hash_not_found",
                format!("Repository `{name}` has no branch `{branch}`"),
            )
            .hint(format!(
                "To create the branch, pass `--create`; the existing ones are on {page}/tree/main"
            )),
            Self::NotPrivate { name, page } => Explained::new(
                "push_failed",
                format!("The hub made `{name}` public instead of private; nothing was uploaded"),
            )
            .hint(format!(
                "Delete it or make it private on {page}, then try again without `--create`"
            )),
        }
    }
}
