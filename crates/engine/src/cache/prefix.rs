//! Sequences of finished requests, kept in memory for requests that begin with the same tokens.
//!
//! A conversation repeats everything that was said before, and many of them start with the same system prompt.
//! What two requests share is computed once. What a token leaves in the cache depends only on the tokens before
//! it, so reusing it never changes an answer.

use std::io;
use std::time::SystemTime;

use mlxk_ops::{Cache, PAGE_POSITIONS, Sequence, SequenceCost};

use super::common_prefix::{common_prefix, shared};
use super::disk::{DiskCache, Kept};

struct Entry {
    /// `[positions]` token ids of the sequence.
    ids: Vec<u32>,
    sequence: Sequence,
    /// Time of the last request that used it.
    used: SystemTime,
    /// `true` if it is on disk, can't be written there, or needn't.
    spilled: bool,
    /// `true` if a later one restores most of it. Every request of a conversation leaves such an entry, because the
    /// next request rarely repeats an answer token by token. They share their memory, but each counts in full, so they
    /// would displace other conversations.
    held: bool,
}

impl Entry {
    fn new(ids: Vec<u32>, sequence: Sequence, spilled: bool) -> Self {
        Self { ids, sequence, used: SystemTime::now(), spilled, held: false }
    }
}

/// A sequence for a new request.
pub(crate) struct Start {
    pub(crate) sequence: Sequence,
    /// Number of its tokens that are computed.
    pub(crate) cached: usize,
    /// Number of its tokens that an earlier request had in common with it; `cached` is less if not all of
    /// them could be restored.
    pub(crate) shared: usize,
}

/// Kept sequences, the least recently used first.
pub(crate) struct PrefixCache {
    entries: Vec<Entry>,
    /// Most positions of all sequences together.
    capacity: usize,
    cost: SequenceCost,
    disk: Option<DiskCache>,
}

impl PrefixCache {
    /// Returns an empty cache for at most `capacity` positions; 0 keeps nothing. Sequences that are evicted
    /// are written to `disk`.
    pub(crate) fn new(capacity: usize, cost: SequenceCost, disk: Option<DiskCache>) -> Self {
        Self { entries: Vec::new(), capacity, cost, disk }
    }

    /// Returns the bytes that all sequences take at most.
    pub(crate) fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| self.cost.bytes(in_pages(entry.ids.len()))).sum()
    }

    fn positions(&self) -> usize {
        self.entries.iter().map(|entry| in_pages(entry.ids.len())).sum()
    }

    /// Returns a new sequence that holds as many of the first tokens of `ids` as are known. At least the last
    /// token is left to compute, because its logits are wanted. The cache may grow to `room` bytes for it.
    pub(crate) fn start(&mut self, ops: &mut dyn Cache, ids: &[u32], room: u64) -> Start {
        self.take_back(ops, ids, room);
        let shared = self.entries.iter().map(|entry| common_prefix(&entry.ids, ids)).max();
        let shared = shared.unwrap_or(0);
        let Some((index, cached)) = self.best(ops, ids).filter(|&(_, cached)| cached > 0) else {
            return Start { sequence: ops.new_sequence(), cached: 0, shared };
        };
        // It was just used, so it is evicted last.
        let entry = self.entries.remove(index);
        let (sequence, cached) = ops.fork(entry.sequence, cached);
        self.entries.push(Entry { held: false, used: SystemTime::now(), ..entry });
        Start { sequence, cached, shared }
    }

    /// Returns how many of the first tokens of `ids` can be restored.
    pub(crate) fn known(&self, ops: &dyn Cache, ids: &[u32]) -> usize {
        let known = self.in_memory(ops, ids);
        self.on_disk(ids, known).map_or(known, |(_, restorable)| restorable)
    }

    fn in_memory(&self, ops: &dyn Cache, ids: &[u32]) -> usize {
        self.best(ops, ids).map_or(0, |(_, restorable)| restorable)
    }

    /// Returns the number of tokens in the file that restores more of `ids` than `known`, and how many of
    /// `ids` it restores.
    fn on_disk(&self, ids: &[u32], known: usize) -> Option<(usize, usize)> {
        self.disk.as_ref()?.find(ids, known)
    }

    /// Reads from disk if that has more of `ids` and there is room for it.
    fn take_back(&mut self, ops: &mut dyn Cache, ids: &[u32], room: u64) {
        let known = self.in_memory(ops, ids);
        let Some((tokens, _)) = self.on_disk(ids, known) else { return };
        let needed = self.cost.bytes(in_pages(tokens));
        if needed > room {
            return;
        }
        while self.bytes() + needed > room && self.evict(ops) {}
        let disk = self.disk.as_mut();
        if let Some((sequence, ids)) = disk.and_then(|disk| disk.read(ops, ids, known)) {
            // Even if an entry holds the same tokens: it could not restore as many.
            self.push(ops, Entry::new(ids, sequence, true));
        }
    }

    /// Returns the entry that restores most of `ids`, and how many of them.
    fn best(&self, ops: &dyn Cache, ids: &[u32]) -> Option<(usize, usize)> {
        let entries = self.entries.iter().map(|entry| match common_prefix(&entry.ids, ids) {
            0 => 0,
            shared => ops.restorable(entry.sequence, shared),
        });
        entries.enumerate().max_by_key(|&(_, restorable)| restorable)
    }

    /// Keeps a sequence that holds `ids`, or frees it if an entry serves as well.
    pub(crate) fn insert(&mut self, ops: &mut dyn Cache, sequence: Sequence, ids: &[u32]) {
        let is_known =
            |entry: &Entry| entry.ids.starts_with(ids) && restores(ops, entry.sequence, ids.len());
        if ids.is_empty() || ids.len() > self.capacity || self.entries.iter().any(is_known) {
            ops.free_sequence(sequence);
            return;
        }
        let spilled = self.disk.as_ref().is_none_or(|disk| disk.holds(ids));
        self.push(ops, Entry::new(ids.to_vec(), sequence, spilled));
    }

    /// Adds an entry, and removes those that it continues and those that there is no room for any more.
    fn push(&mut self, ops: &mut dyn Cache, new: Entry) {
        self.entries.retain_mut(|entry| {
            let restorable = match shared(&new.ids, &entry.ids) {
                0 => 0,
                shared => ops.restorable(new.sequence, shared),
            };
            let continued = restorable == entry.ids.len();
            if continued {
                ops.free_sequence(entry.sequence);
            }
            entry.held |= is_most(restorable, entry.ids.len());
            !continued
        });
        self.entries.push(new);
        while self.positions() > in_pages(self.capacity) && self.evict(ops) {}
    }

    /// Returns the most recently used sequence and its tokens.
    pub(crate) fn last(&self) -> Option<(Sequence, &[u32])> {
        self.entries.last().map(|entry| (entry.sequence, entry.ids.as_slice()))
    }

    /// Frees a sequence: one of which another holds most, or else the least recently used one. Returns `false` if there
    /// is none.
    pub(crate) fn evict(&mut self, ops: &mut dyn Cache) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let index = self.entries.iter().position(|entry| entry.held).unwrap_or(0);
        let Entry { ids, held, .. } = &self.entries[index];
        let known = self.on_disk(ids, 0).map_or(0, |(_, restorable)| restorable);
        if !(*held && is_most(known, ids.len())) {
            self.write(ops, index, &mut || Ok(()));
        }
        ops.free_sequence(self.entries.remove(index).sequence);
        true
    }

    /// Returns `true` if a sequence is in memory that should be on disk, too.
    pub(crate) fn has_more_to_spill(&self) -> bool {
        self.entries.iter().any(|entry| !entry.spilled)
    }

    /// Writes the most recently used sequence that isn't on disk. An error of `goes_on` aborts that; the
    /// sequence is not tried again.
    pub(crate) fn spill_one(
        &mut self,
        ops: &mut dyn Cache,
        goes_on: &mut dyn FnMut() -> io::Result<()>,
    ) {
        let Some(index) = self.entries.iter().rposition(|entry| !entry.spilled) else { return };
        if self.entries[index].held {
            self.entries[index].spilled = true;
        } else {
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
        if let Some(disk) = self.disk.as_mut().filter(|_| !entry.spilled) {
            let Entry { ids, sequence, used, .. } = entry;
            disk.write(ops, &Kept { sequence: *sequence, ids, used: *used }, goes_on);
            entry.spilled = true;
        }
    }

    /// Removes all sequences and returns them. The caller frees them.
    pub(crate) fn drain(&mut self) -> Vec<Sequence> {
        self.entries.drain(..).map(|entry| entry.sequence).collect()
    }
}

/// Returns `true` if the tokens of a sequence that aren't `known` elsewhere are computed quickly.
fn is_most(known: usize, len: usize) -> bool {
    len.saturating_sub(known) <= len / 16
}

/// Returns `true` if a sequence can be cut to exactly `len` positions.
fn restores(ops: &dyn Cache, sequence: Sequence, len: usize) -> bool {
    ops.restorable(sequence, len) == len
}

/// Returns a number of positions, rounded up to full pages.
fn in_pages(positions: usize) -> usize {
    positions.next_multiple_of(PAGE_POSITIONS)
}
