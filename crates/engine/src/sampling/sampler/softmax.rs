//! Sums over the vocabulary, which have to be fast.

const LANES: usize = 16;

/// Returns `e^x` for `x ≤ 0`, within about 2 ulp, and `e^-87` below −87.
///
/// `x = n·ln 2 + r` with `|r| ≤ ln 2 / 2`, and `e^r` by its Taylor polynomial. The standard library's `exp`
/// would be exact, but the compiler can vectorize a loop over this.
fn exp(x: f32) -> f32 {
    /// Adding this constant rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let tail = ((r * (1.0 / 720.0) + 1.0 / 120.0) * r + 1.0 / 24.0) * r + 1.0 / 6.0;
    let power = ((tail * r + 0.5) * r + 1.0) * r + 1.0;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    power * scale
}

/// Returns `Σ e^((l − max) · inverse_temperature)`.
pub(super) fn sum_of_weights(logits: &[f32], max: f32, inverse_temperature: f32) -> f64 {
    let weight = |logit: f32| exp((logit - max) * inverse_temperature);
    logits
        .chunks(64 * LANES)
        .map(|block| {
            let mut sums = [0.0_f32; LANES];
            let (rows, rest) = block.as_chunks::<LANES>();
            for row in rows {
                for (sum, &logit) in sums.iter_mut().zip(row) {
                    *sum += weight(logit);
                }
            }
            for (sum, &logit) in sums.iter_mut().zip(rest) {
                *sum += weight(logit);
            }
            sums.into_iter().map(f64::from).sum::<f64>()
        })
        .sum()
}

/// Returns the largest logit, or `None` if one is NaN or +∞, or all are −∞.
pub(super) fn max_of_valid(logits: &[f32]) -> Option<f32> {
    let mut valid = true;
    let mut maxima = [f32::NEG_INFINITY; LANES];
    for block in logits.chunks(LANES) {
        for (max, &logit) in maxima.iter_mut().zip(block) {
            valid &= logit < f32::INFINITY;
            *max = if logit > *max { logit } else { *max };
        }
    }
    let max = maxima.into_iter().fold(f32::NEG_INFINITY, f32::max);
    (valid && max > f32::NEG_INFINITY).then_some(max)
}

/// Returns `ln Σ e^l`, or `None` as [`max_of_valid`] does.
pub(crate) fn log_sum_exp(logits: &[f32]) -> Option<f64> {
    let max = max_of_valid(logits)?;
    Some(f64::from(max) + sum_of_weights(logits, max, 1.0).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_the_library_function() {
        for step in 0..8600 {
            let x = -(step as f32) / 100.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 4e-7, "{x}: {error}");
        }
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
    }

    #[test]
    fn sums_are_those_of_f64() {
        let logits: Vec<f32> = (0..5003).map(|i| ((i * 7919) % 1009) as f32 / 40.0).collect();
        let expected: f64 = logits.iter().map(|&l| ((f64::from(l) - 25.2) / 0.7).exp()).sum();
        let found = sum_of_weights(&logits, 25.2, 1.0 / 0.7);
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    }

    #[test]
    fn invalid_logits_have_no_maximum() {
        assert_eq!(max_of_valid(&[1.0, f32::NEG_INFINITY, 3.0]), Some(3.0));
        assert_eq!(max_of_valid(&[1.0, f32::NAN]), None);
        assert_eq!(max_of_valid(&[1.0, f32::INFINITY]), None);
        assert_eq!(max_of_valid(&[f32::NEG_INFINITY; 3]), None);
        assert_eq!(max_of_valid(&[]), None);
    }
}
