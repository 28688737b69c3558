//! The label that all pieces of an answer carry.

use crate::ids;
use crate::models::Lease;

/// Identity of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) id: String,
    /// Time of the request, in seconds since 1970.
    pub(crate) created: u64,
    /// Name of the model, as the client wrote it.
    pub(crate) model: String,
}

impl Label {
    /// Returns a fresh label with an id that begins with `prefix`. `named` is the model of the request, if
    /// it names one.
    pub(crate) fn new(prefix: &str, named: Option<String>, lease: &Lease) -> Self {
        Self::named(prefix, named.unwrap_or_else(|| lease.name().to_owned()))
    }

    /// Returns a fresh label for a model by this name.
    pub(crate) fn named(prefix: &str, model: String) -> Self {
        Self { id: ids::fresh(prefix), created: ids::unix_seconds(), model }
    }
}
