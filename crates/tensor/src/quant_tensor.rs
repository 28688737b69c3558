//! A weight in the form that a device takes: shape, storage and bytes, already checked against each
//! other.

use std::ops::Range;

use mlxk_memory::Bytes;

use crate::{Dtype, Mode};

/// Little-endian floating-point values of one type, in row-major order.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Element type.
    pub dtype: Dtype,
    /// `elements · dtype.size_bytes()` bytes.
    pub data: Bytes,
}

impl Dense {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size_bytes()
    }

    /// Returns `true` if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Returns element `index`, widened to f32.
    #[inline]
    pub fn get(&self, index: usize) -> f32 {
        self.dtype.get(&self.data, index)
    }

    /// Returns all elements, widened to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        (0..self.len()).map(|index| self.get(index)).collect()
    }
}

/// Storage of the values of a [`QuantTensor`]. The loader checks all lengths.
#[derive(Clone, Debug)]
pub enum Storage {
    /// `[experts ·] rows · cols` floating-point values.
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
        /// nvfp4 only: one f32 per expert, multiplied into every value; 1 if absent.
        global_scale: Option<Vec<f32>>,
    },
}

impl Storage {
    /// Returns `true` if the values of both are of the same type.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dense(own), Self::Dense(other)) => own.dtype == other.dtype,
            (
                Self::Affine { bits, group_size, scales, biases, .. },
                Self::Affine { bits: b, group_size: g, scales: s, biases: o, .. },
            ) => {
                let own = (bits, group_size, scales.dtype, biases.dtype);
                own == (b, g, s.dtype, o.dtype)
            }
            (
                Self::Block { mode, global_scale, .. },
                Self::Block { mode: m, global_scale: g, .. },
            ) => (mode, global_scale.is_some()) == (m, g.is_some()),
            _ => false,
        }
    }

    fn values(&self) -> &Bytes {
        match self {
            Self::Dense(dense) => &dense.data,
            Self::Affine { packed, .. } | Self::Block { packed, .. } => packed,
        }
    }

    fn scales(&self) -> &Bytes {
        match self {
            Self::Dense(dense) => &dense.data,
            Self::Affine { scales, .. } => &scales.data,
            Self::Block { scales, .. } => scales,
        }
    }

    fn biases(&self) -> &Bytes {
        match self {
            Self::Affine { biases, .. } => &biases.data,
            _ => self.values(),
        }
    }

    /// Returns the factor of all values.
    fn factor(&self) -> f32 {
        match self {
            Self::Block { global_scale: Some(factors), .. } => factors[0],
            _ => 1.0,
        }
    }
}

/// A weight matrix `[rows, cols]`, or a stack of them `[experts, rows, cols]`. A row is an output
/// feature, a column an input feature.
#[derive(Clone, Debug)]
pub struct QuantTensor {
    /// Path of the module, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// Number of stacked matrices; 1 for a single matrix.
    pub experts: usize,
    /// Output features of one matrix.
    pub rows: usize,
    /// Input features.
    pub cols: usize,
    /// The values.
    pub storage: Storage,
}

impl QuantTensor {
    /// Returns the quantization mode, or `None` for dense storage.
    pub fn mode(&self) -> Option<Mode> {
        match &self.storage {
            Storage::Dense(_) => None,
            Storage::Affine { bits, group_size, .. } => {
                Some(Mode::Affine { bits: *bits as u8, group_size: *group_size as u16 })
            }
            Storage::Block { mode, .. } => Some(*mode),
        }
    }

    /// Returns the size of the matrix in the file in bytes, scales included.
    pub fn size_bytes(&self) -> usize {
        match &self.storage {
            Storage::Dense(dense) => dense.data.len(),
            Storage::Affine { packed, scales, biases, .. } => {
                packed.len() + scales.data.len() + biases.data.len()
            }
            Storage::Block { packed, scales, .. } => packed.len() + scales.len(),
        }
    }

    /// Returns all byte ranges of the matrix: values, scales and biases.
    pub fn bytes_mut(&mut self) -> Vec<&mut Bytes> {
        match &mut self.storage {
            Storage::Dense(dense) => vec![&mut dense.data],
            Storage::Affine { packed, scales, biases, .. } => {
                vec![packed, &mut scales.data, &mut biases.data]
            }
            Storage::Block { packed, scales, .. } => vec![packed, scales],
        }
    }

    /// Copies some rows of a single matrix into a stack of `ranges.len()` matrices.
    ///
    /// # Panics
    /// Panics if this is a stack, if a range lies outside the matrix, or if the ranges differ in
    /// length.
    #[must_use]
    pub fn stack_of_rows(&self, ranges: &[Range<usize>]) -> Self {
        assert!(self.experts == 1, "a stack has no rows of its own");
        let rows = ranges.first().map_or(0, Range::len);
        assert!(ranges.iter().all(|range| range.len() == rows), "ranges are of equal length");
        let mut stack = self.joined_rows(ranges);
        if let Storage::Block { global_scale: Some(factors), .. } = &mut stack.storage {
            *factors = vec![factors[0]; ranges.len()];
        }
        Self { experts: ranges.len(), rows, ..stack }
    }

    /// Copies matrices of the same shape into a stack. Returns `None` if they are stored in different ways, or if
    /// there are none.
    ///
    /// # Panics
    /// Panics if one of them is a stack, or if their shapes differ.
    pub fn stacked(parts: &[Self]) -> Option<Self> {
        let first = parts.first()?;
        let shape = (1, first.rows, first.cols);
        let is_alike = |part: &Self| (part.experts, part.rows, part.cols) == shape;
        assert!(parts.iter().all(is_alike), "the matrices are of the same shape");
        let mut storages = parts[1..].iter().map(|part| &part.storage);
        if !storages.all(|storage| storage.is_like(&first.storage)) {
            return None;
        }
        let join = |of: &dyn Fn(&Storage) -> &Bytes| {
            let bytes = parts.iter().map(|part| &of(&part.storage)[..]);
            Bytes::from(bytes.collect::<Vec<_>>().concat())
        };
        let dense = |dtype: Dtype, of: &dyn Fn(&Storage) -> &Bytes| Dense { dtype, data: join(of) };
        let storage = match &first.storage {
            Storage::Dense(values) => Storage::Dense(dense(values.dtype, &Storage::values)),
            Storage::Affine { bits, group_size, scales, biases, .. } => Storage::Affine {
                bits: *bits,
                group_size: *group_size,
                packed: join(&Storage::values),
                scales: dense(scales.dtype, &Storage::scales),
                biases: dense(biases.dtype, &Storage::biases),
            },
            Storage::Block { mode, global_scale, .. } => Storage::Block {
                mode: *mode,
                packed: join(&Storage::values),
                scales: join(&Storage::scales),
                global_scale: global_scale
                    .as_ref()
                    .map(|_| parts.iter().map(|part| part.storage.factor()).collect()),
            },
        };
        Some(Self { name: first.name.clone(), experts: parts.len(), storage, ..*first })
    }

    /// Copies some rows of a single matrix into one matrix.
    ///
    /// # Panics
    /// Panics if this is a stack, or if a range lies outside the matrix.
    #[must_use]
    pub fn joined_rows(&self, ranges: &[Range<usize>]) -> Self {
        assert!(self.experts == 1, "a stack has no rows of its own");
        let cut = |bytes: &Bytes| {
            let row = bytes.len() / self.rows;
            let parts = ranges.iter().map(|range| &bytes[range.start * row..range.end * row]);
            Bytes::from(parts.collect::<Vec<_>>().concat())
        };
        let (name, rows) = (self.name.clone(), ranges.iter().map(Range::len).sum());
        Self { name, experts: 1, rows, cols: self.cols, storage: self.cut(&cut) }
    }

    /// Returns the rows `range` of a single matrix, sharing its bytes.
    ///
    /// # Panics
    /// Panics if this is a stack, or if the range lies outside the matrix.
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

    /// Applies `cut` to all bytes that belong to rows and returns the resulting storage.
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
