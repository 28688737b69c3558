//! The cache: what sequences keep of the tokens that were computed.

use std::io;

use crate::{CacheSpec, Extent, Sequence};

/// The part of a device that holds keys, values and states of sequences.
///
/// Not every sequence can be cut everywhere. Attention that sees all positions can be cut to any length. A
/// layer with a window gives back positions that no row sees any more, but enough is held to go back to any
/// length from [`crate::REWIND_SLACK`] positions before the start of the last step on. A state can only be
/// taken back to a checkpoint. So [`Cache::rewind`] and [`Cache::fork`] return the length they reached.
pub trait Cache {
    /// Sets what each layer keeps. Must be called before the first sequence is made.
    fn configure_cache(&mut self, spec: &CacheSpec);

    /// Makes a new, empty sequence.
    fn new_sequence(&mut self) -> Sequence;

    /// Frees the sequence. Its handle is invalid afterwards.
    fn free_sequence(&mut self, sequence: Sequence);

    /// Returns the number of positions in the sequence.
    fn sequence_len(&self, sequence: Sequence) -> usize;

    /// Goes back to `len`, or to the last length before it that can be restored, and returns where it landed.
    /// Checkpoints behind that are dropped.
    fn rewind(&mut self, sequence: Sequence, len: usize) -> usize;

    /// Makes a sequence that shares the first `len` positions, or as many as can be restored, and returns their
    /// number. It also shares the checkpoints up to there.
    fn fork(&mut self, sequence: Sequence, len: usize) -> (Sequence, usize);

    /// Returns the length at which [`Cache::rewind`] and [`Cache::fork`] would land.
    fn restorable(&self, sequence: Sequence, len: usize) -> usize;

    /// Keeps what is needed to return to the sequence as it is now. Does nothing if every length can be
    /// restored anyway.
    fn checkpoint(&mut self, sequence: Sequence);

    /// Returns the lengths of the sequence's checkpoints, ascending.
    fn checkpoints(&self, sequence: Sequence) -> Vec<usize>;

    /// Drops the checkpoint at `len`. What it alone needed is given back by the next step.
    fn drop_checkpoint(&mut self, sequence: Sequence, len: usize);

    /// Returns the size of the pages and states of all sequences in bytes.
    fn cache_bytes(&self) -> usize;

    /// Describes the bytes of [`Cache::export`] and the arithmetic that produced them. A device may import
    /// them only if its own description is identical.
    fn cache_layout(&self) -> String;

    /// Returns what an export of the first `len` positions would hold; fewer positions if `len` cannot be
    /// restored.
    fn extent(&self, sequence: Sequence, len: usize) -> Extent;

    /// Returns the number of bytes that [`Cache::export`] writes.
    fn export_bytes(&self, extent: &Extent) -> u64;

    /// Passes the part of a sequence that `extent` describes to `write`, piece by piece.
    ///
    /// It takes `&mut self` because a GPU has to submit a copy to read its own memory.
    fn export(
        &mut self,
        sequence: Sequence,
        extent: &Extent,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()>;

    /// Makes a sequence from the bytes of an export, which `read` fills in.
    fn import(
        &mut self,
        extent: &Extent,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence>;
}
