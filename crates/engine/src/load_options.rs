//! How an engine is set up.

use std::path::PathBuf;

use crate::device::DeviceChoice;

/// What [`crate::Engine::load`] is told.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct LoadOptions {
    /// The checkpoint's folder.
    pub path: PathBuf,
    /// Device that computes, for the draft model, too.
    pub device: DeviceChoice,
    /// Tokens of prompt and answer together; what model and memory allow where `None`.
    pub context: Option<usize>,
    /// Tokens of prompts that one step computes.
    pub prefill_chunk: usize,
    /// Requests that are computed at once; more wait.
    pub max_sequences: usize,
    /// Looks up in the text so far what may come next, and computes it along where that pays: the same
    /// answers, faster where they repeat something. See `lookup`.
    pub prompt_lookup: bool,
    /// Folder of a smaller model with the same vocabulary, which guesses what comes next: the same
    /// answers, faster where it guesses well.
    pub draft_model: Option<PathBuf>,
    /// Drafts whether it pays or not: to see what that costs, and that it changes nothing.
    pub draft_always: bool,
    /// Keeps what finished requests computed, for requests that begin alike.
    pub reuse_prefixes: bool,
    /// Keeps that on disk, too.
    pub spill: Option<SpillOptions>,
    /// Moves weights to huge pages in the course of longer answers, where the system has memory and
    /// reads these faster: then a process has weights of its own, rather than share the file's pages.
    pub migrate_weights: bool,
    /// Bytes that the engine may take; what the system can give where `None`.
    pub memory_bytes: Option<u64>,
}

/// Where what was computed is kept on disk: for requests that memory has no room for, and after a
/// restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillOptions {
    /// The folder; models may share it.
    pub folder: PathBuf,
    /// Bytes of all files in it.
    pub max_bytes: u64,
}

impl LoadOptions {
    /// The defaults for the checkpoint in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            device: DeviceChoice::Auto,
            context: None,
            prefill_chunk: 256,
            max_sequences: 16,
            prompt_lookup: true,
            draft_model: None,
            draft_always: false,
            reuse_prefixes: true,
            spill: None,
            migrate_weights: true,
            memory_bytes: None,
        }
    }
}
