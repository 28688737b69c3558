//! Draws a token from the best logits and the sum of all weights, which a device finds by itself.
//!
//! The token is the one that all logits would give, to the bit of the random number. The sum that a device adds up has a
//! bounded error. If that could change the token, or if the best logits don't reach far enough, nothing is drawn.

use mlxk_ops::Survey;

use super::{Candidate, GREEDY_BELOW, InvalidLogits, Sampler, random};
use crate::sampling::{SamplingParameters, Xtc};

/// Relative difference between a device's sum of weights and [`super::softmax::sum_of_weights`], which is off by at most
/// as much again.
const ERROR: f64 = 2.0 * Survey::ERROR;

/// Contents that a survey needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wish {
    /// Number of best logits; zero for all of them, and nothing else.
    pub(crate) count: usize,
    /// Factor of logits in the exponents of weights.
    pub(crate) scale: f32,
}

impl Wish {
    /// All logits.
    pub(crate) const ALL: Self = Self { count: 0, scale: 1.0 };
}

impl Sampler {
    /// Returns what a survey has to contain, if it could be enough.
    pub(crate) fn wish(&self) -> Option<Wish> {
        let SamplingParameters { temperature, top_k, typical_p, top_p, min_p, xtc, .. } =
            self.parameters;
        if temperature < GREEDY_BELOW {
            return Some(Wish { count: 1, scale: 1.0 });
        }
        // All tokens take part in what is typical, and may be top choices.
        let needs_all = typical_p < 1.0 || xtc.is_some() && top_p >= 1.0 && min_p <= 0.0;
        let count = if top_k > 0 { top_k } else { Survey::MOST };
        let is_enough = count <= Survey::MOST && (top_k > 0 || !needs_all);
        is_enough.then_some(Wish { count, scale: 1.0 / temperature })
    }

    /// Draws the token that [`Sampler::sample`] draws from all logits. Returns `None` if the survey doesn't decide.
    pub(crate) fn sample_surveyed(
        &mut self,
        survey: &Survey,
        position: u64,
    ) -> Result<Option<u32>, InvalidLogits> {
        let best = survey.best.first().ok_or(InvalidLogits)?;
        let max = best.value;
        if max.is_nan() || max.is_infinite() {
            return Err(InvalidLogits);
        }
        if self.parameters.temperature < GREEDY_BELOW {
            return Ok(Some(best.column));
        }
        // The sign of a zero is a part of the order, and a device doesn't tell it.
        if survey.best.iter().filter(|ranked| ranked.value == 0.0).count() > 1 {
            return Ok(None);
        }
        let (drawn, chance) = random::uniform_pair(self.parameters.seed, position);
        let xtc = self.parameters.xtc.filter(|xtc| chance < f64::from(xtc.probability));
        let best = survey.best.iter();
        self.candidates.clear();
        self.candidates.extend(best.map(|&it| Candidate { id: it.column, logit: it.value }));
        Ok(self.draw_surveyed(survey, max, xtc, drawn))
    }

    fn draw_surveyed(
        &mut self,
        survey: &Survey,
        max: f32,
        xtc: Option<Xtc>,
        drawn: f64,
    ) -> Option<u32> {
        let SamplingParameters { top_k, typical_p, top_p, min_p, .. } = self.parameters;
        let top_p = f64::from(top_p);
        let bounds = [1.0 - ERROR, 1.0 + ERROR].map(|factor| factor * survey.total);
        let is_all = survey.best.len() == survey.width;
        if (1..survey.width).contains(&top_k) {
            if survey.best.len() < top_k {
                return None;
            }
            self.candidates.truncate(top_k);
            self.weigh(max);
            if typical_p < 1.0 {
                self.cut_at_typical(f64::from(typical_p), max);
            }
            self.cut_at_mass(top_p * self.weights.iter().sum::<f64>());
        } else if typical_p < 1.0 {
            return None;
        } else {
            self.weigh(max);
            let kept = self.kept_by_min_p();
            let knows_min_p = min_p > 0.0 && (is_all || kept < self.weights.len());
            if top_p < 1.0 {
                let ends = bounds.map(|total| self.first_beyond(|sum| sum >= top_p * total));
                let is_cut_before = |end: &Option<usize>| end.is_none_or(|last| last + 1 >= kept);
                match ends {
                    [Some(last), Some(other)] if last == other => {
                        self.weights.truncate(last + 1);
                        self.candidates.truncate(last + 1);
                    }
                    // What min-p leaves doesn't reach the mass.
                    _ if knows_min_p && ends.iter().all(is_cut_before) => {}
                    _ => return None,
                }
            } else if min_p > 0.0 {
                if !knows_min_p {
                    return None;
                }
            } else if xtc.is_some() {
                return None;
            } else {
                let ends = bounds.map(|total| self.first_beyond(|sum| sum > drawn * total));
                let [Some(found), Some(other)] = ends else { return None };
                return (found == other).then(|| self.candidates[found].id);
            }
        }
        let total = self.cut_last(xtc);
        Some(self.draw(drawn * total))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{logits, neutral};
    use super::*;

    /// Returns the survey that a device makes, with an error of the sum.
    fn survey(logits: &[f32], wish: Wish, error: f64) -> Survey {
        let best = mlxk_ops::top(logits, logits.len(), wish.count);
        let max = f64::from(best[0].value);
        let weight = |&logit: &f32| ((f64::from(logit) - max) * f64::from(wish.scale)).exp();
        let total = logits.iter().map(weight).sum::<f64>() * (1.0 + error);
        Survey { width: logits.len(), best, total }
    }

    #[test]
    fn a_survey_gives_the_token_that_all_logits_give() {
        let xtc = Some(Xtc { threshold: 0.1, probability: 0.5 });
        let (mut decided, mut all) = (0, 0);
        for (temperature, top_k, top_p, min_p, typical_p, xtc) in [
            (0.0, 0, 1.0, 0.0, 1.0, None),
            (0.7, 0, 0.9, 0.0, 1.0, None),
            (0.8, 40, 0.9, 0.0, 1.0, None),
            (0.8, 40, 0.9, 0.05, 0.9, xtc),
            (1.0, 0, 1.0, 0.0, 1.0, None),
            (1.0, 0, 1.0, 0.05, 1.0, xtc),
            (1.3, 0, 0.95, 0.02, 1.0, None),
            (0.9, 0, 0.5, 0.001, 1.0, xtc),
            (3.0, 0, 1.0, 0.0, 1.0, None),
            (2.0, 256, 0.99, 0.0, 1.0, None),
        ] {
            for (count, seed) in [(2000, 1), (5000, 2), (100, 3), (40, 4)] {
                let logits = logits(count, seed);
                let parameters = SamplingParameters {
                    temperature,
                    top_k,
                    typical_p,
                    top_p,
                    min_p,
                    xtc,
                    seed,
                    ..neutral()
                };
                let mut sampler = Sampler::new(parameters.clone());
                let wish = sampler.wish().unwrap();
                for position in 0..200 {
                    let expected = sampler.sample(&logits, position).unwrap();
                    let error = [-1.0, 0.0, 1.0][position as usize % 3] * Survey::ERROR;
                    let survey = survey(&logits, wish, error);
                    let found = sampler.sample_surveyed(&survey, position).unwrap();
                    assert!(found.is_none_or(|found| found == expected), "{parameters:?}");
                    decided += usize::from(found.is_some());
                    all += 1;
                }
            }
        }
        // At temperature 3 the best tokens have little of the mass.
        assert!(decided * 10 > all * 7, "{decided} of {all}");
    }

    #[test]
    fn what_a_survey_can_not_decide_is_not_wished_for() {
        let wish = |parameters| Sampler::new(parameters).wish();
        let xtc = Some(Xtc { threshold: 0.1, probability: 0.5 });
        assert_eq!(wish(SamplingParameters { top_k: 257, ..neutral() }), None);
        assert_eq!(wish(SamplingParameters { typical_p: 0.9, ..neutral() }), None);
        assert_eq!(wish(SamplingParameters { xtc, ..neutral() }), None);
        let few = SamplingParameters { top_k: 20, typical_p: 0.9, xtc, ..neutral() };
        assert_eq!(wish(few), Some(Wish { count: 20, scale: 1.0 }));
    }

    #[test]
    fn logits_that_are_no_numbers_are_refused() {
        let mut sampler = Sampler::new(neutral());
        for first in [f32::NAN, f32::INFINITY] {
            let logits = [0.5, first, 0.25];
            let survey = survey(&logits, Wish { count: 3, scale: 1.0 }, 0.0);
            assert_eq!(sampler.sample_surveyed(&survey, 0), Err(InvalidLogits));
        }
        let nothing = survey(&[f32::NEG_INFINITY; 3], Wish { count: 3, scale: 1.0 }, 0.0);
        assert_eq!(sampler.sample_surveyed(&nothing, 0), Err(InvalidLogits));
        // The order of both zeros depends on the sign that only the logits have.
        let zeros = survey(&[-1.0, -0.0, 0.0], Wish { count: 3, scale: 1.0 }, 0.0);
        assert_eq!(sampler.sample_surveyed(&zeros, 0), Ok(None));
    }
}
