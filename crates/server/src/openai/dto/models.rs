//! `/v1/models`.

use serde::Serialize;

/// A list of models.
#[derive(Debug, Serialize)]
pub(crate) struct ModelList {
    pub(crate) object: &'static str,
    pub(crate) data: Vec<Model>,
}

/// A model.
#[derive(Debug, Serialize)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) owned_by: &'static str,
    pub(crate) permission: [(); 0],
    pub(crate) context_length: Option<u64>,
    pub(crate) capabilities: Vec<&'static str>,
}
