//! Layout of `mlxk bench`: for a terminal, as Markdown, and as a page.

mod page;
mod plot;
mod tables;
mod terminal;
mod verdict;

pub use page::page;
pub use tables::document;
pub use terminal::{Icons, terminal};

use std::collections::BTreeSet;

use super::three;
use crate::compare::{Measure, Series, Unit, Weights};
use crate::statistics::Summary;

/// Returns the measures that any of the series has, in order.
fn measures(series: &[Option<&Series>]) -> BTreeSet<Measure> {
    series.iter().flatten().flat_map(|series| series.keys().copied()).collect()
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
        Unit::Bytes => format!("{:.1} MB", value / 1e6),
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
