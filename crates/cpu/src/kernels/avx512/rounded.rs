//! Dot products of bf16 rows, a tile at a time: twice as many products per instruction as of f32.

use std::arch::x86_64::*;

use half::bf16;

use super::float::{TILE, in_tiles, lane_sums};

/// Number of bf16 values in a register.
const LANES: usize = 32;

/// See [`super::super::Kernels::bf16_rows`].
///
/// # Safety
/// The processor must have AVX-512 F, BW, VL and BF16. `w` has four rows, and `x` has all of `rows`, as long as those.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
pub(super) unsafe fn dot4_rows(
    w: &[bf16],
    x: &[bf16],
    rows: &[usize],
    out: &mut [f32],
    stride: usize,
) {
    let cols = w.len() / 4;
    // SAFETY: by the caller's promise.
    let tile = |rows: &[usize; TILE]| unsafe { products(w, x, cols, rows) };
    // SAFETY: by the caller's promise.
    let single = |row: &[usize; 1]| unsafe { products(w, x, cols, row) };
    in_tiles(rows, out, stride, tile, single);
}

/// Returns the products of four weight rows with `N` activation rows.
///
/// # Safety
/// Like that of [`dot4_rows`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
unsafe fn products<const N: usize>(
    w: &[bf16],
    x: &[bf16],
    cols: usize,
    rows: &[usize; N],
) -> [[f32; 4]; N] {
    let mut sums = [[_mm512_setzero_ps(); 4]; N];
    let starts = rows.map(|row| row * cols);
    let whole = cols / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        // SAFETY: as many values are in bounds, in each row.
        unsafe { add(&mut sums, w, x, (cols, at), &starts, !0) };
    }
    if whole < cols {
        let rest = (1 << (cols - whole)) - 1;
        // SAFETY: the values of the mask are in bounds, in each row.
        unsafe { add(&mut sums, w, x, (cols, whole), &starts, rest) };
    }
    std::array::from_fn(|i| lane_sums(sums[i]))
}

/// Adds the products of the columns from `at` on that `mask` has.
///
/// # Safety
/// Like that of [`dot4_rows`]; the columns must exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn add<const N: usize>(
    sums: &mut [[__m512; 4]; N],
    w: &[bf16],
    x: &[bf16],
    (cols, at): (usize, usize),
    starts: &[usize; N],
    mask: __mmask32,
) {
    // SAFETY: by the caller's promise; `bf16` is a 16-bit integer in memory.
    unsafe {
        let load = |from: *const bf16| {
            let values = _mm512_maskz_loadu_epi16(mask, from.cast());
            std::mem::transmute::<__m512i, __m512bh>(values)
        };
        let w: [__m512bh; 4] = std::array::from_fn(|row| load(w.as_ptr().add(row * cols + at)));
        for (start, sums) in starts.iter().zip(sums) {
            let x = load(x.as_ptr().add(start + at));
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = _mm512_dpbf16_ps(*sum, w, x);
            }
        }
    }
}

/// See [`super::super::Kernels::round_bf16`].
///
/// # Safety
/// The processor must have AVX-512 F, VL and BF16.
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
pub(super) unsafe fn round(x: &[f32], out: &mut [bf16]) {
    let (lines, rest) = x.as_chunks::<16>();
    let (outs, rest_out) = out.as_chunks_mut::<16>();
    for (line, out) in lines.iter().zip(outs) {
        // SAFETY: sixteen values are in bounds on both sides; `bf16` is a 16-bit integer in memory.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(line.as_ptr()));
            let rounded = std::mem::transmute::<__m256bh, __m256i>(rounded);
            _mm256_storeu_si256(out.as_mut_ptr().cast(), rounded);
        }
    }
    for (x, out) in rest.iter().zip(rest_out) {
        *out = bf16::from_f32(*x);
    }
}
