//! Rotations of activations by signed Walsh-Hadamard matrices, block by block.
//!
//! A block is rotated in one order of sums and differences, so a result depends on nothing but its row.

use mlxk_ops::HadamardSpec;

use crate::workers::Workers;

/// Values whose sums and differences are computed at once.
const LANES: usize = 8;

/// Rotates rows `[rows][cols]`, where `cols` is the number of signs.
pub(crate) fn rotate(workers: &mut Workers, x: &mut [f32], rotation: &HadamardSpec) {
    let HadamardSpec { block, signs } = rotation;
    let blocks = signs.len() / block;
    workers.for_rows(*block, x, &|_, index, x| {
        multiply(x, &signs[index % blocks * block..][..*block]);
        transform(x);
    });
}

/// Rotates a row back.
pub(crate) fn rotate_back(row: &mut [f32], rotation: &HadamardSpec) {
    row.chunks_exact_mut(rotation.block).for_each(transform);
    multiply(row, &rotation.signs);
}

fn multiply(x: &mut [f32], signs: &[f32]) {
    for (x, sign) in x.iter_mut().zip(signs) {
        *x *= sign;
    }
}

/// `x = H · x / √n`, for a number `n` of values that is a power of two.
fn transform(x: &mut [f32]) {
    let count = x.len();
    let mut width = 1;
    while width < count {
        for pair in x.chunks_exact_mut(2 * width) {
            let (first, second) = pair.split_at_mut(width);
            if width < LANES {
                first.iter_mut().zip(second).for_each(|(a, b)| (*a, *b) = (*a + *b, *a - *b));
            } else {
                let (first, second) = (first.as_chunks_mut::<LANES>().0, second.as_chunks_mut().0);
                for (a, b) in first.iter_mut().zip(second) {
                    butterfly(a, b);
                }
            }
        }
        width *= 2;
    }
    let factor = 1.0 / (count as f32).sqrt();
    for x in x {
        *x *= factor;
    }
}

fn butterfly(a: &mut [f32; LANES], b: &mut [f32; LANES]) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (*a + *b, *a - *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entry of the matrix in Sylvester's order.
    fn sign(row: usize, col: usize) -> f64 {
        if (row & col).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
    }

    #[test]
    fn a_block_is_multiplied_by_the_matrix() {
        for count in [1, 2, 8, 64, 512] {
            let x: Vec<f32> =
                (0..count).map(|i| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0).collect();
            let mut found = x.clone();
            transform(&mut found);
            for (row, found) in found.iter().enumerate() {
                let sum: f64 = (0..count).map(|col| sign(row, col) * f64::from(x[col])).sum();
                let expected = sum / (count as f64).sqrt();
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{count}, {row}: {found}");
            }
        }
    }

    #[test]
    fn a_rotation_back_undoes_a_rotation() {
        let signs: Vec<f32> = (0..64).map(|i| if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        let rotation = HadamardSpec { block: 16, signs };
        let x: Vec<f32> = (0..64).map(|i| (i as f32).sin()).collect();
        let mut turned = x.clone();
        multiply(&mut turned, &rotation.signs);
        turned.chunks_exact_mut(16).for_each(transform);
        rotate_back(&mut turned, &rotation);
        for (x, back) in x.iter().zip(turned) {
            assert!((x - back).abs() < 1e-6);
        }
    }
}
