//! Jobs other than requests, which take turns with them.

use mlxk_models::Model;
use mlxk_ops::Ops;

use crate::cache::prefix::PrefixCache;

/// A job that is computed step by step. Scoring and embeddings are such jobs.
pub(crate) trait Background: Send {
    /// Computes a step, short enough that running requests do not stall. Returns `true` if there is more
    /// to do.
    fn step(&mut self, tools: Tools<'_>) -> bool;
}

/// Means that a job computes with.
pub(crate) struct Tools<'a> {
    pub(crate) model: &'a dyn Model,
    pub(crate) ops: &'a mut dyn Ops,
    /// Sequences of finished requests and jobs.
    pub(crate) kept: &'a mut PrefixCache,
    /// Bytes that the kept sequences may take.
    pub(crate) kept_bytes: u64,
    /// Most rows of a step without logits.
    pub(crate) chunk: usize,
    /// `true` if requests are running or waiting.
    pub(crate) has_requests: bool,
}
