//! Sequences of finished requests, kept for requests that begin with the same tokens.
//!
//! A conversation repeats all it said before, and a system prompt starts many of them: what two
//! requests share is computed once. The KV cache of a token depends on the tokens before it alone,
//! so reusing it changes no answer.

use mlxk_ops::{Ops, PAGE_POSITIONS, Sequence};

struct Entry {
    /// `[positions]` the tokens that the sequence holds.
    ids: Vec<u32>,
    sequence: Sequence,
}

/// Tokens that a sequence of `known` has computed for `wanted`, the last of which is left: its logits
/// are wanted.
pub(crate) fn shared(known: &[u32], wanted: &[u32]) -> usize {
    let equal = known.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    equal.min(wanted.len().saturating_sub(1))
}

/// A new sequence of the first `count` positions of another.
pub(crate) fn fork(ops: &mut dyn Ops, sequence: Sequence, count: usize) -> Sequence {
    let forked = ops.kv_fork(sequence);
    ops.kv_truncate(forked, count);
    forked
}

/// Kept sequences, the least recently used first.
pub(crate) struct PrefixCache {
    entries: Vec<Entry>,
    /// Most positions of all together.
    capacity: usize,
}

impl PrefixCache {
    /// A cache of at most `capacity` positions; 0 keeps nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Vec::new(), capacity }
    }

    /// Positions that all sequences hold, in whole pages.
    pub(crate) fn positions(&self) -> usize {
        self.entries.iter().map(|entry| entry.ids.len().next_multiple_of(PAGE_POSITIONS)).sum()
    }

    /// A new sequence that holds as many of the first tokens of `ids` as are known, and how many.
    /// At least the last token is left to compute: its logits are wanted.
    pub(crate) fn fork(&mut self, ops: &mut dyn Ops, ids: &[u32]) -> Option<(Sequence, usize)> {
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
        self.best(ids).map_or(0, |(_, shared)| shared)
    }

    /// The entry that shares most with `ids`, and how much.
    fn best(&self, ids: &[u32]) -> Option<(usize, usize)> {
        let entries = self.entries.iter().map(|entry| shared(&entry.ids, ids)).enumerate();
        entries.max_by_key(|&(_, shared)| shared)
    }

    /// Keeps a sequence that holds `ids`, or frees it.
    pub(crate) fn insert(&mut self, ops: &mut dyn Ops, sequence: Sequence, ids: &[u32]) {
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
        self.entries.push(Entry { ids: ids.to_vec(), sequence });
        while self.positions() > self.capacity.next_multiple_of(PAGE_POSITIONS) {
            self.evict(ops);
        }
    }

    /// The most recently used sequence and what it holds.
    pub(crate) fn last(&self) -> Option<(Sequence, &[u32])> {
        self.entries.last().map(|entry| (entry.sequence, entry.ids.as_slice()))
    }

    /// Frees the least recently used sequence; whether there was one.
    pub(crate) fn evict(&mut self, ops: &mut dyn Ops) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        ops.kv_free(self.entries.remove(0).sequence);
        true
    }

    /// Gives up all sequences; the caller frees them.
    pub(crate) fn drain(&mut self) -> Vec<Sequence> {
        self.entries.drain(..).map(|entry| entry.sequence).collect()
    }
}
