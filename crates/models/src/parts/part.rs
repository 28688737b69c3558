//! The interface of a loaded part, and the surroundings in which it is loaded.

use mlxk_ops::{Act, Batch, Compute, Pieces, Rope};

use super::scratch::Scratch;

/// A loaded part of a layer.
pub(crate) trait Part: Send {
    /// `out = part(x)`, both `[rows, hidden]`. They may be the same activation: `out` is written after
    /// the last read of `x`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch);

    /// Returns `true` if each row of the result depends on the same row of `x` alone.
    fn is_row_wise(&self) -> bool {
        false
    }
}

/// Writes activations, given with their widths, next to each other in the rows of `out`.
pub(super) fn join(ops: &mut dyn Compute, out: Act, parts: &[(Act, usize)]) {
    let at = |offset| Pieces { offset, stride: 0 };
    let mut offset = 0;
    for &(part, width) in parts {
        ops.copy_pieces((out, at(offset)), (part, at(0)), 1, width);
        offset += width;
    }
}

/// Surroundings of a part that is loaded.
pub(crate) struct Place<'a> {
    /// Path of the part's module in the checkpoint.
    pub(crate) path: &'a str,
    /// Width of the residual stream.
    pub(crate) hidden: usize,
    /// Index of the part's cache among those of the model.
    pub(crate) cache: usize,
    /// Rotary embeddings of the model.
    pub(crate) ropes: &'a [Rope],
}

impl Place<'_> {
    /// Returns the path of a module below the part.
    pub(super) fn of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}
