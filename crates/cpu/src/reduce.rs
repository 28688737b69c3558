//! Many rows as one: the pooling of embeddings.

use mlxk_ops::Reduction;

/// Reduces the rows of `x`, as wide as `out`, to `out`. There is at least one.
///
/// The rows are added one after the other, so that a result does not depend on threads or batch.
pub(crate) fn rows(out: &mut [f32], x: &[f32], reduction: Reduction) {
    let (first, rest) = x.split_at(out.len());
    out.copy_from_slice(first);
    for row in rest.chunks_exact(out.len()) {
        for (out, x) in out.iter_mut().zip(row) {
            match reduction {
                Reduction::Mean => *out += x,
                Reduction::Max => *out = out.max(*x),
            }
        }
    }
    if reduction == Reduction::Mean {
        let count = (x.len() / out.len()) as f32;
        for out in out {
            *out /= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_their_mean_or_maximum() {
        let mut out = vec![0.0; 2];
        rows(&mut out, &[1.0, -4.0, 3.0, -2.0, 5.0, -9.0], Reduction::Mean);
        assert_eq!(out, [3.0, -5.0]);
        rows(&mut out, &[1.0, -4.0, 3.0, -2.0, 5.0, -9.0], Reduction::Max);
        assert_eq!(out, [5.0, -2.0]);
        rows(&mut out, &[7.0, 8.0], Reduction::Mean);
        assert_eq!(out, [7.0, 8.0]);
    }
}
