//! The choice itself: a policy, figures, and reluctance to change.

use mlxk_statistics::{CONFIDENCE, Summary, shift_interval};

use crate::candidate::Candidate;
use crate::policy::{Measure, Policy};
use crate::sample::Series;

/// Advantage that a change has to bring.
const MARGIN: f64 = 1.1;
/// Choices between two changes. Before, only a candidate that has gone is replaced.
const STAY: u32 = 16;
/// Choices before the first change, unless the advantage is clear. Each change doubles them: the more often a choice has
/// changed, the more likely it was noise.
const FIRST_STAY: u32 = 40;
/// Advantage that is clear.
const CLEAR: f64 = 2.0;
/// A choice that stayed this many times as long as it had to makes the next change as easy as the first.
const LONG: u32 = 16;

/// A candidate with what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// Its figures, or `None` if it was never measured.
    pub series: Option<&'a Series>,
    /// `true` if it can be asked.
    pub is_healthy: bool,
}

/// A choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Index of the chosen candidate.
    pub index: usize,
    /// The reasons: one sentence for each candidate, and one for the choice.
    pub reasons: Vec<String>,
}

/// Makes choices for one model, and remembers the last one.
#[derive(Clone, Debug)]
pub struct Chooser {
    policy: Policy,
    /// Name of the last choice, and the number of times that it was made.
    current: Option<(String, u32)>,
    /// Choices before the next change.
    stay: u32,
}

impl Chooser {
    /// Returns a chooser that has not chosen yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, current: None, stay: FIRST_STAY }
    }

    /// Chooses among the candidates. Returns `None` if none of them can be asked.
    pub fn choose(&mut self, candidates: &[Measured<'_>]) -> Option<Choice> {
        let mut reasons: Vec<String> = candidates.iter().map(described).collect();
        let healthy: Vec<usize> =
            (0..candidates.len()).filter(|&index| candidates[index].is_healthy).collect();
        let (index, reason) = match &self.policy {
            Policy::Fixed(name) => {
                let named = |index: &&usize| candidates[**index].candidate.id == *name;
                let index = *healthy.iter().find(named)?;
                (index, format!("`{name}` is configured"))
            }
            Policy::Fastest => self.best(candidates, &healthy, costs_time)?,
            Policy::Cheapest(measure) => {
                let measure = *measure;
                self.best(candidates, &healthy, |it| costs(it, measure))?
            }
            Policy::LocalFirst => {
                let place = |index: &usize| candidates[*index].candidate.place;
                let nearest = healthy.iter().map(place).min()?;
                let near: Vec<usize> =
                    healthy.iter().copied().filter(|index| place(index) == nearest).collect();
                if let [index] = near[..] {
                    (index, "it is the nearest".to_owned())
                } else {
                    let (index, reason) = self.best(candidates, &near, costs_time)?;
                    (index, format!("it is one of the nearest; {reason}"))
                }
            }
        };
        let name = &candidates[index].candidate.id;
        reasons.push(format!("chosen: {name}, because {reason}"));
        match &mut self.current {
            Some((current, times)) if current == name => *times += 1,
            current => {
                if let Some((_, times)) = current {
                    let is_settled = *times >= self.stay.saturating_mul(LONG);
                    self.stay = if is_settled { FIRST_STAY } else { self.stay.saturating_mul(2) };
                }
                *current = Some((name.clone(), 1));
            }
        }
        Some(Choice { index, reasons })
    }

    /// Returns the candidate with the lowest cost, and the reason. The last choice stays if no other is better by more
    /// than chance and the margin.
    fn best(
        &self,
        candidates: &[Measured<'_>],
        among: &[usize],
        cost: impl Fn(&Measured<'_>) -> Vec<f64>,
    ) -> Option<(usize, String)> {
        let costs: Vec<(usize, Vec<f64>, f64)> = among
            .iter()
            .filter_map(|&index| {
                let costs = cost(&candidates[index]);
                let median = Summary::of(costs.clone())?.median;
                Some((index, costs, median))
            })
            .collect();
        let current = self.current.as_ref().and_then(|(name, times)| {
            let index = *among.iter().find(|&&index| candidates[index].candidate.id == *name)?;
            Some((index, *times))
        });
        let Some(best) = costs.iter().min_by(|a, b| a.2.total_cmp(&b.2)) else {
            let index = current.map(|(index, _)| index).or_else(|| among.first().copied())?;
            let reason = match among.len() {
                1 => "it is the only one that can be asked",
                _ => "nothing was measured",
            };
            return Some((index, reason.to_owned()));
        };
        let Some((current, times)) = current else {
            return Some((best.0, only_or("it has the lowest median", costs.len())));
        };
        if current == best.0 {
            return Some((current, only_or("it still has the lowest median", costs.len())));
        }
        let Some((_, ours, median)) = costs.iter().find(|(index, ..)| *index == current) else {
            return Some((best.0, "the last choice was not measured".to_owned()));
        };
        let name = &candidates[best.0].candidate.id;
        let ratio = median / best.2;
        if times < STAY || times < self.stay && ratio < CLEAR {
            return Some((current, format!("the choice is new, though `{name}` looks better")));
        }
        let differs = shift_interval(ours, &best.1, CONFIDENCE)
            .is_some_and(|interval| interval.is_a_difference() && interval.low > 1.0)
            // A configured price has one value, and no chance in it.
            || (ours.len() == 1 && best.1.len() == 1);
        if ratio >= MARGIN && differs {
            return Some((
                best.0,
                format!("it is better than the last choice by {ratio:.2} times"),
            ));
        }
        Some((current, format!("`{name}` is not better by more than chance ({ratio:.2} times)")))
    }
}

fn only_or(reason: &str, measured: usize) -> String {
    if measured == 1 { "it is the only one with figures".to_owned() } else { reason.to_owned() }
}

fn costs_time(measured: &Measured<'_>) -> Vec<f64> {
    measured.series.map(Series::seconds).unwrap_or_default()
}

fn costs(measured: &Measured<'_>, measure: Measure) -> Vec<f64> {
    let candidate = measured.candidate;
    match measure {
        Measure::Price => candidate.price.into_iter().collect(),
        Measure::Memory => candidate.memory_bytes.map(|bytes| bytes as f64).into_iter().collect(),
        Measure::Energy => {
            let tokens = measured.series.map(Series::per_token).unwrap_or_default();
            let watts = candidate.watts;
            tokens.into_iter().filter_map(|seconds| Some(seconds * watts?)).collect()
        }
    }
}

fn described(measured: &Measured<'_>) -> String {
    let name = measured.candidate;
    if !measured.is_healthy {
        return format!("{name}: cannot be asked");
    }
    let seconds = costs_time(measured);
    let tokens = measured.series.map(Series::per_token).unwrap_or_default();
    match (Summary::of(seconds), Summary::of(tokens)) {
        (Some(all), Some(token)) => format!(
            "{name}: {:.2} s for a typical request (quartiles {:.2} to {:.2}, {} samples), {:.1} tokens/s",
            all.median,
            all.lower_quartile,
            all.upper_quartile,
            all.samples.len(),
            1.0 / token.median
        ),
        _ => format!("{name}: not measured"),
    }
}
