//! Medians, quartiles, and ratios of series that were measured in pairs.
//!
//! Times on a shared machine have long tails, so nothing here assumes a normal distribution.
//! Intervals come from ranks (the sign test and the rank-sum test), which are valid for any
//! distribution.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Summary of a series of samples.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Summary {
    /// The middle sample, or the mean of the middle two.
    pub median: f64,
    /// A quarter of the samples lie below.
    pub lower_quartile: f64,
    /// A quarter of the samples lie above.
    pub upper_quartile: f64,
    /// The smallest sample.
    pub minimum: f64,
    /// The largest sample.
    pub maximum: f64,
    /// All samples, in the order of measurement.
    pub samples: Vec<f64>,
    /// Round of each sample, ascending.
    #[serde(skip)]
    pub rounds: Vec<usize>,
}

impl Summary {
    /// Summarizes a series. Returns `None` if it is empty or a sample is not finite.
    pub fn of(samples: Vec<f64>) -> Option<Self> {
        let sorted = sorted(&samples)?;
        Some(Self {
            median: quantile(&sorted, 0.5),
            lower_quartile: quantile(&sorted, 0.25),
            upper_quartile: quantile(&sorted, 0.75),
            minimum: quantile(&sorted, 0.0),
            maximum: quantile(&sorted, 1.0),
            rounds: (0..samples.len()).collect(),
            samples,
        })
    }

    /// Returns the samples of the rounds that both series have.
    pub fn in_common(&self, other: &Self) -> (Vec<f64>, Vec<f64>) {
        let rounds = |it: &Self| it.rounds.iter().copied().zip(it.samples.clone()).collect();
        let theirs: BTreeMap<usize, f64> = rounds(other);
        let ours: BTreeMap<usize, f64> = rounds(self);
        ours.into_iter().filter_map(|(round, our)| Some((our, *theirs.get(&round)?))).unzip()
    }

    /// Returns the distance between the quartiles as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.upper_quartile - self.lower_quartile) / self.median.abs().max(f64::MIN_POSITIVE)
    }

    /// Returns the summary with every sample multiplied by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Option<Self> {
        Self::of(self.samples.iter().map(|sample| sample * factor).collect())
    }
}

/// Confidence level of all intervals of ratios.
pub const CONFIDENCE: f64 = 0.99;

/// Least confidence with which a difference is one. Two samples of each side reach 67 %, three 90 %.
const LEAST_CONFIDENCE: f64 = 0.9;

/// Confidence interval of a median.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Interval {
    /// Lower end, one of the samples.
    pub low: f64,
    /// Upper end, one of the samples.
    pub high: f64,
    /// Probability that the interval contains the median of the distribution. It is lower than
    /// requested if the series is too short.
    pub confidence: f64,
}

/// Ratio of two series whose samples were measured alternately.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Ratio {
    /// Median of the first series over the median of the second.
    pub of_medians: f64,
    /// Ratios of the pairs.
    pub pairs: Summary,
    /// Confidence interval of the median ratio.
    pub interval: Interval,
}

impl Ratio {
    /// Compares pair by pair. Returns `None` if the series differ in length, are empty, or contain
    /// a sample that is not positive.
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

    /// Compares pair by pair, with an interval that needs fewer pairs. If the pairs cannot reach
    /// `confidence` (99 % takes eight), it uses [`shift_interval`], over the ratios of every sample
    /// of the first series to every sample of the second.
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

    /// Returns `true` if the interval excludes 1.
    pub fn is_a_difference(&self) -> bool {
        self.interval.is_a_difference()
    }

    /// Returns `true` if the ratio is below `share`, and the interval below 1.
    pub fn is_below(&self, share: f64) -> bool {
        self.interval.is_below(self.of_medians, share)
    }
}

impl Interval {
    /// Widens the interval until it contains 1.
    pub fn include_one(&mut self) {
        (self.low, self.high) = (self.low.min(1.0), self.high.max(1.0));
    }

    /// Returns `true` if there are enough samples to tell a difference from chance.
    pub fn decides(&self) -> bool {
        self.confidence > LEAST_CONFIDENCE - 1e-9
    }

    /// Returns `true` if the interval excludes 1 with enough confidence.
    pub fn is_a_difference(&self) -> bool {
        self.decides() && self.excludes_one()
    }

    /// Returns `true` if there are too few samples to tell a difference from chance.
    pub fn is_unknown(&self) -> bool {
        !self.decides()
    }

    fn excludes_one(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }

    /// Returns `true` if `ratio` is below `share`, and the interval below 1 with [`CONFIDENCE`], so that a few
    /// samples don't fail a check by chance.
    pub fn is_below(&self, ratio: f64, share: f64) -> bool {
        self.confidence > CONFIDENCE - 1e-9 && ratio < share && self.high < 1.0
    }
}

/// Longer series use the normal distribution instead of the exact one.
const EXACT_UP_TO: usize = 40;

/// Returns the narrowest interval that contains the factor between the two distributions with
/// probability `confidence`. Its ends are ratios of a sample of the first series to a sample of the
/// second. If no interval is that probable, it spans all ratios. Returns `None` if a series is
/// empty or a sample is not positive.
///
/// The interval belongs to the rank-sum test (Hollander and Wolfe, Nonparametric Statistical
/// Methods, section 4.3): the factor is below the k-th smallest ratio with the probability that the
/// test's statistic is less than k.
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

/// Returns the probability of each value of the rank-sum statistic, from 0 upwards, if both series
/// come from one distribution.
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
    // Number of orders of the samples that give each value, adding one sample of the first series
    // at a time. These are the coefficients of a Gaussian binomial.
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

/// Returns the narrowest interval that contains the median of the distribution with probability
/// `confidence`. Its ends are two samples, equally far from the ends of the sorted series. If no
/// interval is that probable, it spans all samples. Returns `None` if the series is empty or a
/// sample is not finite.
///
/// The median is below the k-th smallest of n independent samples with the probability that fewer
/// than k of n fair coins show heads.
pub fn median_interval(samples: &[f64], confidence: f64) -> Option<Interval> {
    let sorted = sorted(samples)?;
    let count = sorted.len();
    let mut best = None;
    // Probability of exactly `skipped` heads, and below of at most that many.
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

/// Returns the quantile `at`, interpolated linearly between two samples (Hyndman and Fan, 1996,
/// type 7).
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * (sorted.len() - 1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + part * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests;
