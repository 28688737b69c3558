//! Divergence of two predictions of the same token.

use super::statistics::{Estimate, Moments, quantile};

/// Prediction of a model for one position of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// `[vocab]` natural log-probabilities.
    pub(super) log_probabilities: Vec<f32>,
    /// The most probable token, with the lowest id among equals.
    pub(super) top: u32,
    /// Log-probability of the token at this position.
    pub(super) right: f32,
}

/// Comparison of a model with a reference over all scored tokens. `P` is the reference's distribution, `Q` is
/// the model's.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The reference's negative log-likelihood per token, in nats.
    pub nll: Estimate,
    /// The model's perplexity divided by the reference's. Its standard error is the ratio times the standard
    /// error of the mean difference of the tokens' log-likelihoods, in pairs.
    pub perplexity_ratio: Estimate,
    /// Mean over tokens of `KL(P‖Q) = Σ P·(ln P − ln Q)` over the vocabulary, in nats.
    pub kl: Estimate,
    /// Median of the divergence.
    pub kl_median: f64,
    /// 99th percentile of the divergence.
    pub kl_99: f64,
    /// Maximum of the divergence.
    pub kl_max: f64,
    /// Share of tokens for which both have the same most probable token, from 0 to 1.
    pub top1_agreement: f64,
    /// Root mean square of `Q(t) − P(t)`, where `t` is the token at this position, from 0 to 1.
    pub rms_probability_difference: f64,
}

/// Accumulates a [`Comparison`].
#[derive(Default)]
pub(super) struct Comparing {
    nll: Moments,
    difference: Moments,
    kl: Moments,
    divergences: Vec<f64>,
    same_top: usize,
    squares: f64,
}

impl Row {
    /// Returns the prediction for a position with the token `target`.
    pub(super) fn new(log_probabilities: Vec<f32>, target: u32) -> Self {
        let mut top = 0;
        for (id, &value) in log_probabilities.iter().enumerate() {
            if value > log_probabilities[top] {
                top = id;
            }
        }
        Self { right: log_probabilities[target as usize], top: top as u32, log_probabilities }
    }
}

impl Comparing {
    pub(super) fn push(&mut self, model: &Row, reference: &Row) {
        let (ours, theirs) = (f64::from(model.right), f64::from(reference.right));
        self.nll.push(-theirs);
        self.difference.push(theirs - ours);
        let kl = divergence(&reference.log_probabilities, &model.log_probabilities);
        self.kl.push(kl);
        self.divergences.push(kl);
        self.same_top += usize::from(model.top == reference.top);
        self.squares += (ours.exp() - theirs.exp()).powi(2);
    }

    pub(super) fn finish(mut self) -> Comparison {
        self.divergences.sort_by(f64::total_cmp);
        let count = self.kl.count as f64;
        let difference = self.difference.estimate();
        let ratio = difference.mean.exp();
        Comparison {
            nll: self.nll.estimate(),
            perplexity_ratio: Estimate {
                mean: ratio,
                standard_error: difference.standard_error.map(|error| ratio * error),
            },
            kl: self.kl.estimate(),
            kl_median: quantile(&self.divergences, 0.5),
            kl_99: quantile(&self.divergences, 0.99),
            kl_max: quantile(&self.divergences, 1.0),
            top1_agreement: self.same_top as f64 / count,
            rms_probability_difference: (self.squares / count).sqrt(),
        }
    }
}

/// Returns `Σ P·(ln P − ln Q)` in nats, summed in f64, from log-probabilities. Tokens that `P` rules out add
/// nothing. A token that `Q` rules out, but `P` does not, makes it infinite.
fn divergence(reference: &[f32], model: &[f32]) -> f64 {
    let pairs = reference.iter().zip(model);
    let terms = pairs.filter(|(p, _)| **p > f32::NEG_INFINITY).map(|(&p, &q)| {
        let (p, q) = (f64::from(p), f64::from(q));
        p.exp() * (p - q)
    });
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(probabilities: &[f64], target: u32) -> Row {
        Row::new(probabilities.iter().map(|p| p.ln() as f32).collect(), target)
    }

    #[test]
    fn figures_worked_out_by_hand() {
        let mut comparing = Comparing::default();
        // KL = ½·ln(½ / ¼) + ½·ln(½ / ¾).
        comparing.push(&row(&[0.25, 0.75], 0), &row(&[0.5, 0.5], 0));
        comparing.push(&row(&[0.5, 0.5], 1), &row(&[0.5, 0.5], 1));
        let found = comparing.finish();
        let kl = 0.5 * 2.0_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        close(found.kl.mean, kl / 2.0);
        close(found.kl.standard_error.unwrap(), kl / 2.0);
        close(found.kl_max, kl);
        close(found.kl_median, kl / 2.0);
        close(found.top1_agreement, 0.5);
        close(found.rms_probability_difference, (0.25_f64 * 0.25 / 2.0).sqrt());
        close(found.nll.mean, 2.0_f64.ln());
        close(found.perplexity_ratio.mean, 2.0_f64.sqrt());
    }

    #[test]
    fn impossible_tokens() {
        assert!(divergence(&[0.0, f32::NEG_INFINITY], &[0.0, -3.0]).abs() < 1e-12);
        assert!(divergence(&[-0.7, -0.7], &[0.0, f32::NEG_INFINITY]).is_infinite());
        let both = [0.0, f32::NEG_INFINITY];
        assert!(divergence(&both, &both).abs() < 1e-12);
    }
}
