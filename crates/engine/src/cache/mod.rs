//! KV values that outlive their request: in memory, on disk, and in files that you save.

pub(crate) mod checkpoints;
pub(crate) mod common_prefix;
pub(crate) mod disk;
pub(crate) mod file;
pub(crate) mod prefix;
pub(crate) mod saved;
