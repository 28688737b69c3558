//! Medians, quartiles, and ratios of series that were measured in pairs.
//!
//! Times on a shared machine have long tails, so nothing here assumes a normal distribution:
//! intervals are those of order statistics (the sign test), which hold for any.

use serde::Serialize;

/// What a series of figures amounts to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// A quarter of the figures lie below.
    pub lower_quartile: f64,
    /// A quarter of the figures lie above.
    pub upper_quartile: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
    /// As they were measured, in that order.
    pub samples: Vec<f64>,
}

impl Summary {
    /// Sums a series up; `None` where it is empty or a figure is not finite.
    pub fn of(samples: Vec<f64>) -> Option<Self> {
        let sorted = sorted(&samples)?;
        Some(Self {
            median: quantile(&sorted, 0.5),
            lower_quartile: quantile(&sorted, 0.25),
            upper_quartile: quantile(&sorted, 0.75),
            minimum: quantile(&sorted, 0.0),
            maximum: quantile(&sorted, 1.0),
            samples,
        })
    }

    /// The distance between the quartiles as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.upper_quartile - self.lower_quartile) / self.median.abs().max(f64::MIN_POSITIVE)
    }

    /// The same series with every figure multiplied.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Option<Self> {
        Self::of(self.samples.iter().map(|sample| sample * factor).collect())
    }
}

/// An interval that the median lies in with some probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end, a figure of the series.
    pub low: f64,
    /// Its upper end, a figure of the series.
    pub high: f64,
    /// The probability that the median of the distribution lies within; less than what was asked
    /// for where the series is too short for it.
    pub confidence: f64,
}

/// How one series compares with another whose figures were measured in turn with its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The median of the first over that of the second.
    pub of_medians: f64,
    /// The ratios of the pairs.
    pub pairs: Summary,
    /// Where the median of the ratios lies.
    pub interval: Interval,
}

impl Ratio {
    /// Compares pair by pair; `None` where the series differ in length, are empty, or a figure is
    /// not positive.
    pub fn paired(first: &[f64], second: &[f64], confidence: f64) -> Option<Self> {
        let positive = |&value: &f64| value.is_finite() && value > 0.0;
        if first.len() != second.len() || !first.iter().chain(second).all(positive) {
            return None;
        }
        let ratios: Vec<f64> = first.iter().zip(second).map(|(a, b)| a / b).collect();
        let interval = median_interval(&ratios, confidence)?;
        let of_medians = quantile(&sorted(first)?, 0.5) / quantile(&sorted(second)?, 0.5);
        Some(Self { of_medians, pairs: Summary::of(ratios)?, interval })
    }

    /// Whether the interval leaves out that both are alike.
    pub fn is_a_difference(&self) -> bool {
        self.interval.low > 1.0 || self.interval.high < 1.0
    }
}

/// The narrowest interval between two figures of the series, equally far from its ends, that the
/// median of the distribution lies in with probability `confidence`; the whole range where even
/// that is less probable. `None` where the series is empty or a figure is not finite.
///
/// The median lies below the k-th smallest of n independent figures with the probability that fewer
/// than k of n fair coins show heads.
pub fn median_interval(samples: &[f64], confidence: f64) -> Option<Interval> {
    let sorted = sorted(samples)?;
    let count = sorted.len();
    let mut best = None;
    // The probability of exactly `skipped` heads, then of at most that many.
    let mut exactly = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut outside = 0.0;
    for skipped in 0..count.div_ceil(2) {
        outside += exactly;
        exactly *= (count - skipped) as f64 / (skipped + 1) as f64;
        let reached = (1.0 - 2.0 * outside).max(0.0);
        if best.is_none() || reached >= confidence {
            let (low, high) = (sorted[skipped], sorted[count - 1 - skipped]);
            best = Some(Interval { low, high, confidence: reached });
        }
    }
    best
}

fn sorted(samples: &[f64]) -> Option<Vec<f64>> {
    if samples.is_empty() || !samples.iter().all(|sample| sample.is_finite()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

/// The value below which the share `at` lies, on a straight line between two figures (Hyndman and
/// Fan, 1996, type 7).
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * (sorted.len() - 1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + part * (sorted[above] - sorted[below])
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
