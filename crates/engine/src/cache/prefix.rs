//! Sequences of finished requests, kept for requests that begin with the same tokens.
//!
//! A conversation repeats all it said before, and a system prompt starts many of them: what two
//! requests share is computed once. The KV cache of a token depends on the tokens before it alone,
//! so reusing it changes no answer.

use std::io;

use mlxk_ops::{Cache, PAGE_POSITIONS, Sequence};

use super::common_prefix::common_prefix;
use crate::cache::disk::DiskCache;

struct Entry {
    /// `[positions]` the tokens that the sequence holds.
    ids: Vec<u32>,
    sequence: Sequence,
    /// Whether it has been brought to the disk, as far as that can be.
    spilled: bool,
}

/// A new sequence of the first `count` positions of another.
pub(crate) fn fork(ops: &mut dyn Cache, sequence: Sequence, count: usize) -> Sequence {
    let forked = ops.kv_fork(sequence);
    ops.kv_truncate(forked, count);
    forked
}

/// Kept sequences, the least recently used first.
pub(crate) struct PrefixCache {
    entries: Vec<Entry>,
    /// Most positions of all together.
    capacity: usize,
    spill: Option<DiskCache>,
}

impl PrefixCache {
    /// A cache of at most `capacity` positions in memory; 0 keeps nothing. What has to go, goes to
    /// `spill`.
    pub(crate) fn new(capacity: usize, spill: Option<DiskCache>) -> Self {
        Self { entries: Vec::new(), capacity, spill }
    }

    /// Positions that all sequences hold, in whole pages.
    pub(crate) fn positions(&self) -> usize {
        self.entries.iter().map(|entry| entry.ids.len().next_multiple_of(PAGE_POSITIONS)).sum()
    }

    /// A new sequence that holds as many of the first tokens of `ids` as are known, and how many.
    /// At least the last token is left to compute: its logits are wanted. The cache may grow to `room`
    /// positions for it.
    pub(crate) fn fork(
        &mut self,
        ops: &mut dyn Cache,
        ids: &[u32],
        room: usize,
    ) -> Option<(Sequence, usize)> {
        self.take_back(ops, ids, room);
        let (index, shared) = self.best(ids)?;
        if shared == 0 {
            return None;
        }
        // Used now, so dropped last.
        let entry = self.entries.remove(index);
        let sequence = fork(ops, entry.sequence, shared);
        self.entries.push(entry);
        Some((sequence, shared))
    }

    /// How many of the first tokens of `ids` are known.
    pub(crate) fn known(&self, ids: &[u32]) -> usize {
        let known = self.in_memory(ids);
        self.spilled(ids, known).map_or(known, |(_, shared)| shared)
    }

    fn in_memory(&self, ids: &[u32]) -> usize {
        self.best(ids).map_or(0, |(_, shared)| shared)
    }

    /// Tokens of the file that holds more of `ids` than `known`, and how many of these it holds.
    fn spilled(&self, ids: &[u32], known: usize) -> Option<(usize, usize)> {
        self.spill.as_ref()?.find(ids, known)
    }

    /// Reads from the disk where that has more of `ids`, and there is room for it.
    fn take_back(&mut self, ops: &mut dyn Cache, ids: &[u32], room: usize) {
        let known = self.in_memory(ids);
        let Some((tokens, _)) = self.spilled(ids, known) else { return };
        let needed = tokens.next_multiple_of(PAGE_POSITIONS);
        if needed > room {
            return;
        }
        while self.positions() + needed > room {
            self.evict(ops);
        }
        let spill = self.spill.as_mut();
        if let Some((sequence, ids)) = spill.and_then(|spill| spill.read(ops, ids, known)) {
            self.insert(ops, sequence, &ids);
        }
    }

    /// The entry that shares most with `ids`, and how much.
    fn best(&self, ids: &[u32]) -> Option<(usize, usize)> {
        let entries = self.entries.iter().map(|entry| common_prefix(&entry.ids, ids)).enumerate();
        entries.max_by_key(|&(_, shared)| shared)
    }

    /// Keeps a sequence that holds `ids`, or frees it.
    pub(crate) fn insert(&mut self, ops: &mut dyn Cache, sequence: Sequence, ids: &[u32]) {
        if ids.is_empty()
            || ids.len() > self.capacity
            || self.entries.iter().any(|entry| entry.ids.starts_with(ids))
        {
            ops.kv_free(sequence);
            return;
        }
        // What the new sequence continues is in it.
        self.entries.retain(|entry| {
            let contained = ids.starts_with(&entry.ids);
            if contained {
                ops.kv_free(entry.sequence);
            }
            !contained
        });
        let spilled = self.spill.as_ref().is_none_or(|spill| spill.holds(ids));
        self.entries.push(Entry { ids: ids.to_vec(), sequence, spilled });
        while self.positions() > self.capacity.next_multiple_of(PAGE_POSITIONS) {
            self.evict(ops);
        }
    }

    /// The most recently used sequence and what it holds.
    pub(crate) fn last(&self) -> Option<(Sequence, &[u32])> {
        self.entries.last().map(|entry| (entry.sequence, entry.ids.as_slice()))
    }

    /// Frees the least recently used sequence; whether there was one.
    pub(crate) fn evict(&mut self, ops: &mut dyn Cache) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        self.write(ops, 0, &mut || Ok(()));
        ops.kv_free(self.entries.remove(0).sequence);
        true
    }

    /// Whether something is in memory alone that should be on the disk, too.
    pub(crate) fn has_more_to_spill(&self) -> bool {
        self.entries.iter().any(|entry| !entry.spilled)
    }

    /// Brings the most recently used sequence that is in memory alone to the disk. `goes_on` ends it by
    /// an error; it is not tried again.
    pub(crate) fn spill_one(
        &mut self,
        ops: &mut dyn Cache,
        goes_on: &mut dyn FnMut() -> io::Result<()>,
    ) {
        if let Some(index) = self.entries.iter().rposition(|entry| !entry.spilled) {
            self.write(ops, index, goes_on);
        }
    }

    fn write(
        &mut self,
        ops: &mut dyn Cache,
        index: usize,
        goes_on: &mut dyn FnMut() -> io::Result<()>,
    ) {
        let entry = &mut self.entries[index];
        if let Some(spill) = self.spill.as_mut().filter(|_| !entry.spilled) {
            spill.write(ops, entry.sequence, &entry.ids, goes_on);
            entry.spilled = true;
        }
    }

    /// Gives up all sequences; the caller frees them.
    pub(crate) fn drain(&mut self) -> Vec<Sequence> {
        self.entries.drain(..).map(|entry| entry.sequence).collect()
    }
}
