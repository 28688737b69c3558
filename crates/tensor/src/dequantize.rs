//! Any weight as f32, row by row: the oracle that kernels are tested against.

use crate::block::{E2M1, e4m3, e8m0};
use crate::{Mode, QuantTensor, Storage, affine};

impl QuantTensor {
    /// Writes row `row` of matrix `expert` to `out` as f32.
    ///
    /// # Panics
    /// Panics if there is no such row, or if `out` is not `cols` long.
    pub fn dequantize_row(&self, expert: usize, row: usize, out: &mut [f32]) {
        assert!(expert < self.experts && row < self.rows, "row {row} of expert {expert} exists");
        assert_eq!(out.len(), self.cols, "one value per column");
        let row = expert * self.rows + row;
        match &self.storage {
            Storage::Dense(dense) => {
                for (col, out) in out.iter_mut().enumerate() {
                    *out = dense.get(row * self.cols + col);
                }
            }
            Storage::Affine { bits, group_size, packed, scales, biases } => {
                let length = affine::row_bytes(self.cols, *bits);
                let mut values = vec![0; self.cols];
                affine::unpack_row(&packed[row * length..][..length], *bits, &mut values);
                let groups = self.cols / group_size;
                let first = row * groups;
                let of_row = |dense: &crate::Dense| -> Vec<f32> {
                    (first..first + groups).map(|index| dense.get(index)).collect()
                };
                affine::dequantize_row(&values, *group_size, &of_row(scales), &of_row(biases), out);
            }
            Storage::Block { mode, packed, scales, global_scale } => {
                let length = affine::row_bytes(self.cols, mode.bits());
                let packed = &packed[row * length..][..length];
                let groups = self.cols / mode.group_size();
                let scales = &scales[row * groups..][..groups];
                let factor = global_scale.as_ref().map_or(1.0, |factors| factors[expert]);
                for (col, out) in out.iter_mut().enumerate() {
                    let scale = scales[col / mode.group_size()];
                    let scale = match mode {
                        Mode::Nvfp4 => e4m3(scale) * factor,
                        _ => e8m0(scale),
                    };
                    let value = match mode {
                        Mode::Mxfp8 => e4m3(packed[col]),
                        _ => E2M1[usize::from(packed[col / 2] >> (4 * (col % 2)) & 15)],
                    };
                    *out = scale * value;
                }
            }
        }
    }

    /// Returns the complete weight as f32, `[experts · rows · cols]`.
    pub fn dequantize(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.experts * self.rows * self.cols];
        for (index, out) in out.chunks_mut(self.cols.max(1)).enumerate() {
            self.dequantize_row(index / self.rows, index % self.rows, out);
        }
        out
    }
}
