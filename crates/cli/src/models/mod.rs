//! Getting models: resolve names, pull, and judge support.

pub(crate) mod progress;
pub(crate) mod pull;
pub(crate) mod resolve;
pub(crate) mod supported;
