//! Sixteen weight rows times many activation rows.
//!
//! The weights of a tile are unpacked once to bytes, with four columns of eight rows in a vector. A
//! kernel then keeps 2×8 weight rows × 4 activation rows in registers, with 16-bit sums that are
//! widened every 32 columns. Scaling follows the order of [`super::dot`], so both give the same
//! bits.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::weight::{GROUPS, chunk_start};
use super::super::{Affine, DOT_ROWS, Line, QuantRows, SPAN, Scratch, TILE_ROWS};
use super::scales::{transpose, turn};
use super::unpack::{CHUNK, chunk, nibbles};

/// Number of vectors of eight rows in a tile.
pub(in super::super) const PARTS: usize = TILE_ROWS / DOT_ROWS;
/// Number of activation rows that a kernel call keeps in registers.
const TOKENS: usize = 4;
/// Number of steps of four columns per iteration of the kernel's loop.
const UNROLL: usize = 4;
/// Number of steps of four columns in a span.
pub(in super::super) const STEPS: usize = SPAN / 4;
/// Size of a cache line in bytes.
const LINE: usize = size_of::<Line>();
/// Number of spans that are unpacked at a time, so that the bytes stay in the first-level cache.
const SPANS: usize = 16;

/// Unpacked weights and their scales for up to [`SPANS`] spans.
pub(in super::super) struct Unpacked<'a> {
    /// `[spans][planes][STEPS][PARTS]` vectors, on a cache line.
    pub bytes: &'a [__m256i],
    /// `[groups][scale, bias][PARTS][DOT_ROWS]`.
    pub scales: &'a [f32],
    /// Number of steps in a run of columns, after which sums are widened to 32 bits. The compiler
    /// must not know it, or it would unroll the kernel's loop until nothing stays in registers.
    pub run_steps: usize,
    pub spans: Range<usize>,
    /// Columns of the matrix and of a group.
    pub cols: usize,
    group_size: usize,
    first_group: usize,
}

/// The packed weights that are unpacked next. They are prefetched a little at a time while the
/// current ones are multiplied; all at once, they would hold up every other read.
pub(in super::super) struct Ahead {
    row: *const u8,
    row_bytes: usize,
    /// Rows that are not prefetched yet. They may lie past the end of the matrix.
    rows: usize,
    /// Bytes of a row, and how many of the first row are prefetched already.
    bytes: usize,
    at: usize,
    /// Number of cache lines to prefetch at a time.
    lines: usize,
}

impl<'a> Unpacked<'a> {
    /// Unpacks `spans` of rows `row..row + TILE_ROWS`, repeating the last row if there are fewer.
    /// If `SPLIT`, codes of more than four bits go to two planes of nibbles.
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C. `w` has the lengths that it states, and the
    /// spans lie inside the rows.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(in super::super) unsafe fn fill<const SPLIT: bool>(
        w: &Affine<'_>,
        row: usize,
        spans: Range<usize>,
        run_steps: usize,
        (vectors, floats): (&'a mut Vec<Line>, &'a mut Vec<f32>),
    ) -> (Self, Ahead) {
        let size = planes::<SPLIT>(w) * STEPS * PARTS;
        vectors.resize(SPANS * size / PARTS, Line::ZERO);
        let bytes: *mut __m256i = vectors.as_mut_ptr().cast();
        let row_bytes = w.row_bytes();
        let mut ahead = Ahead::of(w, row, &spans);
        // SAFETY: by the caller's promise; `vectors` has room for the spans.
        unsafe {
            for part in 0..PARTS {
                let rows: [*const u8; DOT_ROWS] = std::array::from_fn(|i| {
                    let row = (row + part * DOT_ROWS + i).min(w.rows - 1);
                    w.packed[row * row_bytes..].as_ptr()
                });
                for (at, span) in spans.clone().enumerate() {
                    ahead.ask();
                    unpack_span::<SPLIT>(w, &rows, row_bytes, span, bytes.add(at * size + part));
                }
            }
            let first_group = turn_scales(w, row, &spans, floats);
            let tile = Self {
                bytes: std::slice::from_raw_parts(bytes, spans.len() * size),
                scales: floats,
                run_steps,
                spans,
                cols: w.cols,
                group_size: w.group_size,
                first_group,
            };
            (tile, ahead)
        }
    }
}

impl Unpacked<'_> {
    /// Returns scales and biases of the group that a column of these spans belongs to, `[scale,
    /// bias][PARTS][DOT_ROWS]`.
    #[inline]
    pub(in super::super) fn group_scales(&self, column: usize) -> *const f32 {
        // Group sizes are powers of two, so shift: a division takes much longer.
        let group = (column >> self.group_size.trailing_zeros()) - self.first_group;
        self.scales[group * 2 * TILE_ROWS..][..2 * TILE_ROWS].as_ptr()
    }
}

/// Returns the number of planes of the codes. Codes of up to four bits take one plane of nibbles;
/// those of fp4 reach 24.
fn planes<const SPLIT: bool>(w: &Affine<'_>) -> usize {
    if SPLIT && (w.bits > 4 || w.is_fp4()) { 2 } else { 1 }
}

/// Returns the spans of a matrix, in groups that are unpacked together.
pub(in super::super) fn pieces(w: &Affine<'_>) -> impl Iterator<Item = Range<usize>> {
    let spans = w.cols.div_ceil(SPAN);
    (0..spans).step_by(SPANS).map(move |first| first..(first + SPANS).min(spans))
}

/// See [`super::super::Kernels::affine_tile`].
///
/// # Safety
/// The processor must have AVX2, FMA and F16C, and the operands the lengths that `w` and `x` state.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn affine_tile(
    w: &Affine<'_>,
    row: usize,
    x: &QuantRows,
    rows: &[usize],
    scratch: &mut Scratch,
) {
    let Scratch { vectors, floats, out, .. } = scratch;
    out.clear();
    out.resize(rows.len() * TILE_ROWS, 0.0);
    let blocks = SPAN / w.block();
    // Half a span, or a quarter if blocks are that short.
    let run_steps = STEPS / if blocks == 4 { 4 } else { 2 };
    for spans in pieces(w) {
        // SAFETY: by the caller's promise.
        unsafe {
            let (tile, mut ahead) =
                Unpacked::fill::<true>(w, row, spans, run_steps, (vectors, floats));
            match (planes::<true>(w), blocks) {
                (1, 1) => all_rows::<1, 1>(&tile, &mut ahead, x, rows, out),
                (1, _) => all_rows::<1, 2>(&tile, &mut ahead, x, rows, out),
                (_, 1) => all_rows::<2, 1>(&tile, &mut ahead, x, rows, out),
                (_, 2) => all_rows::<2, 2>(&tile, &mut ahead, x, rows, out),
                (..) => all_rows::<2, 4>(&tile, &mut ahead, x, rows, out),
            }
        }
    }
}

impl Ahead {
    /// Returns the weights after `spans` of the rows from `row` on: spans of the same rows, or the
    /// first spans of the next tile.
    fn of(w: &Affine<'_>, row: usize, spans: &Range<usize>) -> Self {
        let row_bytes = w.row_bytes();
        let at = spans.end * SPAN * w.bits / 8;
        let (row, at) = if at < row_bytes { (row, at) } else { (row + TILE_ROWS, 0) };
        let bytes = (SPANS * SPAN * w.bits / 8).min(row_bytes - at);
        // One call for each span of each part while they are unpacked, and as many in a kernel.
        let turns = 2 * PARTS * spans.len();
        Self {
            row: w.packed.as_ptr().wrapping_add(row * row_bytes + at),
            row_bytes,
            rows: TILE_ROWS,
            bytes,
            at: 0,
            lines: (TILE_ROWS * bytes.div_ceil(LINE)).div_ceil(turns),
        }
    }

    /// Prefetches some cache lines, if any are left.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in super::super) fn ask(&mut self) {
        for _ in 0..self.lines {
            if self.rows == 0 {
                return;
            }
            _mm_prefetch::<_MM_HINT_T1>(self.row.wrapping_add(self.at).cast());
            self.at += LINE;
            if self.at >= self.bytes {
                self.at = 0;
                self.row = self.row.wrapping_add(self.row_bytes);
                self.rows -= 1;
            }
        }
    }
}

/// Unpacks one span of eight rows to `[planes][STEPS]` vectors, [`PARTS`] apart. A step is four
/// columns in the order of the activations. If `SPLIT`, codes of more than four bits go to two
/// planes of nibbles.
///
/// # Safety
/// The processor must have AVX2. The rows exist, and there is room at `to`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn unpack_span<const SPLIT: bool>(
    w: &Affine<'_>,
    rows: &[*const u8; DOT_ROWS],
    row_bytes: usize,
    span: usize,
    to: *mut __m256i,
) {
    // SAFETY: by the caller's promise, here and below.
    unsafe {
        match (w.bits, w.is_fp4()) {
            (4, false) => {
                for (i, line) in
                    transpose(packed_span(rows, row_bytes, span)).into_iter().enumerate()
                {
                    let (even, odd) = nibbles::<false>(_mm256_castps_si256(line));
                    let step = i / 4 * 8 + i % 4;
                    *to.add(step * PARTS) = even;
                    *to.add((step + 4) * PARTS) = odd;
                }
            }
            (4, true) => {
                // If blocks have 16 columns, even and odd columns alternate every eight bytes.
                let run = if w.block() == 16 { 2 } else { 4 };
                for (i, line) in
                    transpose(packed_span(rows, row_bytes, span)).into_iter().enumerate()
                {
                    let (even, odd) = nibbles::<true>(_mm256_castps_si256(line));
                    let step = i / run * 2 * run + i % run;
                    store::<SPLIT>(to.add(step * PARTS), even);
                    store::<SPLIT>(to.add((step + run) * PARTS), odd);
                }
            }
            (bits, _) => {
                for half in 0..2 {
                    let lines = chunk_lines(w, rows, 2 * span + half);
                    for (i, line) in transpose(lines).into_iter().enumerate() {
                        let line = _mm256_castps_si256(line);
                        let to = to.add((STEPS / 2 * half + i) * PARTS);
                        if bits < 4 { *to = line } else { store::<SPLIT>(to, line) }
                    }
                }
            }
        }
    }
}

/// Stores the bytes unchanged or, if `SPLIT`, their low and high nibbles in a plane each.
///
/// # Safety
/// The processor must have AVX2. `to` is writable, and if `SPLIT`, so is the vector one plane after
/// it.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store<const SPLIT: bool>(to: *mut __m256i, bytes: __m256i) {
    // SAFETY: by the caller's promise.
    unsafe {
        if SPLIT {
            let (low, high) = nibbles::<false>(bytes);
            *to = low;
            *to.add(STEPS * PARTS) = high;
        } else {
            *to = bytes;
        }
    }
}

/// Returns 32 bytes of a span of 4-bit rows. Bytes past the end of a row are zero.
///
/// # Safety
/// The processor must have AVX2, and the rows must exist.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn packed_span(
    rows: &[*const u8; DOT_ROWS],
    row_bytes: usize,
    span: usize,
) -> [__m256; DOT_ROWS] {
    let at = 32 * span;
    if row_bytes - at >= 32 {
        // SAFETY: 32 bytes are in bounds.
        return rows.map(|row| unsafe { _mm256_loadu_ps(row.add(at).cast()) });
    }
    rows.map(|row| {
        let mut padded = [0u8; 32];
        // SAFETY: fewer than 32 bytes are left; the copy on the stack has 32.
        unsafe {
            padded.as_mut_ptr().copy_from_nonoverlapping(row.add(at), row_bytes - at);
            _mm256_loadu_ps(padded.as_ptr().cast())
        }
    })
}

/// Returns the 32 codes of chunk `index` of rows of another width. Codes past the end of a row are
/// zero.
///
/// # Safety
/// The processor must have AVX2, and the rows must exist.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn chunk_lines(
    w: &Affine<'_>,
    rows: &[*const u8; DOT_ROWS],
    index: usize,
) -> [__m256; DOT_ROWS] {
    if index * CHUNK >= w.cols {
        return [_mm256_setzero_ps(); DOT_ROWS];
    }
    rows.map(|row| {
        // SAFETY: a chunk is in bounds; groups of these widths are whole chunks.
        _mm256_castsi256_ps(unsafe {
            let from = row.add(index * CHUNK * w.bits / 8);
            match w.bits {
                2 => chunk::<2>(from),
                3 => chunk::<3>(from),
                5 => chunk::<5>(from),
                6 => chunk::<6>(from),
                _ => chunk::<8>(from),
            }
        })
    })
}

/// Transposes the scales and biases of the groups in `spans` into `floats`, `[groups][scale,
/// bias][PARTS][DOT_ROWS]`. Returns the first group.
///
/// # Safety
/// The processor must have AVX2 and F16C, and the rows must exist.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn turn_scales(
    w: &Affine<'_>,
    row: usize,
    spans: &Range<usize>,
    floats: &mut Vec<f32>,
) -> usize {
    let groups = w.groups();
    let first = spans.start * SPAN / w.group_size;
    let end = (spans.end * SPAN).div_ceil(w.group_size).min(groups);
    floats.resize((end - first) * 2 * TILE_ROWS, 0.0);
    for part in 0..PARTS {
        let rows = std::array::from_fn(|i| (row + part * DOT_ROWS + i).min(w.rows - 1));
        for chunk in (first..end).step_by(GROUPS) {
            let start = chunk_start(chunk, groups);
            // SAFETY: the chunk lies inside the rows.
            let (scales, biases) = unsafe { turn(&w.scales, &rows, groups, start) };
            for group in chunk..(chunk + GROUPS).min(end) {
                let to = &mut floats[(group - first) * 2 * TILE_ROWS..][..2 * TILE_ROWS];
                // SAFETY: scales and biases of all parts are in bounds.
                unsafe {
                    let to = to.as_mut_ptr().add(part * DOT_ROWS);
                    _mm256_storeu_ps(to, scales[group - start]);
                    _mm256_storeu_ps(to.add(TILE_ROWS), biases[group - start]);
                }
            }
        }
    }
    first
}

/// Runs the kernel over all activation rows.
///
/// # Safety
/// As for [`kernel`].
#[target_feature(enable = "avx2,fma")]
unsafe fn all_rows<const PLANES: usize, const BLOCKS: usize>(
    tile: &Unpacked<'_>,
    ahead: &mut Ahead,
    x: &QuantRows,
    rows: &[usize],
    out: &mut [f32],
) {
    for (rows, out) in rows.chunks(TOKENS).zip(out.chunks_mut(TOKENS * TILE_ROWS)) {
        // SAFETY: by the caller's promise; `out` has a row of sixteen for each activation row.
        unsafe {
            match *rows {
                [a, b, c, d] => kernel::<4, PLANES, BLOCKS>(tile, ahead, x, [a, b, c, d], out),
                [a, b, c] => kernel::<3, PLANES, BLOCKS>(tile, ahead, x, [a, b, c], out),
                [a, b] => kernel::<2, PLANES, BLOCKS>(tile, ahead, x, [a, b], out),
                [a, ..] => kernel::<1, PLANES, BLOCKS>(tile, ahead, x, [a], out),
                [] => {}
            }
        }
    }
}

/// `out[t][i] += w[i] · x[rows[t]]` over the spans of the tile, for `T` activation rows.
///
/// # Safety
/// The processor must have AVX2 and FMA. The tile is filled, the rows of `x` exist, and `out` is
/// `[T][TILE_ROWS]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn kernel<const T: usize, const PLANES: usize, const BLOCKS: usize>(
    tile: &Unpacked<'_>,
    ahead: &mut Ahead,
    x: &QuantRows,
    rows: [usize; T],
    out: &mut [f32],
) {
    // Sums are widened after each run of columns.
    let runs = if BLOCKS == 4 { 4 } else { 2 };
    let zero = _mm256_setzero_si256();
    let ones = _mm256_set1_epi16(1);
    let x_blocks = x.blocks();
    // SAFETY: all offsets stay inside what the caller promises.
    unsafe {
        let out = out.as_mut_ptr();
        let mut acc = [[_mm256_setzero_ps(); PARTS]; T];
        for (t, acc) in acc.iter_mut().enumerate() {
            for (part, acc) in acc.iter_mut().enumerate() {
                *acc = _mm256_loadu_ps(out.add(t * TILE_ROWS + part * DOT_ROWS));
            }
        }
        let x_rows = rows.map(|row| x.q.as_ptr().add(row * x.stride));
        let x_scales = rows.map(|row| x.scale.as_ptr().add(row * x_blocks));
        let x_sums = rows.map(|row| x.sum.as_ptr().add(row * x_blocks));
        let mut weights = tile.bytes.as_ptr();
        for span in tile.spans.clone() {
            let mut dots = [[zero; PARTS]; T];
            for run in 0..runs {
                ahead.ask();
                for plane in 0..PLANES {
                    let mut sums = [[zero; PARTS]; T];
                    let mut w = weights.add((plane * STEPS + run * (STEPS / runs)) * PARTS);
                    let mut step = span * SPAN + run * (SPAN / runs);
                    for _ in 0..tile.run_steps / UNROLL {
                        for i in 0..UNROLL {
                            let weights = [*w.add(i * PARTS), *w.add(i * PARTS + 1)];
                            for (sums, x) in sums.iter_mut().zip(&x_rows) {
                                let four = x.add(step + 4 * i).cast::<i32>().read_unaligned();
                                let four = _mm256_set1_epi32(four);
                                for (sum, weights) in sums.iter_mut().zip(weights) {
                                    // Eight sums of two products of at most 15·127 fit 16 bits.
                                    let products = _mm256_maddubs_epi16(weights, four);
                                    *sum = _mm256_add_epi16(*sum, products);
                                }
                            }
                        }
                        w = w.add(UNROLL * PARTS);
                        step += 4 * UNROLL;
                    }
                    for (dots, sums) in dots.iter_mut().zip(&sums) {
                        for (dot, &sum) in dots.iter_mut().zip(sums) {
                            let wide = _mm256_madd_epi16(sum, ones);
                            let wide = if plane == 1 { _mm256_slli_epi32::<4>(wide) } else { wide };
                            *dot = _mm256_add_epi32(*dot, wide);
                        }
                    }
                }
                if BLOCKS > 1 || run == runs - 1 {
                    let column = span * SPAN + if BLOCKS > 1 { run * (SPAN / runs) } else { 0 };
                    if column < tile.cols {
                        let block =
                            span * BLOCKS + if BLOCKS > 1 { run / (runs / BLOCKS) } else { 0 };
                        let scales = tile.group_scales(column);
                        for t in 0..T {
                            let x_scale = _mm256_set1_ps(*x_scales[t].add(block));
                            let x_sum = _mm256_set1_ps(*x_sums[t].add(block));
                            for part in 0..PARTS {
                                let at = scales.add(part * DOT_ROWS);
                                let scale = _mm256_loadu_ps(at);
                                let bias = _mm256_loadu_ps(at.add(TILE_ROWS));
                                let dot = _mm256_cvtepi32_ps(dots[t][part]);
                                let scale = _mm256_mul_ps(scale, x_scale);
                                let sum = _mm256_fmadd_ps(dot, scale, acc[t][part]);
                                acc[t][part] = _mm256_fmadd_ps(bias, x_sum, sum);
                            }
                        }
                    }
                    dots = [[zero; PARTS]; T];
                }
            }
            weights = weights.add(PLANES * STEPS * PARTS);
        }
        for (t, acc) in acc.iter().enumerate() {
            for (part, &acc) in acc.iter().enumerate() {
                _mm256_storeu_ps(out.add(t * TILE_ROWS + part * DOT_ROWS), acc);
            }
        }
    }
}
