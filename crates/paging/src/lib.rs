//! The bookkeeping of a cache, without memory of its own: counted pages, block tables of sequences, and
//! checkpoints to return to.
//!
//! A device implements [`CacheMemory`] and gets [`SequenceCache`]. Layers whose pages have the same shape
//! and window form a group, whose pages have numbers. A sequence has a block table of them per group, and
//! the states of its recurrent layers.
//!
//! Invariant: a page is in a table if a row from the start of the last step on may see it, if a checkpoint
//! needs it, or if nothing has swept it yet. So a sequence can be rewound to any length that the last step
//! started at or passed, and to every checkpoint.

#![forbid(unsafe_code)]

mod checkpoints;
mod memory;
mod pages;
mod sequences;

pub use memory::{CacheMemory, Read, Write};
pub use pages::Table;
pub use sequences::{LayerPages, SequenceCache};
