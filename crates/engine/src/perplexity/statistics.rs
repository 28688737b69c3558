//! Means with standard errors, and quantiles.

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Arithmetic mean.
    pub mean: f64,
    /// `s / √n` with the sample standard deviation `s` (`n − 1`), or `None` for a single value. Assumes
    /// independent values, which neighbouring tokens are not quite.
    pub standard_error: Option<f64>,
}

/// Half the width of a 99 % confidence interval in standard errors, for a normal distribution.
pub const SURE: f64 = 2.576;

impl Estimate {
    /// Returns the ends of the 99 % confidence interval. A single value has none, so anything is possible.
    pub fn interval(&self) -> [f64; 2] {
        let half = self.standard_error.map_or(f64::INFINITY, |error| SURE * error);
        [self.mean - half, self.mean + half]
    }
}

/// Mean and variance, accumulated value by value (Welford's recurrence).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub(super) count: usize,
    pub(super) mean: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn push(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    pub(super) fn estimate(&self) -> Estimate {
        let count = self.count as f64;
        let standard_error =
            (self.count > 1).then(|| (self.squares / (count - 1.0) / count).max(0.0).sqrt());
        Estimate { mean: self.mean, standard_error }
    }
}

/// Returns the `share` quantile of sorted values, interpolated between neighbours, or NaN for no values.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    // Equal neighbours may both be infinite.
    if below.to_bits() == above.to_bits() { below } else { below + at.fract() * (above - below) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_figures() {
        let mut moments = Moments::default();
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            moments.push(value);
        }
        let Estimate { mean, standard_error } = moments.estimate();
        assert!((mean - 5.0).abs() < 1e-12);
        // Squared deviations sum to 32: √(32 / 7 / 8).
        assert!((standard_error.unwrap() - (32.0_f64 / 56.0).sqrt()).abs() < 1e-12);
        let mut single = Moments::default();
        single.push(3.0);
        assert_eq!(single.estimate(), Estimate { mean: 3.0, standard_error: None });
    }

    #[test]
    fn quantiles_interpolate() {
        let values: Vec<f64> = (0..101).map(f64::from).collect();
        for (share, expected) in [(0.0, 0.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert!((quantile(&values, share) - expected).abs() < 1e-9);
        }
        assert!((quantile(&[1.0, 2.0], 0.5) - 1.5).abs() < 1e-12);
        assert!(quantile(&[0.0, f64::INFINITY, f64::INFINITY], 0.9).is_infinite());
        assert!(quantile(&[], 0.5).is_nan());
    }
}
