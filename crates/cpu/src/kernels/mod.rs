//! The kernels: one trait, a portable implementation that is the oracle, one folder per
//! instruction set.
//!
//! Every implementation keeps one order of floating-point operations per output value, whatever
//! the number of rows in the call: a token's result does not depend on the batch it is computed in.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;
#[cfg(test)]
mod tests;

use mlxk_format::{Dense, Dtype, QuantTensor, Storage};

use crate::kv::PageHead;
pub(crate) use scalar::Scalar;

/// Weight rows that one call of [`Kernels::affine_dot`] computes.
pub(crate) const DOT_ROWS: usize = 8;
/// Weight rows that one call of [`Kernels::affine_tile`] computes.
pub(crate) const TILE_ROWS: usize = 16;
/// Activations are quantized in spans of this many columns; the last one is padded with zeros.
pub(crate) const SPAN: usize = 64;

/// The order of quantized activations within a [`SPAN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they are.
    Natural,
    /// In each half span the even columns, then the odd ones: the order in which masking and
    /// shifting bytes yields the nibbles of a 4-bit row.
    EvenOdd,
}

/// Activation rows quantized to int8: `x ≈ scale · q` per block of columns.
#[derive(Default)]
pub(crate) struct QuantRows {
    /// Number of rows.
    pub rows: usize,
    /// Columns of a row, padded to a multiple of [`SPAN`].
    pub stride: usize,
    /// Columns that share a scale: 32 or 64.
    pub block: usize,
    /// `[rows][stride]` values in −127..=127.
    pub q: Vec<i8>,
    /// `[rows][stride / block]`.
    pub scale: Vec<f32>,
    /// `[rows][stride / block]`: `scale · Σq` of the block.
    pub sum: Vec<f32>,
}

impl QuantRows {
    pub(crate) fn blocks(&self) -> usize {
        self.stride / self.block
    }

    pub(crate) fn row(&self, row: usize) -> QuantRow<'_> {
        let blocks = self.blocks();
        QuantRow {
            q: &self.q[row * self.stride..][..self.stride],
            scale: &self.scale[row * blocks..][..blocks],
            sum: &self.sum[row * blocks..][..blocks],
        }
    }
}

/// One row of [`QuantRows`].
#[derive(Clone, Copy)]
pub(crate) struct QuantRow<'a> {
    pub q: &'a [i8],
    pub scale: &'a [f32],
    pub sum: &'a [f32],
}

/// An affine weight matrix where it lies in the file.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a> {
    pub bits: usize,
    pub group_size: usize,
    pub rows: usize,
    pub cols: usize,
    pub packed: &'a [u8],
    pub scales: Floats<'a>,
    pub biases: Floats<'a>,
}

/// The values of a [`Dense`], borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Floats<'a> {
    pub dtype: Dtype,
    pub data: &'a [u8],
}

impl<'a> Floats<'a> {
    pub(crate) fn of(dense: &'a Dense) -> Self {
        Self { dtype: dense.dtype, data: &dense.data }
    }

    pub(crate) fn get(&self, index: usize) -> f32 {
        self.dtype.get(self.data, index)
    }
}

impl<'a> Affine<'a> {
    /// The affine view of a matrix, where it is one.
    pub(crate) fn of(tensor: &'a QuantTensor) -> Option<Self> {
        match &tensor.storage {
            Storage::Affine { bits, group_size, packed, scales, biases } => Some(Self {
                bits: *bits,
                group_size: *group_size,
                rows: tensor.rows,
                cols: tensor.cols,
                packed,
                scales: Floats::of(scales),
                biases: Floats::of(biases),
            }),
            _ => None,
        }
    }

    /// Scales of a row.
    pub(crate) fn groups(&self) -> usize {
        self.cols / self.group_size
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.cols * self.bits / 8
    }

    /// The order in which the kernels for this width take activations.
    pub(crate) fn order(&self) -> Order {
        if self.bits == 4 { Order::EvenOdd } else { Order::Natural }
    }

    /// Columns that share an activation scale.
    pub(crate) fn block(&self) -> usize {
        self.group_size.min(SPAN)
    }
}

/// A vector register's worth of bytes, aligned as such.
#[derive(Clone, Copy)]
#[repr(align(32))]
#[expect(dead_code, reason = "only its size and alignment matter: kernels write it as a register")]
pub(crate) struct Line([u8; 32]);

impl Line {
    const ZERO: Self = Self([0; 32]);
}

/// Scratch memory of one thread; grows to what its largest call needed.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Unpacked weights of a tile.
    pub vectors: Vec<Line>,
    /// Dequantized weight rows, scales of a tile, keys and values of a page.
    pub floats: Vec<f32>,
    /// Results of a tile: `[rows][TILE_ROWS]`.
    pub out: Vec<f32>,
    /// State of a tile of queries within a chunk of positions.
    pub queries: Queries,
    /// State of a tile of queries over all chunks so far.
    pub total: Queries,
}

/// Queries that attend to the same key/value head, and what they have gathered so far: the state
/// of the online softmax (Milakov and Gimelshein, 2018, arXiv:1805.02867).
#[derive(Default)]
pub(crate) struct Queries {
    /// Number of queries.
    pub count: usize,
    /// Width of a head.
    pub dim: usize,
    /// `[count][dim]`, scaled.
    pub q: Vec<f32>,
    /// `[count]` positions of the current page that the query may see: `from..to`.
    pub from: Vec<usize>,
    /// See `from`.
    pub to: Vec<usize>,
    /// `[count]` greatest score.
    pub max: Vec<f32>,
    /// `[count]` `Σ exp(score − max)`.
    pub sum: Vec<f32>,
    /// `[count][dim]` `Σ exp(score − max) · value`.
    pub acc: Vec<f32>,
}

impl Queries {
    /// Makes room for `count` queries and empties the softmax state.
    pub(crate) fn reset(&mut self, count: usize, dim: usize) {
        self.count = count;
        self.dim = dim;
        self.q.resize(count * dim, 0.0);
        self.from.resize(count, 0);
        self.to.resize(count, 0);
        self.max.clear();
        self.max.resize(count, f32::NEG_INFINITY);
        self.sum.clear();
        self.sum.resize(count, 0.0);
        self.acc.clear();
        self.acc.resize(count * dim, 0.0);
    }
}

/// What an instruction set implements. All slices have the lengths that the operands imply.
pub(crate) trait Kernels: Send + Sync {
    /// Name of the instruction set.
    fn name(&self) -> &'static str;

    /// Quantizes one row; `q` is padded with zeros to a multiple of [`SPAN`].
    fn quantize_row(
        &self,
        x: &[f32],
        order: Order,
        block: usize,
        q: &mut [i8],
        scale: &mut [f32],
        sum: &mut [f32],
    );

    /// `out[i] = w[row + i] · x` with an integer dot product per block, for 4 and 8 bits; rows
    /// past the end repeat the last one.
    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]);

    /// `scratch.out[r][i] = w[row + i] · x[r]` for all rows of `x`, with the very values that
    /// [`Kernels::affine_dot`] gives.
    fn affine_tile(&self, w: &Affine<'_>, row: usize, x: &QuantRows, scratch: &mut Scratch);

    /// One row of a dense or affine matrix as f32.
    fn dequantize_row(&self, w: &QuantTensor, row: usize, out: &mut [f32]);

    /// `out[i] = w[i] · x` for four f32 rows, `w` being `[4][x.len()]`.
    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4];

    /// Adds one page to the softmax state of the queries that see some of it.
    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>);

    /// `out = x / √(mean(x²) + eps) · weight`.
    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32);

    /// `gate = gate · sigmoid(gate) · up`.
    fn silu_mul(&self, gate: &mut [f32], up: &[f32]);

    /// `out += x`.
    fn add(&self, out: &mut [f32], x: &[f32]);
}

/// The best implementation that this processor runs.
pub(crate) fn detect() -> Box<dyn Kernels> {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = avx2::Avx2::detect() {
        return Box::new(avx2);
    }
    Box::new(Scalar)
}
