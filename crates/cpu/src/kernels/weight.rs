//! A quantized weight matrix in the form that the integer kernels use: rows of small unsigned
//! codes, with a scale and a bias per group.
//!
//! fp4 fits this form: twice an E2M1 value is an integer in −12..=12, so with `code = 2·value + 12`
//! a group is `scale/2 · code − 6·scale`.

use mlxk_tensor::block::{E2M1, e4m3, e8m0};
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage, affine};

use super::{ColumnOrder, SPAN};

/// The codes of E2M1 values, indexed by their four bits.
pub(super) const FP4_CODES: [u8; 16] = {
    let mut codes = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        codes[bits] = (2.0 * E2M1[bits] + 12.0) as u8;
        bits += 1;
    }
    codes
};

/// Number of groups whose scales the kernels load at a time.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) const GROUPS: usize = 4;

/// Returns the first group of the chunk of [`GROUPS`] that is loaded for `group`. At the end of a
/// row, chunks overlap instead of reaching past it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn chunk_start(group: usize, groups: usize) -> usize {
    group.min(groups.saturating_sub(GROUPS))
}

/// One matrix of codes, in place in the file.
///
/// Invariant, established by [`Affine::of`]: `bits` and `group_size` belong to a mode, `cols` is a
/// multiple of `group_size`, and `packed` and the scales have exactly the length of the matrix.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a> {
    pub bits: usize,
    pub group_size: usize,
    pub rows: usize,
    pub cols: usize,
    /// `[rows][row_bytes]`.
    pub packed: &'a [u8],
    pub scales: Scales<'a>,
}

/// Origin of the scale and the bias of each group; `[rows][groups]` each.
#[derive(Clone, Copy)]
pub(crate) enum Scales<'a> {
    /// Both are stored, and the codes are the packed integers.
    Stored { scales: Floats<'a>, biases: Floats<'a> },
    /// mxfp4: powers of two.
    E8m0(&'a [u8]),
    /// nvfp4: small floats, relative to a factor for the matrix.
    E4m3 { scales: &'a [u8], factor: f32 },
}

impl Scales<'_> {
    /// Returns the addresses of scales and of biases, and the size of one in bytes.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn bytes(&self) -> impl Iterator<Item = (*const u8, usize)> {
        let floats = |floats: Floats<'_>| (floats.data.as_ptr(), floats.dtype.size_bytes());
        let (first, second) = match *self {
            Self::Stored { scales, biases } => (floats(scales), Some(floats(biases))),
            Self::E8m0(scales) | Self::E4m3 { scales, .. } => ((scales.as_ptr(), 1), None),
        };
        std::iter::once(first).chain(second)
    }

    /// Returns scale and bias of a group; `index` is `row · groups + group`.
    pub(crate) fn get(&self, index: usize) -> (f32, f32) {
        let of_fp4 = |scale: f32| (scale * 0.5, scale * -6.0);
        match self {
            Self::Stored { scales, biases } => (scales.get(index), biases.get(index)),
            Self::E8m0(scales) => of_fp4(e8m0(scales[index])),
            Self::E4m3 { scales, factor } => of_fp4(e4m3(scales[index]) * factor),
        }
    }
}

/// The values of a [`Dense`], borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Floats<'a> {
    pub dtype: Dtype,
    pub data: &'a [u8],
}

impl<'a> Floats<'a> {
    /// Returns stretch `index` of `len` values.
    fn part(dense: &'a Dense, index: usize, len: usize) -> Self {
        let size = len * dense.dtype.size_bytes();
        Self { dtype: dense.dtype, data: part(&dense.data, index, size) }
    }

    pub(crate) fn get(&self, index: usize) -> f32 {
        self.dtype.get(self.data, index)
    }
}

/// Returns stretch `index` of `len` bytes.
fn part(data: &[u8], index: usize, len: usize) -> &[u8] {
    &data[index * len..][..len]
}

impl<'a> Affine<'a> {
    /// Returns matrix `expert` as codes, or `None` if its storage has none, as for dense and mxfp8.
    ///
    /// # Panics
    /// Panics if the tensor has no such expert or does not have the bytes that it states.
    pub(crate) fn of(tensor: &'a QuantTensor, expert: usize) -> Option<Self> {
        let QuantTensor { rows, cols, .. } = *tensor;
        let mode = tensor.mode().filter(|&mode| mode != Mode::Mxfp8)?;
        let (bits, group_size) = (mode.bits(), mode.group_size());
        assert!(expert < tensor.experts && supported(mode) && cols.is_multiple_of(group_size));
        let values = rows * (cols / group_size);
        let (packed, scales) = match &tensor.storage {
            Storage::Dense(_) => return None,
            Storage::Affine { packed, scales, biases, .. } => {
                let floats = |dense| Floats::part(dense, expert, values);
                (packed, Scales::Stored { scales: floats(scales), biases: floats(biases) })
            }
            Storage::Block { packed, scales, global_scale, .. } => {
                let scales = part(scales, expert, values);
                let factor = || global_scale.as_ref().map_or(1.0, |factors| factors[expert]);
                let scales = match mode {
                    Mode::Nvfp4 => Scales::E4m3 { scales, factor: factor() },
                    _ => Scales::E8m0(scales),
                };
                (packed, scales)
            }
        };
        let packed = part(packed, expert, rows * affine::row_bytes(cols, bits));
        Some(Self { bits, group_size, rows, cols, packed, scales })
    }

    /// Returns `true` if the packed bits are E2M1 values instead of codes.
    pub(crate) fn is_fp4(&self) -> bool {
        !matches!(self.scales, Scales::Stored { .. })
    }

    /// Returns the number of scales in a row.
    pub(crate) fn groups(&self) -> usize {
        self.cols / self.group_size
    }

    pub(crate) fn row_bytes(&self) -> usize {
        affine::row_bytes(self.cols, self.bits)
    }

    /// Returns the order in which the kernels for this width need the activations.
    pub(crate) fn order(&self) -> ColumnOrder {
        if self.bits == 4 { ColumnOrder::EvenOdd } else { ColumnOrder::Natural }
    }

    /// Returns the number of columns that share an activation scale.
    pub(crate) fn block(&self) -> usize {
        self.group_size.min(SPAN)
    }
}

/// Returns `true` if there are kernels for a mode, which is the case for all of MLX's.
pub(crate) fn supported(mode: Mode) -> bool {
    match mode {
        Mode::Affine { bits, group_size } => Mode::affine(bits.into(), group_size.into()).is_some(),
        Mode::Mxfp4 | Mode::Mxfp8 | Mode::Nvfp4 => true,
    }
}
