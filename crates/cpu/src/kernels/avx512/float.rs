//! Dot products of f32 rows, a tile at a time.

use std::arch::x86_64::*;

use super::super::avx2::elementwise::sum;

/// Number of activation rows in a tile. With four weight rows, their sums fill 24 of 32 registers.
const TILE: usize = 6;

/// See [`super::super::Kernels::dot4_rows`]. Sums are those of AVX2's `dot4`: its two vectors of eight lanes are the
/// halves of one here.
///
/// # Safety
/// The processor must have AVX-512 F. `w` has four rows, and `x` has all of `rows`, as long as those.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn dot4_rows(w: &[f32], x: &[f32], rows: &[usize], out: &mut Vec<[f32; 4]>) {
    let cols = w.len() / 4;
    out.clear();
    let (tiles, rest) = rows.as_chunks::<TILE>();
    for tile in tiles {
        // SAFETY: by the caller's promise.
        out.extend(unsafe { products(w, x, cols, tile) });
    }
    for row in rest {
        // SAFETY: by the caller's promise.
        out.extend(unsafe { products(w, x, cols, &[*row]) });
    }
}

/// Returns the products of four weight rows with `N` activation rows.
///
/// # Safety
/// Like that of [`dot4_rows`].
#[inline]
#[target_feature(enable = "avx512f,avx2,fma")]
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
    let rest = cols / 16 * 16..cols;
    std::array::from_fn(|i| {
        std::array::from_fn(|row| {
            let x = &x[starts[i]..][..cols];
            let tail = rest.clone().map(|at| w[row * cols + at] * x[at]).sum::<f32>();
            halves(sums[i][row]) + tail
        })
    })
}

/// Returns the sum of the lanes, in the order of AVX2's `dot4`.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn halves(v: __m512) -> f32 {
    let upper = _mm512_castps_pd(v);
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(upper));
    sum(_mm256_add_ps(_mm512_castps512_ps256(v), upper))
}
