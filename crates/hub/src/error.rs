//! The error of this crate: one of the errors of its parts.

use mlxk_format::FormatError;

use crate::derived::error::DerivedError;
use crate::explain::{Explain, Explained};
use crate::http::error::HttpError;
use crate::import::error::ImportError;
use crate::io_error::IoError;
use crate::ollama::error::OllamaError;
use crate::pull::error::PullError;
use crate::push::error::PushError;
use crate::reference::error::ReferenceError;
use crate::remove::error::RemoveError;
use crate::workspace::error::WorkspaceError;

/// Result of everything in this crate that can fail.
pub type Result<T, E = HubError> = std::result::Result<T, E>;

/// A failure in any part of this crate.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is named after the error that it holds")]
pub enum HubError {
    Reference(#[from] ReferenceError),
    Ollama(#[from] OllamaError),
    Http(#[from] HttpError),
    Pull(#[from] PullError),
    Push(#[from] PushError),
    Import(#[from] ImportError),
    Remove(#[from] RemoveError),
    Workspace(#[from] WorkspaceError),
    Derived(#[from] DerivedError),
    Format(#[from] FormatError),
    Io(#[from] IoError),
    /// The [`Reporter`](crate::Reporter) asked to stop.
    #[error("Interrupted")]
    Cancelled,
}

impl HubError {
    /// Returns advice, if possible a command to paste.
    pub fn hint(&self) -> Option<String> {
        self.explain().hint
    }

    /// Returns the error's `type` in MLX-Knife's JSON API.
    pub fn kind(&self) -> &'static str {
        self.explain().kind
    }

    /// Returns the full names that an ambiguous one may stand for.
    pub fn candidates(&self) -> Option<Vec<String>> {
        match self {
            Self::Reference(error) => error.candidates(),
            Self::Workspace(WorkspaceError::Ambiguous { candidates, .. }) => {
                Some(candidates.clone())
            }
            Self::Ollama(OllamaError::SeveralTags { tags, .. }) => {
                Some(tags.iter().map(|tag| format!("ollama:{tag}")).collect())
            }
            _ => None,
        }
    }

    /// For `map_err`: says what was attempted, as a verb and its object.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |reason| IoError { action, reason }.into()
    }

    fn explain(&self) -> Explained {
        match self {
            Self::Reference(error) => error.explain(),
            Self::Ollama(error) => error.explain(),
            Self::Http(error) => error.explain(),
            Self::Pull(error) => error.explain(),
            Self::Push(error) => error.explain(),
            Self::Import(error) => error.explain(),
            Self::Remove(error) => error.explain(),
            Self::Workspace(error) => error.explain(),
            Self::Derived(error) => error.explain(),
            Self::Io(error) => error.explain(),
            Self::Format(error) => Explained::new("execution_error", error.to_string()),
            Self::Cancelled => Explained::new("UserCancelledError", "Interrupted"),
        }
    }
}
