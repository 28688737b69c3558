//! [`Array`]: a node of MLX's graph.
#![expect(unsafe_code, reason = "references are counted by C functions")]

use std::sync::Arc;

use crate::functions::{RawArray, RawArrays};
use crate::library::Library;

/// A node of the graph. Cloning it copies a reference.
pub(crate) struct Array {
    raw: RawArray,
    library: Arc<Library>,
}

// SAFETY: references are counted atomically, and an array is only reached through its device, which one thread uses at a
// time.
unsafe impl Send for Array {}
// SAFETY: see above.
unsafe impl Sync for Array {}

impl Array {
    /// Takes a reference that a C function returned.
    pub(crate) fn new(raw: RawArray, library: &Arc<Library>) -> Self {
        Self { raw, library: library.clone() }
    }

    /// Returns the reference. It is valid as long as the array.
    pub(crate) fn raw(&self) -> RawArray {
        self.raw
    }

    /// Returns the sizes of all axes.
    pub(crate) fn shape(&self) -> Vec<usize> {
        let functions = &self.library.functions;
        if self.raw.ctx.is_null() {
            return vec![];
        }
        // SAFETY: the array is there, and its shape has this many sizes.
        unsafe {
            let count = (functions.array_ndim)(self.raw);
            if count == 0 {
                return vec![];
            }
            let sizes = std::slice::from_raw_parts((functions.array_shape)(self.raw), count);
            sizes.iter().map(|&size| size as usize).collect()
        }
    }

    /// Returns the size of an axis; 1 if there is no such axis, as in an array of a failed operation.
    pub(crate) fn dim(&self, axis: usize) -> usize {
        self.shape().get(axis).copied().unwrap_or(1)
    }

    /// Copies the bytes of the values out.
    ///
    /// # Safety
    /// The array must have been computed, and its rows must lie one after the other.
    pub(crate) unsafe fn bytes(&self) -> &[u8] {
        let functions = &self.library.functions;
        // SAFETY: see above. The bytes stay as long as the array.
        unsafe {
            let bytes = (functions.array_size)(self.raw) * (functions.array_itemsize)(self.raw);
            let data = (functions.array_data_uint8)(self.raw);
            if bytes == 0 || data.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(data, bytes)
        }
    }
}

impl Clone for Array {
    fn clone(&self) -> Self {
        let functions = &self.library.functions;
        // SAFETY: `array_set` adds a reference to the node of a valid array.
        let raw = unsafe {
            let mut raw = (functions.array_new)();
            if !self.raw.ctx.is_null() {
                (functions.array_set)(&raw mut raw, self.raw);
            }
            raw
        };
        Self::new(raw, &self.library)
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // SAFETY: the reference belongs to this array alone.
        unsafe { (self.library.functions.array_free)(self.raw) };
    }
}

/// Several arrays, as C functions take them.
pub(crate) struct Arrays {
    raw: RawArrays,
    library: Arc<Library>,
}

impl Arrays {
    pub(crate) fn new<'a>(
        arrays: impl IntoIterator<Item = &'a Array>,
        library: &Arc<Library>,
    ) -> Self {
        let arrays: Vec<RawArray> = arrays.into_iter().map(Array::raw).collect();
        // SAFETY: the function copies the references.
        let raw =
            unsafe { (library.functions.vector_array_new_data)(arrays.as_ptr(), arrays.len()) };
        Self { raw, library: library.clone() }
    }

    pub(crate) fn raw(&self) -> RawArrays {
        self.raw
    }
}

impl Drop for Arrays {
    fn drop(&mut self) {
        // SAFETY: it was made here.
        unsafe { (self.library.functions.vector_array_free)(self.raw) };
    }
}
