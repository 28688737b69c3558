//! Read-only bytes that keep their backing alive: a mapped file or memory of its own.
//!
//! Kernels read weights where they lie in the file, so a tensor's bytes are a cheap, cloneable
//! handle (`Arc` and range) instead of a borrow.

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
    /// Pages that belong to no file.
    Memory(Mmap),
    Heap(Vec<u8>),
}

impl Bytes {
    /// The whole of a mapped file.
    pub(crate) fn from_file(map: Mmap) -> Self {
        Self::whole(map.len(), Backing::File(map))
    }

    /// The whole of a map of no file.
    pub(crate) fn from_memory(map: Mmap) -> Self {
        Self::whole(map.len(), Backing::Memory(map))
    }

    fn whole(size: usize, backing: Backing) -> Self {
        Self { backing: Arc::new(backing), range: 0..size }
    }

    /// The map of the file that these bytes lie in, and their place in it; `None` where they lie in
    /// none.
    #[cfg(unix)]
    pub(crate) fn mapped(&self) -> Option<(&Mmap, Range<usize>)> {
        match &*self.backing {
            Backing::File(map) => Some((map, self.range.clone())),
            Backing::Memory(_) | Backing::Heap(_) => None,
        }
    }

    /// The part `range` of these bytes, sharing the backing; `None` where it does not lie inside.
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
