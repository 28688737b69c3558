//! A mutable slice for parallel regions in which each block writes another part of it.
#![expect(unsafe_code, reason = "disjointness is a matter of block numbers, not of lifetimes")]

use std::marker::PhantomData;
use std::ops::Range;

/// A `&mut [T]` that several threads can share.
#[derive(Clone, Copy)]
pub(crate) struct DisjointSlice<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: `DisjointSlice` stands for a mutable slice, so it is as sendable as the slice itself.
// `part` requires that no two threads touch the same element.
unsafe impl<T: Send> Send for DisjointSlice<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for DisjointSlice<'_, T> {}

impl<'a, T> DisjointSlice<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// Returns the elements in `range`.
    ///
    /// # Safety
    /// No other part in use may overlap `range`.
    ///
    /// # Panics
    /// Panics if `range` is out of bounds.
    #[expect(clippy::mut_from_ref, reason = "the caller promises disjoint parts")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range is inside the borrowed slice, and the caller promises that it is
        // exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
