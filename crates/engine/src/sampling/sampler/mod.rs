//! Draws the next token from logits.
//!
//! See [`SamplingParameters`] for the formulas. Invariant: the same logits, parameters, seed and position give
//! the same token, whatever was sampled before.

mod adjust;
mod random;
mod select;
mod softmax;
mod surveyed;
#[cfg(test)]
mod tests;

pub(crate) use adjust::{Adjuster, Past};
pub(crate) use select::{Candidate, best};
pub(crate) use softmax::log_sum_exp;
pub(crate) use surveyed::Wish;

use super::{SamplingParameters, Xtc};

/// Temperatures below this count as 0, because quotients would overflow.
const GREEDY_BELOW: f32 = 1e-6;

/// `e^-746` is 0 in f64, so tokens further from the best have no weight.
const ALL: f64 = 746.0;

/// Logits that don't form a distribution: with NaN or +∞, or all −∞.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidLogits;

/// Draws tokens with fixed parameters.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    parameters: SamplingParameters,
    /// Buffer that is reused for every token.
    candidates: Vec<Candidate>,
    spare: Vec<Candidate>,
    /// Probabilities of the candidates, not normalized.
    weights: Vec<f64>,
}

impl Sampler {
    /// Takes valid parameters.
    pub(crate) fn new(parameters: SamplingParameters) -> Self {
        Self { parameters, candidates: Vec::new(), spare: Vec::new(), weights: Vec::new() }
    }

    /// Draws a token. `position` is the number of tokens before it.
    pub(crate) fn sample(&mut self, logits: &[f32], position: u64) -> Result<u32, InvalidLogits> {
        let max = softmax::max_of_valid(logits).ok_or(InvalidLogits)?;
        if self.parameters.temperature < GREEDY_BELOW {
            let best = logits.iter().position(|&logit| logit >= max);
            return Ok(best.expect("the maximum is one of the logits") as u32);
        }
        let (drawn, chance) = random::uniform_pair(self.parameters.seed, position);
        let xtc = self.parameters.xtc.filter(|xtc| chance < f64::from(xtc.probability));
        let total = self.choose_candidates(logits, max, xtc, drawn);
        Ok(self.draw(drawn * total))
    }

    /// Returns the first candidate at which the sum of weights exceeds `mass`.
    fn draw(&self, mass: f64) -> u32 {
        let index = self.first_beyond(|sum| sum > mass);
        self.candidates[index.unwrap_or(self.weights.len() - 1)].id
    }

    /// Returns the index of the first candidate at which the sum of weights is enough.
    fn first_beyond(&self, is_enough: impl Fn(f64) -> bool) -> Option<usize> {
        let mut sum = 0.0;
        self.weights.iter().position(|weight| {
            sum += weight;
            is_enough(sum)
        })
    }

    /// Steps 6 to 10: fills `candidates`, best first, and their `weights`. Returns the sum of all weights that
    /// take part. If nothing is cut off, collects only candidates that the number `drawn` can reach.
    fn choose_candidates(&mut self, logits: &[f32], max: f32, xtc: Option<Xtc>, drawn: f64) -> f64 {
        let SamplingParameters { temperature, top_k, typical_p, top_p, min_p, .. } =
            self.parameters;
        let (top_p, min_p) = (f64::from(top_p), f64::from(min_p));
        let sum_of_all = || softmax::sum_of_weights(logits, max, 1.0 / temperature);
        let has_top_k = (1..logits.len()).contains(&top_k);
        if has_top_k || typical_p < 1.0 {
            if has_top_k {
                select::best(logits, top_k, &mut self.candidates);
                self.weigh(max);
            } else {
                self.collect(logits, max, ALL);
                self.weigh(max);
            }
            if typical_p < 1.0 {
                self.cut_at_typical(f64::from(typical_p), max);
            }
            self.cut_at_mass(top_p * self.weights.iter().sum::<f64>());
        } else if top_p < 1.0 {
            let mass = top_p * sum_of_all();
            self.collect_mass(logits, max, mass);
            self.cut_at_mass(mass);
        } else if min_p > 0.0 || xtc.is_some() {
            self.collect_mass(logits, max, f64::INFINITY);
        } else {
            let total = sum_of_all();
            self.collect_mass(logits, max, drawn * total);
            return total;
        }
        self.cut_last(xtc)
    }

    /// Steps 9 and 10. Returns the sum of the weights that are left.
    fn cut_last(&mut self, xtc: Option<Xtc>) -> f64 {
        let kept = self.kept_by_min_p();
        self.weights.truncate(kept);
        self.candidates.truncate(kept);
        if let Some(xtc) = xtc {
            self.exclude_top_choices(xtc);
        }
        self.weights.iter().sum()
    }

    /// Returns the number of candidates that min-p keeps.
    fn kept_by_min_p(&self) -> usize {
        let least = f64::from(self.parameters.min_p) * self.weights[0];
        self.weights.partition_point(|&weight| weight >= least).max(1)
    }

    /// Collects all tokens with a weight of at least `e^-distance`, best first.
    fn collect(&mut self, logits: &[f32], max: f32, distance: f64) {
        let threshold = f64::from(max) - distance * f64::from(self.parameters.temperature);
        select::above(logits, threshold as f32, &mut self.candidates);
        select::sort(&mut self.candidates, &mut self.spare);
    }

    /// Keeps the tokens whose information is closest to the entropy.
    fn cut_at_typical(&mut self, typical_p: f64, max: f32) {
        let total: f64 = self.weights.iter().sum();
        let surprise = |weight: f64| -(weight / total).ln();
        let entropy: f64 = self
            .weights
            .iter()
            .filter(|&&weight| weight > 0.0)
            .map(|&weight| weight / total * surprise(weight))
            .sum();
        let mut ranked: Vec<(f64, Candidate, f64)> = self
            .candidates
            .iter()
            .zip(&self.weights)
            .map(|(&candidate, &weight)| ((surprise(weight) - entropy).abs(), candidate, weight))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        let last = ranked.iter().position(|(_, _, weight)| {
            sum += weight;
            sum >= typical_p * total
        });
        let count = last.map_or(ranked.len(), |last| last + 1);
        self.candidates.clear();
        self.candidates.extend(ranked[..count].iter().map(|(_, candidate, _)| candidate));
        self.candidates.sort_unstable_by(Candidate::order);
        self.weigh(max);
    }

    /// Step 10.
    fn exclude_top_choices(&mut self, xtc: Xtc) {
        let least = f64::from(xtc.threshold) * self.weights.iter().sum::<f64>();
        let obvious = self.weights.partition_point(|&weight| weight >= least);
        if obvious > 1 {
            self.weights.drain(..obvious - 1);
            self.candidates.drain(..obvious - 1);
        }
    }

    /// Collects the best tokens until their weights reach `mass`, or all that have any weight after min-p.
    fn collect_mass(&mut self, logits: &[f32], max: f32, mass: f64) {
        let min_p = self.parameters.min_p;
        // A little further than min-p reaches, so that the weights decide about its cut.
        let furthest = if min_p > 0.0 { 0.01 - f64::from(min_p).ln() } else { ALL };
        let mut distance = if mass.is_finite() { furthest.min(8.0) } else { furthest };
        loop {
            self.collect(logits, max, distance);
            let is_enough = self.weigh_until(max, mass);
            if distance >= furthest || is_enough {
                return;
            }
            distance = furthest.min(2.0 * distance);
        }
    }

    /// Computes the weights `e^((l − max) / T)` of all candidates.
    fn weigh(&mut self, max: f32) {
        let temperature = f64::from(self.parameters.temperature);
        let weight = |candidate: &Candidate| (f64::from(candidate.logit - max) / temperature).exp();
        self.weights.clear();
        self.weights.extend(self.candidates.iter().map(weight));
    }

    /// Computes the weights of the first candidates, and drops those that follow as soon as the sum exceeds `mass`.
    /// Returns `true` if it does.
    fn weigh_until(&mut self, max: f32, mass: f64) -> bool {
        let temperature = f64::from(self.parameters.temperature);
        let mut sum = 0.0;
        self.weights.clear();
        for candidate in &self.candidates {
            let weight = (f64::from(candidate.logit - max) / temperature).exp();
            self.weights.push(weight);
            sum += weight;
            if sum > mass {
                self.candidates.truncate(self.weights.len());
                return true;
            }
        }
        false
    }

    /// Keeps the shortest prefix whose weights reach `mass`.
    fn cut_at_mass(&mut self, mass: f64) {
        if let Some(last) = self.first_beyond(|sum| sum >= mass) {
            self.weights.truncate(last + 1);
            self.candidates.truncate(last + 1);
        }
    }
}
