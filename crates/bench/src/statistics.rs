//! Medians, quartiles, and ratios of series that were measured in pairs.
//!
//! Times on a shared machine have long tails, so nothing here assumes a normal distribution:
//! intervals are those of ranks (the sign test, the rank-sum test), which hold for any.

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

/// The probability that intervals of ratios are asked for.
pub const CONFIDENCE: f64 = 0.99;

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

    /// The same, with an interval that few pairs are enough for: where the pairs themselves cannot
    /// reach `confidence` (99 % takes eight), it is that of [`shift_interval`], over the ratios of
    /// every figure of the first series to every one of the second.
    pub fn in_turn(first: &[f64], second: &[f64], confidence: f64) -> Option<Self> {
        let mut ratio = Self::paired(first, second, confidence)?;
        if ratio.interval.confidence < confidence {
            let shift = shift_interval(first, second, confidence)?;
            if shift.confidence > ratio.interval.confidence {
                ratio.interval = shift;
            }
        }
        Some(ratio)
    }

    /// Whether the interval leaves out that both are alike.
    pub fn is_a_difference(&self) -> bool {
        self.interval.is_a_difference()
    }

    /// Whether the first is less for certain, and less than this share of the second.
    pub fn is_below(&self, share: f64) -> bool {
        self.interval.is_below(self.of_medians, share)
    }
}

impl Interval {
    /// Whether it leaves out 1.
    pub fn is_a_difference(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }

    /// Whether a ratio that lies in it is below 1 for certain, and below this share.
    pub fn is_below(&self, ratio: f64, share: f64) -> bool {
        ratio < share && self.high < 1.0
    }
}

/// Series longer than this are as good as infinite: the normal distribution takes the place of the
/// exact one.
const EXACT_UP_TO: usize = 40;

/// The narrowest interval between two ratios of a figure of the first series to one of the second
/// that holds, with probability `confidence`, the factor between the two distributions; from the
/// smallest to the largest ratio where even that is less probable. `None` where a series is empty or
/// a figure is not positive.
///
/// This is the interval that belongs to the rank-sum test (Hollander and Wolfe, Nonparametric
/// Statistical Methods, section 4.3): the factor lies below the k-th smallest ratio with the
/// probability that the statistic of the test is less than k.
pub fn shift_interval(first: &[f64], second: &[f64], confidence: f64) -> Option<Interval> {
    let positive = |&value: &f64| value.is_finite() && value > 0.0;
    if first.is_empty() || second.is_empty() || !first.iter().chain(second).all(positive) {
        return None;
    }
    let ratios = first.iter().flat_map(|a| second.iter().map(move |b| a / b)).collect::<Vec<_>>();
    let ratios = sorted(&ratios)?;
    let count = ratios.len();
    let mut best = None;
    let mut outside = 0.0;
    for (skipped, exactly) in rank_sums(first.len(), second.len()).into_iter().enumerate() {
        if 2 * skipped >= count {
            break;
        }
        outside += exactly;
        let reached = (1.0 - 2.0 * outside).max(0.0);
        if best.is_none() || reached >= confidence {
            let (low, high) = (ratios[skipped], ratios[count - 1 - skipped]);
            best = Some(Interval { low, high, confidence: reached });
        }
    }
    best
}

/// How probable each value of the rank-sum statistic is, from 0 upwards, where both series come from
/// one distribution.
fn rank_sums(first: usize, second: usize) -> Vec<f64> {
    let most = first * second;
    if first.max(second) > EXACT_UP_TO {
        let middle = most as f64 / 2.0;
        let deviation = (most as f64 * (first + second + 1) as f64 / 12.0).sqrt();
        let weight = |value: usize| (-((value as f64 - middle) / deviation).powi(2) / 2.0).exp();
        let weights: Vec<f64> = (0..=most).map(weight).collect();
        let all: f64 = weights.iter().sum();
        return weights.iter().map(|weight| weight / all).collect();
    }
    // Orders of the figures by the value that they give, one figure of the first series after the
    // other: the coefficients of a Gaussian binomial.
    let mut ways = vec![0.0; most + 1];
    ways[0] = 1.0;
    for index in 1..=first {
        let factor = second + index;
        for value in (factor..=most).rev() {
            ways[value] -= ways[value - factor];
        }
        for value in index..=most {
            ways[value] += ways[value - index];
        }
    }
    let all: f64 = ways.iter().sum();
    ways.iter().map(|ways| ways / all).collect()
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
