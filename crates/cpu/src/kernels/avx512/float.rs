//! Dot products of f32 rows, a tile at a time.

use std::arch::x86_64::*;

/// Number of activation rows in a tile. With four weight rows, their sums fill 24 of 32 registers.
pub(super) const TILE: usize = 6;

/// See [`super::super::Kernels::dot4_rows`]. Sums are those of AVX2's `dot4`: its two vectors of eight lanes are the
/// halves of one here.
///
/// # Safety
/// The processor must have AVX-512 F and VL. `w` has four rows, and `x` has all of `rows`, as long as those.
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
pub(super) unsafe fn dot4_rows(
    w: &[f32],
    x: &[f32],
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

/// Computes the products of four weight rows with activation rows, a tile at a time and then one by one, and writes them
/// to `out[i · stride..][..4]`.
#[inline]
pub(super) fn in_tiles(
    rows: &[usize],
    out: &mut [f32],
    stride: usize,
    tile: impl Fn(&[usize; TILE]) -> [[f32; 4]; TILE],
    single: impl Fn(&[usize; 1]) -> [[f32; 4]; 1],
) {
    let mut outs = out.chunks_mut(stride);
    let mut store = |products: &[[f32; 4]]| {
        for (products, out) in products.iter().zip(&mut outs) {
            out[..4].copy_from_slice(products);
        }
    };
    let (tiles, rest) = rows.as_chunks::<TILE>();
    for rows in tiles {
        store(&tile(rows));
    }
    for row in rest {
        store(&single(&[*row]));
    }
}

/// Returns the products of four weight rows with `N` activation rows.
///
/// # Safety
/// Like that of [`dot4_rows`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
unsafe fn products<const N: usize>(
    w: &[f32],
    x: &[f32],
    cols: usize,
    rows: &[usize; N],
) -> [[f32; 4]; N] {
    let mut sums = [[_mm512_setzero_ps(); 4]; N];
    let starts = rows.map(|row| row * cols);
    for at in (0..cols / 16 * 16).step_by(16) {
        // SAFETY: sixteen floats are in bounds, in each row.
        unsafe {
            let w: [__m512; 4] =
                std::array::from_fn(|row| _mm512_loadu_ps(w.as_ptr().add(row * cols + at)));
            for (start, sums) in starts.iter().zip(&mut sums) {
                let x = _mm512_loadu_ps(x.as_ptr().add(start + at));
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = _mm512_fmadd_ps(w, x, *sum);
                }
            }
        }
    }
    let mut out: [[f32; 4]; N] = std::array::from_fn(|i| lane_sums(sums[i]));
    let whole = cols / 16 * 16;
    if whole < cols {
        for (start, out) in starts.iter().zip(&mut out) {
            let x = &x[start + whole..start + cols];
            for (row, out) in out.iter_mut().enumerate() {
                let w = &w[row * cols + whole..(row + 1) * cols];
                *out += w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
            }
        }
    }
    out
}

/// Returns the sum of the lanes of each vector, in the order of AVX2's `dot4`: halves, then quarters, then pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
pub(super) fn lane_sums([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
    let halves = |a, b| {
        let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
        _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b))
    };
    let (ab, cd) = (halves(a, b), halves(c, d));
    let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
    let quarters = _mm512_add_ps(even, _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd));
    let pairs = _mm512_add_ps(quarters, _mm512_permute_ps::<0b01_00_11_10>(quarters));
    let sums = _mm512_add_ps(pairs, _mm512_permute_ps::<0b10_11_00_01>(pairs));
    // One sum fills a quarter.
    let first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    let sums = _mm512_castps512_ps128(_mm512_permutexvar_ps(first, sums));
    let mut out = [0.0; 4];
    // SAFETY: four floats are there.
    unsafe { _mm_storeu_ps(out.as_mut_ptr(), sums) };
    out
}
