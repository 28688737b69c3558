//! An upload that was refused.

use crate::explain::{Explain, Explained, impl_error};

/// Failures of an upload, beyond those of the network.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum PushError {
    /// No token is set.
    NoToken { name: String },
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
