//! A weight as a device takes it: shape, storage and bytes, already checked against each other.

use std::ops::Range;

use mlxk_memory::Bytes;

use crate::{Dtype, Mode};

/// Little-endian floating values of one type, in row-major order.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Element type.
    pub dtype: Dtype,
    /// `elements · dtype.size_bytes()` bytes.
    pub data: Bytes,
}

impl Dense {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size_bytes()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Element `index`, widened to f32.
    #[inline]
    pub fn get(&self, index: usize) -> f32 {
        self.dtype.get(&self.data, index)
    }

    /// All elements, widened to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        (0..self.len()).map(|index| self.get(index)).collect()
    }
}

/// How the values of a [`QuantTensor`] are stored. All lengths are checked by the loader.
#[derive(Clone, Debug)]
pub enum Storage {
    /// `[experts ·] rows · cols` floating values.
    Dense(Dense),
    /// MLX affine groups.
    Affine {
        /// 2, 3, 4, 5, 6 or 8.
        bits: usize,
        /// 32, 64 or 128; divides `cols`.
        group_size: usize,
        /// `cols · bits / 8` bytes per row.
        packed: Bytes,
        /// `cols / group_size` values per row.
        scales: Dense,
        /// `cols / group_size` values per row.
        biases: Dense,
    },
    /// Block floating point: mxfp4, mxfp8, nvfp4.
    Block {
        /// One of the block modes, never affine.
        mode: Mode,
        /// `cols · bits / 8` bytes per row.
        packed: Bytes,
        /// One byte (E8M0 or E4M3) per group, `cols / group_size` per row.
        scales: Bytes,
        /// nvfp4 only: one f32 per expert, multiplied into every value; 1 where absent.
        global_scale: Option<Vec<f32>>,
    },
}

/// A weight matrix `[rows, cols]`, or a stack of them `[experts, rows, cols]`;
/// row = output feature, column = input feature.
#[derive(Clone, Debug)]
pub struct QuantTensor {
    /// Path of the module it belongs to, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// Number of stacked matrices; 1 for a plain one.
    pub experts: usize,
    /// Output features of one matrix.
    pub rows: usize,
    /// Input features.
    pub cols: usize,
    /// The values.
    pub storage: Storage,
}

impl QuantTensor {
    /// The quantization, `None` for dense storage.
    pub fn mode(&self) -> Option<Mode> {
        match &self.storage {
            Storage::Dense(_) => None,
            Storage::Affine { bits, group_size, .. } => {
                Some(Mode::Affine { bits: *bits as u8, group_size: *group_size as u16 })
            }
            Storage::Block { mode, .. } => Some(*mode),
        }
    }

    /// Bytes that the matrix occupies in the file, scales included.
    pub fn size_bytes(&self) -> usize {
        match &self.storage {
            Storage::Dense(dense) => dense.data.len(),
            Storage::Affine { packed, scales, biases, .. } => {
                packed.len() + scales.data.len() + biases.data.len()
            }
            Storage::Block { packed, scales, .. } => packed.len() + scales.len(),
        }
    }

    /// All that it occupies in the file.
    pub fn bytes_mut(&mut self) -> Vec<&mut Bytes> {
        match &mut self.storage {
            Storage::Dense(dense) => vec![&mut dense.data],
            Storage::Affine { packed, scales, biases, .. } => {
                vec![packed, &mut scales.data, &mut biases.data]
            }
            Storage::Block { packed, scales, .. } => vec![packed, scales],
        }
    }

    /// A copy of some rows of a plain matrix, as a stack of `ranges.len()` matrices.
    ///
    /// # Panics
    /// Where it is a stack, has no such rows, or the ranges differ in length.
    #[must_use]
    pub fn stack_of_rows(&self, ranges: &[Range<usize>]) -> Self {
        assert!(self.experts == 1, "a stack has no rows of its own");
        let rows = ranges.first().map_or(0, Range::len);
        assert!(ranges.iter().all(|range| range.len() == rows), "ranges are of equal length");
        let cut = |bytes: &Bytes| {
            let row = bytes.len() / self.rows;
            let parts = ranges.iter().map(|range| &bytes[range.start * row..range.end * row]);
            Bytes::from(parts.collect::<Vec<_>>().concat())
        };
        let mut storage = self.cut(&cut);
        if let Storage::Block { global_scale: Some(factors), .. } = &mut storage {
            *factors = vec![factors[0]; ranges.len()];
        }
        Self { name: self.name.clone(), experts: ranges.len(), rows, cols: self.cols, storage }
    }

    /// The rows `range` of a plain matrix, sharing its bytes.
    ///
    /// # Panics
    /// Where it is a stack, or has no such rows.
    #[must_use]
    pub fn row_range(&self, range: Range<usize>) -> Self {
        assert!(self.experts == 1, "a stack has no rows of its own");
        let cut = |bytes: &Bytes| {
            let row = bytes.len() / self.rows;
            bytes.slice(range.start * row..range.end * row).expect("the matrix has these rows")
        };
        let name = self.name.clone();
        Self { name, experts: 1, rows: range.len(), cols: self.cols, storage: self.cut(&cut) }
    }

    /// The storage with `cut` applied to all bytes that belong to rows.
    fn cut(&self, cut: &dyn Fn(&Bytes) -> Bytes) -> Storage {
        let cut_dense = |dense: &Dense| Dense { dtype: dense.dtype, data: cut(&dense.data) };
        match &self.storage {
            Storage::Dense(dense) => Storage::Dense(cut_dense(dense)),
            Storage::Affine { bits, group_size, packed, scales, biases } => Storage::Affine {
                bits: *bits,
                group_size: *group_size,
                packed: cut(packed),
                scales: cut_dense(scales),
                biases: cut_dense(biases),
            },
            Storage::Block { mode, packed, scales, global_scale } => Storage::Block {
                mode: *mode,
                packed: cut(packed),
                scales: cut(scales),
                global_scale: global_scale.clone(),
            },
        }
    }
}
