//! Read-only bytes that keep their backing alive, which is a mapped file or memory.
//!
//! Kernels read weights directly from the mapped file, so the bytes of a tensor are a cheap,
//! cloneable handle (an `Arc` and a range) instead of a borrow.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::Mmap;

/// A shared, immutable slice of bytes.
#[derive(Clone)]
pub struct Bytes {
    backing: Arc<Backing>,
    range: Range<usize>,
}

enum Backing {
    File(Mmap),
    /// Anonymous pages.
    Memory(Mmap),
    Heap(Vec<u8>),
}

impl Bytes {
    /// Wraps a complete mapped file.
    pub(crate) fn from_file(map: Mmap) -> Self {
        Self::whole(map.len(), Backing::File(map))
    }

    /// Wraps a complete anonymous map.
    pub(crate) fn from_memory(map: Mmap) -> Self {
        Self::whole(map.len(), Backing::Memory(map))
    }

    fn whole(size: usize, backing: Backing) -> Self {
        Self { backing: Arc::new(backing), range: 0..size }
    }

    /// Returns the map of the file behind these bytes and their range in it, or `None` if they
    /// don't come from a file.
    #[cfg(unix)]
    pub(crate) fn mapped(&self) -> Option<(&Mmap, Range<usize>)> {
        match &*self.backing {
            Backing::File(map) => Some((map, self.range.clone())),
            Backing::Memory(_) | Backing::Heap(_) => None,
        }
    }

    /// Returns the part `range` of these bytes, sharing the backing, or `None` if `range` is out of
    /// bounds.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        let start = self.range.start.checked_add(range.start)?;
        let end = self.range.start.checked_add(range.end)?;
        (start <= end && end <= self.range.end)
            .then(|| Self { backing: Arc::clone(&self.backing), range: start..end })
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(data: Vec<u8>) -> Self {
        Self::whole(data.len(), Backing::Heap(data))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let whole: &[u8] = match &*self.backing {
            Backing::File(map) | Backing::Memory(map) => map,
            Backing::Heap(data) => data,
        };
        &whole[self.range.clone()]
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.len())
    }
}
