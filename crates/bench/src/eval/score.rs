//! Scores of answers: shares of correct ones, with standard errors, and differences of two models.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use mlxk_engine::choices::Likelihoods;
use mlxk_engine::perplexity::Estimate;

use super::{Format, Question, Task};

/// Answer of a model to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// `[choices]` log-likelihoods.
    pub log_likelihoods: Vec<f64>,
    /// The most probable choice, the first of equals.
    pub choice: usize,
    /// The most probable choice per character, the first of equals.
    pub choice_norm: usize,
    /// `true` if `choice` is correct.
    pub is_right: bool,
    /// `true` if `choice_norm` is correct.
    pub is_right_norm: bool,
    /// `true` if the prompt didn't fit into the context and lost its beginning.
    pub was_cut: bool,
}

impl Answered {
    pub(super) fn new(question: &Question, found: Likelihoods) -> Self {
        let Likelihoods { values, was_cut } = found;
        let lengths = question.choices.iter().map(|choice| choice.chars().count() as f64);
        let per_character: Vec<f64> = values.iter().zip(lengths).map(|(it, n)| it / n).collect();
        let (choice, choice_norm) = (largest(&values), largest(&per_character));
        Self {
            log_likelihoods: values,
            choice,
            choice_norm,
            is_right: choice == question.answer,
            is_right_norm: choice_norm == question.answer,
            was_cut,
        }
    }

    /// Returns `true` if the answer is correct by the main measure of a format.
    fn counts(&self, format: Format) -> bool {
        if format.is_normalized() { self.is_right_norm } else { self.is_right }
    }
}

/// Returns the index of the largest value, the first of equals.
fn largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

/// Scores of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Share of questions for which the most probable choice is correct.
    pub acc: Estimate,
    /// The same for the most probable choice per character; `None` if all choices are letters.
    pub acc_norm: Option<Estimate>,
    /// Number of questions.
    pub questions: usize,
    /// Number of prompts that lost their beginning.
    pub cut: usize,
    /// `true` if the 99 % confidence interval of the main measure contains the share of guesses, or is below.
    pub is_guessing: bool,
}

impl Score {
    /// Returns the main measure: `acc_norm` if there is one.
    pub fn main(&self) -> &Estimate {
        self.acc_norm.as_ref().unwrap_or(&self.acc)
    }

    /// Returns the ends of the 99 % confidence interval of `acc`.
    pub fn acc_interval(&self) -> [f64; 2] {
        interval_of(self.acc.mean, self.questions)
    }

    /// Returns the same of `acc_norm`.
    pub fn acc_norm_interval(&self) -> Option<[f64; 2]> {
        self.acc_norm.map(|share| interval_of(share.mean, self.questions))
    }
}

/// Returns the ends of the 99 % confidence interval of a share of `count` answers.
fn interval_of(share: f64, count: usize) -> [f64; 2] {
    let right = (share * count as f64).round() as usize;
    [lower_end(right, count), 1.0 - lower_end(count - right, count)]
}

/// Returns the lower end of the exact interval by Clopper and Pearson (Biometrika 26, 1934) for `right` of `count`
/// answers: the probability of a correct answer with which so many are correct in 0.5 % of all cases. Unlike a number
/// of standard errors, it is also valid for few answers.
fn lower_end(right: usize, count: usize) -> f64 {
    /// Bisections, to the last bit of an `f64`.
    const STEPS: usize = 60;
    if right == 0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if at_least(right, count, middle) < LEAST_PROBABILITY / 2.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Returns the probability that at least `least` of `count` answers are correct, each with the probability `p`.
fn at_least(least: usize, count: usize, p: f64) -> f64 {
    let (right, wrong) = (p.ln(), (-p).ln_1p());
    coefficients(count)
        .enumerate()
        .skip(least)
        .map(|(k, it)| (it + k as f64 * right + (count - k) as f64 * wrong).exp())
        .sum()
}

/// Returns the logarithms of the binomial coefficients of `count`, because the numbers are too large themselves.
fn coefficients(count: usize) -> impl Iterator<Item = f64> {
    (0..=count).scan(0.0_f64, move |sum, k| {
        if k > 0 {
            *sum += ((count - k + 1) as f64 / k as f64).ln();
        }
        Some(*sum)
    })
}

/// Summarizes the answers to tasks of one format, weighted by their number of questions. The standard error is
/// pooled over subjects, as lm-evaluation-harness does for MMLU.
pub fn score(parts: &[(&Task, &[Answered])]) -> Score {
    let pairs = || parts.iter().flat_map(|(task, answers)| task.questions.iter().zip(*answers));
    let acc = pooled(pairs().map(|(question, it)| (&question.subject, it.is_right)));
    let is_normalized = parts.iter().all(|(task, _)| task.format.is_normalized());
    let acc_norm = is_normalized
        .then(|| pooled(pairs().map(|(question, it)| (&question.subject, it.is_right_norm))));
    let questions = pairs().count();
    let weighted = parts.iter().map(|(task, _)| task.chance() * task.questions.len() as f64);
    let chance = weighted.sum::<f64>() / questions as f64;
    let main = acc_norm.as_ref().unwrap_or(&acc).mean;
    let is_guessing = interval_of(main, questions)[0] <= chance;
    let cut = pairs().filter(|(_, it)| it.was_cut).count();
    Score { acc, acc_norm, questions, cut, is_guessing }
}

/// Returns the share of `true`, with the standard error `√(Σ (n−1)·n·s² / (N−k) / N)` of `k` groups with `n`
/// values and the standard error `s` each.
fn pooled<'a>(values: impl Iterator<Item = (&'a Option<String>, bool)>) -> Estimate {
    let mut groups: BTreeMap<&Option<String>, [usize; 2]> = BTreeMap::new();
    for (group, is_right) in values {
        let counts = groups.entry(group).or_default();
        counts[usize::from(is_right)] += 1;
    }
    let right: usize = groups.values().map(|[_, right]| right).sum();
    let all: usize = groups.values().map(|[wrong, right]| wrong + right).sum();
    let mean = right as f64 / all as f64;
    // Squared deviations of a group from its mean: wrong · right / n.
    let squares =
        groups.values().map(|&[wrong, right]| (wrong * right) as f64 / (wrong + right) as f64);
    let free = all - groups.len();
    let variance = squares.sum::<f64>() / free as f64 / all as f64;
    Estimate { mean, standard_error: (free > 0).then(|| variance.sqrt()) }
}

/// Difference of two models on the same questions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Mean over questions of the model's score (0 or 1) minus the reference's, by the main measure.
    pub mean: Estimate,
    pub judgement: Judgement,
}

/// Least probability of a difference by chance for which nothing is decided.
const LEAST_PROBABILITY: f64 = 0.01;

/// Judgement of a difference by an exact test with 99 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Better,
    NoDifference,
    Worse,
}

/// Compares two models question by question.
pub fn difference(parts: &[(&Task, &[Answered], &[Answered])]) -> Difference {
    let value = |it: &Answered, format| f64::from(u8::from(it.counts(format)));
    let values: Vec<f64> = parts
        .iter()
        .flat_map(|(task, model, reference)| {
            let pairs = model.iter().zip(*reference);
            pairs.map(|(ours, theirs)| value(ours, task.format) - value(theirs, task.format))
        })
        .collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let standard_error = (values.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt());
    let mean = Estimate { mean, standard_error };
    let better = values.iter().filter(|value| **value > 0.0).count();
    let worse = values.iter().filter(|value| **value < 0.0).count();
    let judgement = match better.cmp(&worse) {
        _ if sign_test(better, worse) > LEAST_PROBABILITY => Judgement::NoDifference,
        Ordering::Greater => Judgement::Better,
        _ => Judgement::Worse,
    };
    Difference { mean, judgement }
}

/// Returns the probability that equally good models differ at least as much on the questions that only one of them
/// answers correctly: the exact sign test, two-sided, which is McNemar's test for pairs.
fn sign_test(better: usize, worse: usize) -> f64 {
    let (count, fewer) = (better + worse, better.min(worse));
    let half = count as f64 * std::f64::consts::LN_2;
    let total: f64 = coefficients(count).take(fewer + 1).map(|it| (it - half).exp()).sum();
    (2.0 * total).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_clopper_and_pearson() {
        // From scipy.stats.binomtest(right, count).proportion_ci(0.99, "exact").
        for (right, count, expected) in [
            (0, 4_u32, [0.0, 0.734_085_205_152]),
            (3, 3_u32, [0.170_997_594_667, 1.0]),
            (4, 8_u32, [0.099_867_227_579, 0.900_132_772_420]),
            (7, 8_u32, [0.368_482_860_359, 0.999_373_628_524]),
            (300, 1000_u32, [0.263_205_992_247, 0.338_727_206_191]),
            (9000, 14042_u32, [0.630_424_254_629, 0.651_348_507_100]),
        ] {
            let found = interval_of(f64::from(right) / f64::from(count), count as usize);
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{right} of {count}: {found}");
            }
        }
    }

    #[test]
    fn few_questions_decide_nothing() {
        // Known values of the two-sided sign test.
        for (better, worse, expected) in [
            (0, 0, 1.0),
            (0, 2, 0.5),
            (4, 0, 0.125),
            (10, 0, 0.001_953_125),
            (12, 2, 0.012_939_453_125),
            (5, 5, 1.0),
        ] {
            let found = sign_test(better, worse);
            assert!((found - expected).abs() < 1e-12, "{better}, {worse}: {found}");
        }
        // Thousands of questions don't underflow.
        let found = sign_test(1600, 1400);
        assert!((0.0002..0.0004).contains(&found), "{found}");
    }
}
