//! The KV cache: sequences, and their keys and values as bytes.

use std::io;

use crate::{KvSpec, Sequence};

/// The part of a device that holds the keys and values of sequences.
pub trait Cache {
    /// Sets the layout of one position. Must be called before the first sequence is made.
    fn kv_configure(&mut self, spec: KvSpec);

    /// Makes a new, empty sequence.
    fn kv_new(&mut self) -> Sequence;

    /// Makes a copy of `sequence` that shares its pages.
    fn kv_fork(&mut self, sequence: Sequence) -> Sequence;

    /// Drops all positions from `len` on.
    fn kv_truncate(&mut self, sequence: Sequence, len: usize);

    /// Frees the sequence. Its handle is invalid afterwards.
    fn kv_free(&mut self, sequence: Sequence);

    /// Returns the number of positions in the sequence.
    fn kv_len(&self, sequence: Sequence) -> usize;

    /// Returns the size of the pages of all sequences in bytes.
    fn kv_bytes(&self) -> usize;

    /// Describes the bytes of [`Cache::kv_export`] and the arithmetic that produced them. A device may
    /// import them only if its own description is identical.
    fn kv_layout(&self) -> String;

    /// Returns the number of bytes that [`Cache::kv_export`] writes for `len` positions.
    fn kv_export_bytes(&self, len: usize) -> u64;

    /// Passes the first `len` positions of the sequence to `write`, piece by piece.
    ///
    /// It takes `&mut self` because a GPU has to submit a copy to read its own memory.
    fn kv_export(
        &mut self,
        sequence: Sequence,
        len: usize,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()>;

    /// Makes a sequence of `len` positions from the bytes of an export, which `read` fills in.
    fn kv_import(
        &mut self,
        len: usize,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence>;
}
