//! A failed call to the operating system.

use std::io;

use crate::explain::{Explain, Explained, impl_error};

/// The operating system refused something.
#[derive(Debug)]
pub struct IoError {
    /// The attempt, as a verb and its object: `read the model cache`.
    pub action: &'static str,
    /// The reason; it names the path.
    pub reason: io::Error,
}

impl_error!(IoError);

impl Explain for IoError {
    fn explain(&self) -> Explained {
        let kind = match self.reason.kind() {
            io::ErrorKind::PermissionDenied => "permission_denied",
            _ => "InternalError",
        };
        Explained::new(kind, format!("Could not {}: {}", self.action, self.reason))
    }
}
