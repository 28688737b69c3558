//! Plots as SVG, in the colors of the page.

use std::fmt::Write as _;

use super::super::three;
use crate::compare::{Comparison, Measure, Unit};
use crate::statistics::Summary;

const WIDTH: f64 = 440.0;
const ROW: f64 = 34.0;
/// Start and end of the bars.
const LEFT: f64 = 132.0;
const RIGHT: f64 = WIDTH - 74.0;

/// Escapes the characters that have a meaning in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Draws a bar for the median of each side, and a dot for every sample. The number of a side among
/// all sides determines its color.
pub(super) fn bars(measure: Measure, sides: &[(usize, &str, &Summary)]) -> String {
    let most = sides.iter().map(|(_, _, summary)| summary.maximum).fold(0.0, f64::max);
    let x = |value: f64| LEFT + (RIGHT - LEFT) * value.max(0.0) / most.max(f64::MIN_POSITIVE);
    let height = ROW * sides.len() as f64 + 8.0;
    let mut svg = open(height, &format!("{} of each side", measure.label()));
    for (row, (place, title, summary)) in sides.iter().enumerate() {
        let top = 4.0 + ROW * row as f64;
        let middle = top + ROW / 2.0;
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"side{place}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\" rx=\"3\"/>",
            LEFT - 10.0,
            middle + 4.5,
            escape(title),
            middle - 8.0,
            (x(summary.median) - LEFT).max(1.0)
        );
        for sample in &summary.samples {
            let _ = write!(
                svg,
                "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"3\"/>",
                x(*sample)
            );
        }
        let _ = write!(
            svg,
            "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            RIGHT + 8.0,
            middle + 4.5,
            short(measure, summary.median)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Formats a figure briefly.
fn short(measure: Measure, value: f64) -> String {
    match measure.unit() {
        Unit::Seconds if value.abs() < 1.0 => format!("{} ms", three(value * 1e3)),
        Unit::Seconds => format!("{} s", three(value)),
        Unit::Bytes => format!("{:.0} MB", value / 1e6),
        Unit::TokensPerSecond => format!("{}/s", three(value)),
        Unit::Cores | Unit::Tokens => three(value),
    }
}

/// Draws ratios with their intervals on a logarithmic scale around 1.
pub(super) fn ratios(rows: &[(String, &Comparison)]) -> String {
    const LEFT: f64 = 250.0;
    const RIGHT: f64 = 620.0;
    const ALL: f64 = 720.0;
    let ends = rows
        .iter()
        .flat_map(|(_, it)| [it.ratio.interval.low, it.ratio.interval.high, it.ratio.of_medians]);
    let most = ends.map(|ratio| ratio.max(1.0 / ratio)).fold(1.25, f64::max) * 1.05;
    let x = |ratio: f64| {
        LEFT + (RIGHT - LEFT) * (0.5 + 0.5 * ratio.max(1e-9).ln() / most.ln()).clamp(0.0, 1.0)
    };
    let height = 26.0 * rows.len() as f64 + 40.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {ALL} {height}\" role=\"img\" aria-label=\"Ratios with intervals\">"
    );
    // A narrow scale if the ratios are close to 1, but wide enough to read.
    let ticks: &[f64] = match most {
        ..2.2 => &[0.5, 0.8, 1.0, 1.25, 2.0],
        ..12.0 => &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0],
        _ => &[0.01, 0.1, 1.0, 10.0, 100.0],
    };
    for &tick in ticks.iter().filter(|&&tick| tick <= most && tick >= 1.0 / most) {
        let class = if (tick - 1.0).abs() < 1e-9 { "one" } else { "grid" };
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"4\" y2=\"{1:.1}\"/>\
             <text class=\"tick\" x=\"{0:.1}\" y=\"{2:.1}\">{tick}×</text>",
            x(tick),
            height - 26.0,
            height - 10.0
        );
    }
    for (row, (label, comparison)) in rows.iter().enumerate() {
        let middle = 18.0 + 26.0 * row as f64;
        let ratio = &comparison.ratio;
        let class = match (ratio.is_a_difference(), ratio.of_medians > 1.0) {
            (false, _) => "same",
            (true, true) => "better",
            (true, false) => "worse",
        };
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <line class=\"{class} bar\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\
             <circle class=\"{class} mark\" cx=\"{:.1}\" cy=\"{middle}\" r=\"5\"/>\
             <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{:.2}×</text>",
            LEFT - 12.0,
            middle + 4.5,
            escape(label),
            x(ratio.interval.low),
            x(ratio.interval.high),
            x(ratio.of_medians),
            RIGHT + 14.0,
            middle + 4.5,
            ratio.of_medians
        );
    }
    svg.push_str("</svg>");
    svg
}

fn open(height: f64, label: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escape(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }

    #[test]
    fn bars_are_as_long_as_their_medians() {
        let summary = |value: f64| Summary::of(vec![value, value, value]).unwrap();
        let (fast, slow) = (summary(100.0), summary(25.0));
        let svg = bars(Measure::DecodeTokensPerSecond, &[(0, "a<b", &fast), (1, "b", &slow)]);
        let width = |part: &str| -> f64 {
            part.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        let rects: Vec<f64> = svg.split("<rect").skip(1).map(width).collect();
        assert!((rects[0] / rects[1] - 4.0).abs() < 0.01, "{rects:?}");
        assert!(
            svg.contains("a&lt;b") && svg.contains("100/s") && svg.matches("<circle").count() == 6
        );
    }
}
