//! The largest values of rows: the default of [`Compute::top`](crate::Compute::top).

use std::cmp::Ordering;

/// A value of a row and its column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Column of the value; for logits, the token id.
    pub column: u32,
    /// The value.
    pub value: f32,
}

/// Summary of a row of values that a device makes, so that a token can be drawn without the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Number of values of the row.
    pub width: usize,
    /// The largest ones, see [`Compute::top`](crate::Compute::top).
    pub best: Vec<Ranked>,
    /// Sum of `e^((value − largest) · scale)` over all values of the row, with a relative error of at most
    /// [`Survey::ERROR`].
    pub total: f64,
}

impl Survey {
    /// Most values that are asked for.
    pub const MOST: usize = 256;
    /// Bound of the relative error of [`Survey::total`]. Sums of f32 are some 1e-6 off, and a driver's `exp` may be
    /// some units in the last place off.
    pub const ERROR: f64 = 1e-5;
}

/// Returns the `k` largest values of each row of `width` values, see
/// [`Compute::top`](crate::Compute::top).
pub fn top(values: &[f32], width: usize, k: usize) -> Vec<Ranked> {
    let mut ranked =
        Vec::with_capacity(values.len().checked_div(width).unwrap_or(0) * k.min(width));
    if width == 0 || k == 0 {
        return ranked;
    }
    for row in values.chunks_exact(width) {
        let first = ranked.len();
        for (column, &value) in (0..).zip(row) {
            // Columns come in rising order, so a value that only equals the last one loses to it.
            let full = ranked.len() - first == k;
            if full && !is_before(value, ranked[ranked.len() - 1].value) {
                continue;
            }
            if full {
                ranked.pop();
            }
            let best = &ranked[first..];
            let place = best.partition_point(|found| !is_before(value, found.value));
            ranked.insert(first + place, Ranked { column, value });
        }
    }
    ranked
}

/// Returns `true` if `a` ranks before `b`. NaN ranks before all numbers, and equals itself.
fn is_before(a: f32, b: f32) -> bool {
    match a.partial_cmp(&b) {
        Some(order) => order == Ordering::Greater,
        None => a.is_nan() && !b.is_nan(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(values: &[f32], width: usize, k: usize) -> Vec<u32> {
        top(values, width, k).iter().map(|ranked| ranked.column).collect()
    }

    #[test]
    fn the_largest_come_first_and_the_lower_column_among_equals() {
        let values = [1.0, 3.0, -2.0, 3.0, 0.0, -0.0, f32::NEG_INFINITY, 2.0];
        assert_eq!(columns(&values, 8, 1), [1]);
        assert_eq!(columns(&values, 8, 6), [1, 3, 7, 0, 4, 5]);
        assert_eq!(columns(&values, 8, 100), [1, 3, 7, 0, 4, 5, 2, 6]);
        assert_eq!(columns(&values, 4, 2), [1, 3, 3, 0]);
        assert_eq!(top(&values, 8, 1), [Ranked { column: 1, value: 3.0 }]);
    }

    #[test]
    fn nan_is_seen_first() {
        let values = [1.0, f32::NAN, f32::INFINITY, f32::NAN];
        assert_eq!(columns(&values, 4, 3), [1, 3, 2]);
        assert!(top(&values, 4, 1)[0].value.is_nan());
    }

    #[test]
    fn nothing_has_no_largest() {
        assert!(top(&[], 0, 3).is_empty() && top(&[], 4, 3).is_empty());
        assert!(top(&[1.0], 1, 0).is_empty());
    }

    #[test]
    fn many_values_rank_as_a_stable_sort_ranks_them() {
        let values: Vec<f32> =
            (0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 22) as f32).collect();
        for k in [1, 2, 50, 999] {
            let mut expected: Vec<u32> = (0..4000).collect();
            expected.sort_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]));
            assert_eq!(columns(&values, 4000, k), expected[..k]);
        }
    }
}
