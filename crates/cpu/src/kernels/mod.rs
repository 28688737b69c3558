//! The kernels: one trait, a portable implementation that serves as the oracle, and one folder per
//! instruction set.
//!
//! Every implementation keeps one order of floating-point operations per output value, whatever the
//! number of rows in the call. So the result of a token does not depend on its batch.

mod activation;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
#[cfg(test)]
mod bits;
mod index;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod over_avx2;
mod recurrent;
mod scalar;
#[cfg(test)]
mod tests;
mod weight;

use half::bf16;
use mlxk_ops::{Activation, PAGE_POSITIONS};
use mlxk_tensor::QuantTensor;

use crate::cache::PageHead;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::sdot;
#[cfg(target_arch = "x86_64")]
use over_avx2::OverAvx2;
pub(crate) use recurrent::{Columns, StateReads, StateStep};
pub(crate) use scalar::{Scalar, place};
pub(crate) use weight::{Affine, supported};

/// Number of weight rows that one call of [`Kernels::affine_dot`] computes.
pub(crate) const DOT_ROWS: usize = 8;
/// Number of weight rows that one call of [`Kernels::affine_tile`] computes.
pub(crate) const TILE_ROWS: usize = 16;
/// Number of columns in a span. Activations are quantized in spans, and the last one is padded with
/// zeros.
pub(crate) const SPAN: usize = 64;

/// Order of quantized activations within a [`SPAN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnOrder {
    /// Unchanged.
    Natural,
    /// Even columns before odd columns, in each stretch of 32 (16 if blocks have 16). In this
    /// order, masking and shifting bytes yields the nibbles of a 4-bit row.
    EvenOdd,
}

/// Activation rows quantized to int8: `x ≈ scale · q` per block of columns.
#[derive(Default)]
pub(crate) struct QuantRows {
    /// Number of rows.
    pub rows: usize,
    /// Columns of a row, padded to a multiple of [`SPAN`].
    pub stride: usize,
    /// Columns that share a scale: 16, 32 or 64.
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

/// As many bytes as a cache line, with its alignment: one, two or four vector registers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "only its size and alignment matter: kernels write it as registers")]
pub(crate) struct Line([u8; 64]);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Line {
    const ZERO: Self = Self([0; 64]);
}

/// Scratch memory of one thread. It grows to the size that its largest call needed.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Unpacked weights of a tile.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub vectors: Vec<Line>,
    /// Dequantized weight rows, scales of a tile, or keys and values of a page.
    pub floats: Vec<f32>,
    /// Weight rows, rounded.
    pub halves: Vec<bf16>,
    /// Results of a tile: `[rows.len()][TILE_ROWS]`, or a row of products with a dense matrix per row of activations.
    pub out: Vec<f32>,
    /// Keys and values of some positions, in the layout of a page.
    pub gathered: Vec<f32>,
    /// State of a tile of queries within a chunk of positions.
    pub queries: Queries,
    /// State of a tile of queries over all chunks so far.
    pub total: Queries,
}

/// Queries that attend to the same key/value head, and the state of their online softmax (Milakov
/// and Gimelshein, 2018, arXiv:1805.02867).
#[derive(Default)]
pub(crate) struct Queries {
    /// Number of queries.
    pub count: usize,
    /// Width of a query and of a key.
    pub dim: usize,
    /// Width of a value.
    pub value_dim: usize,
    /// See [`mlxk_ops::AttentionSpec::soft_cap`].
    pub soft_cap: Option<f32>,
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
    /// `[count][value_dim]` `Σ exp(score − max) · value`.
    pub acc: Vec<f32>,
}

impl Queries {
    /// Makes room for `count` queries and empties the softmax state.
    pub(crate) fn reset(&mut self, count: usize, dim: usize, value_dim: usize) {
        self.count = count;
        self.dim = dim;
        self.value_dim = value_dim;
        self.q.resize(count * dim, 0.0);
        self.from.resize(count, 0);
        self.to.resize(count, 0);
        self.max.clear();
        self.max.resize(count, f32::NEG_INFINITY);
        self.sum.clear();
        self.sum.resize(count, 0.0);
        self.acc.clear();
        self.acc.resize(count * value_dim, 0.0);
    }
}

/// Operations of an instruction set. All slices have the lengths that the operands imply.
pub(crate) trait Kernels: Send + Sync {
    /// Quantizes one row; `q` is padded with zeros to a multiple of [`SPAN`].
    fn quantize_row(
        &self,
        x: &[f32],
        order: ColumnOrder,
        block: usize,
        q: &mut [i8],
        scale: &mut [f32],
        sum: &mut [f32],
    );

    /// `out[i] = w[row + i] · x`, with an integer dot product per block. Rows past the end repeat
    /// the last one. `x` has the order and block that `w` needs.
    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]);

    /// `scratch.out[r][i] = w[row + i] · x[rows[r]]`, with exactly the values that
    /// [`Kernels::affine_dot`] computes.
    fn affine_tile(
        &self,
        w: &Affine<'_>,
        row: usize,
        x: &QuantRows,
        rows: &[usize],
        scratch: &mut Scratch,
    );

    /// Writes row `row` of matrix `expert` as f32, with exactly the values of
    /// [`QuantTensor::dequantize_row`].
    fn dequantize_row(&self, w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]);

    /// Returns `w[i] · x` for four f32 rows; `w` is `[4][x.len()]`.
    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4];

    /// `out[i · stride..][..4] = w · x[rows[i]]` for four f32 rows, with exactly the values of [`Kernels::dot4`]. The
    /// rows of `x` are as long as those of `w`.
    fn dot4_rows(&self, w: &[f32], x: &[f32], rows: &[usize], out: &mut [f32], stride: usize) {
        let cols = w.len() / 4;
        for (out, row) in out.chunks_mut(stride).zip(rows) {
            out[..4].copy_from_slice(&self.dot4(w, &x[row * cols..][..cols]));
        }
    }

    /// Returns `true` if there are instructions for [`Kernels::bf16_rows`].
    fn has_bf16(&self) -> bool {
        false
    }

    /// Rounds to bf16, to nearest, ties to even.
    fn round_bf16(&self, x: &[f32], out: &mut [bf16]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = bf16::from_f32(*x);
        }
    }

    /// Like [`Kernels::dot4_rows`], for rows of bf16. Sums are f32. The result of a row has the same bits, whatever
    /// the other rows are.
    fn bf16_rows(&self, w: &[bf16], x: &[bf16], rows: &[usize], out: &mut [f32], stride: usize) {
        let cols = w.len() / 4;
        for (out, row) in out.chunks_mut(stride).zip(rows) {
            let x = &x[row * cols..][..cols];
            for (out, w) in out.iter_mut().zip(w.chunks_exact(cols)) {
                *out = w.iter().zip(x).map(|(w, x)| w.to_f32() * x.to_f32()).sum();
            }
        }
    }

    /// Returns keys and values of a page, of these widths, as floats.
    fn widen<'a>(
        &self,
        page: PageHead<'a>,
        widths: [usize; 2],
        scratch: &'a mut Vec<f32>,
    ) -> (&'a [f32], &'a [f32]) {
        page.floats(widths, scratch, &Scalar)
    }

    /// `out[p] = Σ weights[h] · max(q[h] · keys[p], 0)` for the positions of a page, with keys `[dim][PAGE_POSITIONS]` and
    /// `q [weights.len()][dim]`.
    fn score_keys(
        &self,
        keys: &[f32],
        q: &[f32],
        weights: &[f32],
        out: &mut [f32; PAGE_POSITIONS],
    ) {
        index::score_keys(keys, q, weights, out);
    }

    /// Adds one page to the softmax state of the queries that see a part of it.
    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>);

    /// `out = x / √(mean(x²) + eps) · weight`.
    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32);

    /// `out = (x − mean(x)) / √(variance(x) + eps) · weight + bias`.
    fn layer_norm(
        &self,
        out: &mut [f32],
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        eps: f32,
    ) {
        activation::layer_norm(out, x, weight, bias, eps);
    }

    /// `x = activation(x)`.
    fn activate(&self, x: &mut [f32], activation: Activation) {
        activation::activate(x, activation);
    }

    /// `gate = activation(gate) · up`, for activations other than SiLU.
    fn gate(&self, gate: &mut [f32], up: &[f32], activation: Activation) {
        activation::gate(gate, up, activation);
    }

    /// Changes a part of a state, `[rows]` of columns, by one step and reads from it.
    fn state_step(&self, state: &mut [Columns], step: &StateStep<'_>) -> StateReads {
        recurrent::state_step::<{ recurrent::FUSED }>(state, step)
    }

    /// Returns `key · S`, with the bits that [`StateReads::next`] has.
    fn state_read(&self, state: &[Columns], key: &[f32]) -> Columns {
        recurrent::state_read::<{ recurrent::FUSED }>(state, key)
    }

    /// `out = Σ weights[i] · taps[i] + bias`, column by column.
    fn convolve(&self, out: &mut [f32], taps: &[&[f32]], weights: &[&[f32]], bias: Option<&[f32]>) {
        recurrent::convolve(out, taps, weights, bias);
    }

    /// `x = x / √(Σx² + eps) · scale`.
    fn normalize(&self, x: &mut [f32], eps: f32, scale: f32) {
        recurrent::normalize(x, eps, scale);
    }

    /// `gate = gate · sigmoid(gate) · up`.
    fn silu_mul(&self, gate: &mut [f32], up: &[f32]);

    /// `out += x`.
    fn add(&self, out: &mut [f32], x: &[f32]);
}

/// An instruction set that there are kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// No special instructions.
    Portable,
    /// AVX2, FMA and F16C, on x86-64.
    Avx2,
    /// AVX2 and AVX-VNNI, on x86-64. Their results are right on a real processor, but their speed was never
    /// measured, so they are only used if you ask for them.
    AvxVnni,
    /// AVX-512 F, BW, VL and VNNI, on x86-64. BF16 is used if it is there, too.
    Avx512Vnni,
    /// NEON, which every 64-bit ARM processor has.
    Neon,
    /// NEON with dot products of bytes, on 64-bit ARM.
    NeonDotprod,
}

/// Returns the kernels of an instruction set, or `None` if this processor does not support it.
pub(crate) fn of(set: InstructionSet) -> Option<Box<dyn Kernels>> {
    match set {
        InstructionSet::Portable => Some(Box::new(Scalar)),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => Some(Box::new(avx2::Avx2::detect()?)),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => Some(Box::new(OverAvx2::<avx_vnni::AvxVnni>::detect()?)),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => Some(Box::new(OverAvx2::<avx512::Avx512>::detect()?)),
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => Some(Box::new(neon::widening()?)),
        #[cfg(target_arch = "aarch64")]
        InstructionSet::NeonDotprod => Some(Box::new(neon::dotprod()?)),
        // Instruction sets of other architectures.
        _ => None,
    }
}

impl InstructionSet {
    /// All instruction sets: best first within an architecture, the portable one last.
    pub const ALL: [Self; 6] = [
        Self::Avx512Vnni,
        Self::AvxVnni,
        Self::Avx2,
        Self::NeonDotprod,
        Self::Neon,
        Self::Portable,
    ];

    /// Returns the name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "AVX2",
            Self::AvxVnni => "AVX-VNNI",
            Self::Avx512Vnni => "AVX-512 VNNI",
            Self::Neon => "NEON",
            Self::NeonDotprod => "NEON dotprod",
        }
    }

    /// Returns the name in command-line options.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512Vnni => "avx512",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon-dotprod",
        }
    }

    /// Returns the instruction set with this [`InstructionSet::word`].
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.word() == word)
    }

    /// Returns the instruction sets that this processor supports, best first. The portable one is
    /// always the last.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|&set| of(set).is_some())
    }

    /// Returns the best instruction set that this processor supports, of those whose speed is known.
    pub fn best() -> Self {
        Self::available().find(|&set| set != Self::AvxVnni).unwrap_or(Self::Portable)
    }
}
