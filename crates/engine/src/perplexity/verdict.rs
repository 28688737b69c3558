//! Ratios of perplexity in plain words.

use super::Estimate;

/// Largest increase of perplexity for each grade of loss, as a share.
///
/// The orders of magnitude are those of llama.cpp's table for Llama 3 8B (`llama-quantize --help`, with a
/// perplexity of 6.23 in f16): Q8_0, Q6_K and Q5_K_M add 0.04 to 0.9 %; Q4_K_M and Q4_K_S 2.8 and 4.3 %;
/// Q4_0 and Q3_K_M 7.5 and 10.5 %; Q3_K_S 26 %; Q2_K 56 %.
const MOST: [(Loss, f64); 4] =
    [(Loss::None, 0.01), (Loss::Small, 0.05), (Loss::Noticeable, 0.15), (Loss::Heavy, 0.50)];

/// Ratio of perplexities below which a conversion is better than its original could be.
const LEAST_GAIN: f64 = 0.95;

/// Loss of quality of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Perplexity grows by at most 1 %.
    None,
    /// Perplexity grows by at most 5 %.
    Small,
    /// Perplexity grows by at most 15 %.
    Noticeable,
    /// Perplexity grows by at most 50 %.
    Heavy,
    /// Perplexity grows by more than 50 %.
    Unusable,
}

/// Judgement of a conversion of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Grade of the loss.
    Loss(Loss),
    /// The 99 % confidence interval reaches over three grades or more: from the first to the second.
    Unclear(Loss, Loss),
    /// Perplexity shrinks by more than 5 % with 99 % confidence, so the other model is hardly the original.
    Gain,
}

impl Loss {
    fn of(ratio: f64) -> Self {
        let grade = MOST.iter().find(|(_, most)| ratio <= 1.0 + most);
        grade.map_or(Self::Unusable, |(loss, _)| *loss)
    }
}

impl Verdict {
    /// Judges the perplexity of a conversion divided by that of the model it came from.
    pub fn of(ratio: &Estimate) -> Self {
        // Perplexity is an exponential, so the interval of a large ratio is symmetric in its logarithm.
        let logarithm = Estimate {
            mean: ratio.mean.ln(),
            standard_error: ratio.standard_error.map(|error| error / ratio.mean),
        };
        let interval = logarithm.interval().map(f64::exp);
        if interval[1] < LEAST_GAIN {
            return Self::Gain;
        }
        let [best, worst] = interval.map(Loss::of);
        if worst as usize > best as usize + 1 {
            return Self::Unclear(best, worst);
        }
        Self::Loss(Loss::of(ratio.mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(mean: f64, error: f64) -> Verdict {
        Verdict::of(&Estimate { mean, standard_error: Some(error) })
    }

    #[test]
    fn grades_are_those_of_known_quantizations() {
        // Increases of Llama 3 8B over 6.23: Q8_0, Q5_K_M, Q4_K_M, Q4_0, Q3_K_S and Q2_K.
        let increases = [0.0026, 0.0569, 0.1754, 0.4685, 1.6321, 3.5199];
        let grades = increases.map(|increase| verdict(1.0 + increase / 6.23, 0.0001));
        let expected =
            [Loss::None, Loss::None, Loss::Small, Loss::Noticeable, Loss::Heavy, Loss::Unusable];
        assert_eq!(grades, expected.map(Verdict::Loss));
        assert_eq!(verdict(0.96, 0.001), Verdict::Loss(Loss::None));
        assert_eq!(verdict(0.94, 0.02), Verdict::Loss(Loss::None));
        assert_eq!(verdict(0.9, 0.001), Verdict::Gain);
    }

    #[test]
    fn a_short_text_allows_no_verdict() {
        assert_eq!(verdict(1.02, 0.02), Verdict::Unclear(Loss::None, Loss::Noticeable));
        // A model that a conversion destroyed: 190,000 times the perplexity, and nearly as large an error.
        assert_eq!(verdict(190_000.0, 77_000.0), Verdict::Loss(Loss::Unusable));
        // Two neighbouring grades are close enough.
        assert_eq!(verdict(1.04, 0.008), Verdict::Loss(Loss::Small));
        let single = Verdict::of(&Estimate { mean: 1.0, standard_error: None });
        assert_eq!(single, Verdict::Unclear(Loss::None, Loss::Unusable));
    }
}
