//! Jobs other than requests, which take turns with them.

use mlxk_models::Model;
use mlxk_ops::Ops;

/// A job that is computed step by step. Scoring is one; embeddings would be another.
pub(crate) trait Background: Send {
    /// Computes a step, short enough that running requests do not stall. Returns `true` if there is more
    /// to do.
    fn step(&mut self, tools: Tools<'_>) -> bool;
}

/// Means that a job computes with.
pub(crate) struct Tools<'a> {
    pub(crate) model: &'a dyn Model,
    pub(crate) ops: &'a mut dyn Ops,
    /// Most rows of a step without logits.
    pub(crate) chunk: usize,
    /// `true` if requests are running or waiting.
    pub(crate) has_requests: bool,
}
