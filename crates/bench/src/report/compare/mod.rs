//! Layout of `mlxk bench`: for a terminal, as Markdown, and as a page.

mod page;
mod plot;
mod tables;
mod terminal;
mod verdict;

pub(in crate::report) use page::STYLE;
pub use page::page;
pub(in crate::report) use plot::escape;
pub use tables::document;
pub use terminal::{Icons, terminal};

use std::collections::BTreeSet;

use super::three;
use crate::compare::{Measure, Series, Unit, Weights};
use crate::statistics::Summary;

/// Returns the measures that any of the series has, in order, one for each fact.
fn facts(series: &[Option<&Series>]) -> Vec<Measure> {
    let all: BTreeSet<Measure> =
        series.iter().flatten().flat_map(|series| series.keys().copied()).collect();
    let is_repeated = |it: &Measure| it.same_fact_as().is_some_and(|same| all.contains(&same));
    all.iter().copied().filter(|it| !is_repeated(it)).collect()
}

/// Formats a fact of a side with its quartiles, and with the other measures that state it:
/// `54.7 tokens/s (54.0 tokens/s to 55.1 tokens/s), 128 tokens in 2.34 s`.
fn fact(measure: Measure, series: &Series) -> Option<String> {
    let median = |measure| series.get(&measure).map(|summary| figure(measure, summary.median));
    let (tokens, total) = (median(Measure::ResponseTokens), median(Measure::TotalSeconds));
    let more = match measure {
        Measure::EffectiveTokensPerSecond => match (tokens, total) {
            (Some(tokens), Some(total)) => Some(format!("{tokens} in {total}")),
            (None, Some(total)) => Some(total),
            _ => None,
        },
        Measure::FirstTokenSeconds => {
            median(Measure::PrefillTokensPerSecond).map(|rate| format!("prefill at {rate}"))
        }
        _ => None,
    };
    let shown = series.get(&measure).map(|summary| with_quartiles(measure, summary));
    let parts: Vec<String> = shown.into_iter().chain(more).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Formats weights as `868.6 MB, 4.50 bits per weight, Q4_0`, leaving out unknown parts.
fn weights(weights: &Weights) -> String {
    let bits = weights.bits_per_weight.map(|bits| format!(", {bits:.2} bits per weight"));
    let name = weights.quantization.as_ref().map(|name| format!(", {name}"));
    let megabytes = weights.file_bytes as f64 / 1e6;
    format!("{megabytes:.1} MB{}{}", bits.unwrap_or_default(), name.unwrap_or_default())
}

/// Formats a figure with its unit: `1.23 s`, `245.6 MB`, `98.1 tokens/s`.
fn figure(measure: Measure, value: f64) -> String {
    match measure.unit() {
        Unit::Seconds if value.abs() < 1.0 => format!("{} ms", three(value * 1e3)),
        Unit::Seconds => format!("{} s", three(value)),
        // Adding zero makes a negative zero positive.
        Unit::Bytes => format!("{:.1} MB", (value / 1e5).round() / 10.0 + 0.0),
        Unit::TokensPerSecond => format!("{} tokens/s", three(value)),
        Unit::Cores => format!("{value:.2}"),
        Unit::Tokens => format!("{value:.0} tokens"),
    }
}

/// Formats a median with its quartiles: `98.1 tokens/s (97.0 tokens/s to 98.9 tokens/s)`.
fn with_quartiles(measure: Measure, summary: &Summary) -> String {
    let one = |value| figure(measure, value);
    if summary.samples.len() < 2 {
        return one(summary.median);
    }
    format!(
        "{} ({} to {})",
        one(summary.median),
        one(summary.lower_quartile),
        one(summary.upper_quartile)
    )
}
