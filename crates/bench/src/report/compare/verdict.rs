//! Ratios in words.

use super::super::{Verdict, interval};
use super::figure;
use crate::compare::{Agreement, CompareReport, Comparison, Measure, Side};

/// Differences below this many megabytes are not printed.
const SAME_MEGABYTES: f64 = 0.05;

/// Returns the judgement of a comparison.
pub(super) fn of(report: &CompareReport, comparison: &Comparison) -> Verdict {
    let Comparison { measure, ratio, .. } = comparison;
    Verdict::of(&ratio.interval, ratio.of_medians, report.is_inconclusive(*measure))
}

/// Returns a sentence such as `mlxk is 1.39x faster than Ollama`, with the interval, or that nothing is decided.
pub(super) fn sentence(report: &CompareReport, comparison: &Comparison, ours: &str) -> String {
    let Comparison { against, measure, ratio, .. } = comparison;
    let interval = interval(&ratio.interval);
    let (first, second, factor) = match of(report, comparison) {
        Verdict::Unknown => {
            return format!("unknown, because there are too few turns (ratio {interval})");
        }
        Verdict::NotSignificant => {
            return format!(
                "the difference between {ours} and {against} is not significant (ratio {interval})"
            );
        }
        Verdict::Inconclusive => {
            return format!(
                "inconclusive, because the measurement was disturbed (ratio {interval})"
            );
        }
        Verdict::Better => (ours, against.as_str(), ratio.of_medians),
        Verdict::Worse => (against.as_str(), ours, 1.0 / ratio.of_medians),
    };
    if *measure == Measure::MemoryPeakBytes {
        return format!("{second} uses {factor:.2}x the memory of {first} (ratio {interval})");
    }
    format!("{first} is {factor:.2}x faster than {second} (ratio {interval})")
}

/// Returns the same without names, for a place that says what is compared: `faster, 1.31 to 1.45 with 99 %`.
pub(super) fn brief(report: &CompareReport, comparison: &Comparison) -> String {
    let verdict = of(report, comparison);
    let word = match (verdict, comparison.measure) {
        (Verdict::Unknown, _) => "too few turns",
        (Verdict::Better, Measure::MemoryPeakBytes) => "less memory",
        (Verdict::Worse, Measure::MemoryPeakBytes) => "more memory",
        (Verdict::Better, _) => "faster",
        (Verdict::Worse, _) => "slower",
        (Verdict::NotSignificant | Verdict::Inconclusive, _) => verdict.word(),
    };
    format!("{word}, {}", interval(&comparison.ratio.interval))
}

/// Returns the winner against a side and its lead. `None` if the sides were not compared, or their
/// work was not equal.
pub(super) fn winner(report: &CompareReport, against: &str, ours: &str) -> Option<String> {
    if report.is_unequal(against) {
        return None;
    }
    if report.is_unknown(against) {
        return Some("unknown (nothing shows that both run the same weights)".to_owned());
    }
    let workload = report.options.workloads.first().map(|it| it.name.as_str());
    let in_turn = [
        (Measure::EffectiveTokensPerSecond, workload, "speed"),
        (Measure::TotalSeconds, workload, "total time"),
        (Measure::ColdFirstTokenSeconds, None, "first token"),
    ];
    let found: Vec<_> = in_turn
        .into_iter()
        .filter_map(|(measure, workload, word)| {
            Some((report.comparison(against, workload, measure)?, word))
        })
        .collect();
    if found.is_empty() {
        return None;
    }
    let decided = found.iter().find(|(comparison, _)| comparison.ratio.is_a_difference());
    Some(match decided {
        Some(_) if report.is_disturbed() => {
            "none (the measurement was disturbed; measure on a quiet machine)".to_owned()
        }
        Some((comparison, word)) => {
            let name = if comparison.ratio.of_medians > 1.0 { ours } else { against };
            format!("{name} ({word})")
        }
        None if found.iter().all(|(comparison, _)| !comparison.ratio.interval.decides()) => {
            "unknown (too few turns)".to_owned()
        }
        None => "none (the difference is not significant)".to_owned(),
    })
}

/// Returns the difference in peak memory: `mlxk uses 89.3 MB less than Ollama`, or that it is not significant. `None`
/// if it is unknown.
pub(super) fn memory(report: &CompareReport, ours: &Side, other: &Side) -> Option<String> {
    let (our, their) = (ours.peak_memory_bytes()?, other.peak_memory_bytes()?);
    let found = report.comparison(&other.title, None, Measure::MemoryPeakBytes);
    if let Some(found) = found.filter(|it| !it.ratio.is_a_difference()) {
        return Some(sentence(report, found, &ours.title));
    }
    let (our_title, title) = (&ours.title, &other.title);
    let difference = (our - their) / 1e6;
    if difference.abs() < SAME_MEGABYTES {
        let peak = figure(Measure::MemoryPeakBytes, our);
        return Some(format!("{our_title} and {title} use the same, {peak}"));
    }
    let word = if difference < 0.0 { "less" } else { "more" };
    Some(format!("{our_title} uses {:.1} MB {word} than {title}", difference.abs()))
}

/// Returns a sentence for each workload that says how far the answers agree with those of a side:
/// ``the answers to `chat` are identical``.
pub(super) fn agreements(report: &CompareReport, against: &str) -> Vec<String> {
    let agreements = report.agreements.iter().filter(|it| it.against == against);
    let sentence = |it: &Agreement| {
        format!("the answers to `{}` are {}", it.workload, alike(it.common_prefix))
    };
    agreements.map(sentence).collect()
}

/// Says how far two answers agree. `share` is the part of their length after which they differ.
fn alike(share: f64) -> String {
    if share >= 1.0 {
        return "identical".to_owned();
    }
    // 99.6 % is not 100 %.
    let percent = (100.0 * share).round().min(99.0);
    format!("identical for the first {percent} % of their length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_identical_only_to_their_end() {
        assert_eq!(alike(1.0), "identical");
        assert_eq!(alike(0.999), "identical for the first 99 % of their length");
        assert_eq!(alike(0.5), "identical for the first 50 % of their length");
    }
}
