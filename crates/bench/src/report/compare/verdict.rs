//! Ratios in words.

use super::super::interval;
use crate::compare::{CompareReport, Comparison, Measure};

/// Returns a sentence such as `MLX-Knife is 1.39x faster than Ollama`, with the interval.
pub(super) fn sentence(comparison: &Comparison, ours: &str) -> String {
    let Comparison { against, measure, ratio, .. } = comparison;
    let interval = interval(&ratio.interval);
    if !ratio.is_a_difference() {
        return format!("no difference between {ours} and {against} (ratio {interval})");
    }
    let (first, second, factor) = if ratio.of_medians >= 1.0 {
        (ours, against.as_str(), ratio.of_medians)
    } else {
        (against.as_str(), ours, 1.0 / ratio.of_medians)
    };
    let word = if *measure == Measure::MemoryPeakBytes { "smaller" } else { "faster" };
    format!("{first} is {factor:.2}x {word} than {second} (ratio {interval})")
}

/// Returns the winner against a side and its lead. `None` if the sides were not compared.
pub(super) fn winner(report: &CompareReport, against: &str, ours: &str) -> Option<String> {
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
        Some((comparison, word)) => {
            let name = if comparison.ratio.of_medians > 1.0 { ours } else { against };
            format!("{name} ({word})")
        }
        None => "none (no difference)".to_owned(),
    })
}

/// Returns the difference in memory: `MLX-Knife uses 89.3 MB less than Ollama`.
pub(super) fn memory(ours: f64, theirs: f64, our_title: &str, title: &str) -> String {
    let difference = (ours - theirs) / 1e6;
    let word = if difference < 0.0 { "less" } else { "more" };
    format!("{our_title} uses {:.1} MB {word} than {title}", difference.abs())
}
