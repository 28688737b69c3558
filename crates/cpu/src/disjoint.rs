//! A mutable slice that the blocks of a parallel region write disjoint parts of.
#![expect(unsafe_code, reason = "disjointness is a matter of block numbers, not of lifetimes")]

use std::marker::PhantomData;
use std::ops::Range;

/// A `&mut [T]` that can be handed to several threads.
#[derive(Clone, Copy)]
pub(crate) struct DisjointSlice<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: `DisjointSlice` is a mutable slice; what it may do is as sendable as the slice itself, and
// `part` demands that no two threads touch the same element.
unsafe impl<T: Send> Send for DisjointSlice<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for DisjointSlice<'_, T> {}

impl<'a, T> DisjointSlice<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// The elements in `range`.
    ///
    /// # Safety
    /// No other part that is in use overlaps `range`.
    ///
    /// # Panics
    /// Where `range` is not inside the slice.
    #[expect(clippy::mut_from_ref, reason = "the caller promises disjoint parts")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range is inside the borrowed slice, and exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
