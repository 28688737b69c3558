//! Plots as rows of text and SVG, in the colors of the page.

use std::fmt::Write as _;

use super::super::{Verdict, three};
use crate::compare::{Comparison, Measure, Unit};
use crate::statistics::Summary;

/// Escapes the characters that have a meaning in HTML.
pub(in crate::report) fn escape(text: &str) -> String {
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

/// Returns a row: a name, a figure, and a strip of shapes between or below them. Positions in the
/// strip are shares of its width, so text keeps its size and circles stay round on every screen.
fn row(name: &str, value: &str, shapes: &str) -> String {
    format!(
        "<div class=\"row\"><span class=\"name\">{}</span><span class=\"value\">{}</span>\
         <svg aria-hidden=\"true\">{shapes}</svg></div>",
        escape(name),
        escape(value)
    )
}

/// Draws a bar for the median of each side, and a dot for every sample. The number of a side among
/// all sides determines its color.
pub(super) fn bars(measure: Measure, sides: &[(usize, &str, &Summary)]) -> String {
    let most = sides.iter().map(|(_, _, summary)| summary.maximum).fold(0.0, f64::max);
    // Dots at the end of the scale need room.
    let x = |value: f64| 98.0 * value.max(0.0) / most.max(f64::MIN_POSITIVE);
    let mut plot = String::new();
    for (place, title, summary) in sides {
        let width = x(summary.median).max(0.2);
        let mut shapes = format!(
            "<rect class=\"side{place}\" x=\"0\" y=\"3\" width=\"{width:.2}%\" height=\"16\" rx=\"3\"/>"
        );
        for sample in &summary.samples {
            let _ = write!(
                shapes,
                "<circle class=\"dot\" cx=\"{:.2}%\" cy=\"11\" r=\"3\"/>",
                x(*sample)
            );
        }
        plot.push_str(&row(title, &short(measure, summary.median), &shapes));
    }
    plot
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

/// A logarithmic scale of ratios around 1.
pub(super) struct Scale {
    /// The largest ratio. The smallest is its inverse.
    most: f64,
}

impl Scale {
    /// Returns a scale that has room for all of these ratios with their intervals.
    pub(super) fn of<'a>(comparisons: impl Iterator<Item = &'a Comparison>) -> Self {
        let ends = comparisons
            .flat_map(|it| [it.ratio.interval.low, it.ratio.interval.high, it.ratio.of_medians]);
        let away = ends.map(|ratio| ratio.max(1.0 / ratio)).filter(|away| away.is_finite());
        Self { most: away.fold(1.25, f64::max) * 1.05 }
    }

    /// Returns the position of a ratio in percent of the width, with room for labels at both ends.
    fn position(&self, ratio: f64) -> f64 {
        4.0 + 92.0 * (0.5 + 0.5 * ratio.max(1e-9).ln() / self.most.ln()).clamp(0.0, 1.0)
    }

    /// Returns the ratios to label: few and round.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        // A narrow scale if the ratios are close to 1, but wide enough to read.
        let ticks: &[f64] = match self.most {
            ..2.2 => &[0.5, 0.8, 1.0, 1.25, 2.0],
            ..12.0 => &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0],
            _ => &[0.01, 0.1, 1.0, 10.0, 100.0],
        };
        let most = self.most;
        ticks.iter().copied().filter(move |&tick| tick <= most && tick >= 1.0 / most)
    }
}

/// Returns the style class of a ratio: the color of a winner, or none.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Unknown | Verdict::NotSignificant | Verdict::Inconclusive => "same",
    }
}

/// Draws ratios with their intervals. Those that decide nothing have no color of a winner.
pub(super) fn ratios(
    rows: &[(String, &Comparison)],
    scale: &Scale,
    verdict: impl Fn(&Comparison) -> Verdict,
) -> String {
    let (mut grid, mut labels) = (String::new(), String::new());
    for tick in scale.ticks() {
        let class = if (tick - 1.0).abs() < 1e-9 { "one" } else { "grid" };
        let x = scale.position(tick);
        let _ = write!(
            grid,
            "<line class=\"{class}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"22\"/>"
        );
        let _ = write!(labels, "<text class=\"tick\" x=\"{x:.2}%\" y=\"14\">{tick}×</text>");
    }
    let mut plot = String::new();
    for (label, comparison) in rows {
        let ratio = &comparison.ratio;
        let class = class(verdict(comparison));
        let shapes = format!(
            "{grid}<line class=\"{class} bar\" x1=\"{:.2}%\" x2=\"{:.2}%\" y1=\"11\" y2=\"11\"/>\
             <circle class=\"{class} mark\" cx=\"{:.2}%\" cy=\"11\" r=\"5\"/>",
            scale.position(ratio.interval.low),
            scale.position(ratio.interval.high),
            scale.position(ratio.of_medians)
        );
        plot.push_str(&row(label, &format!("{}×", three(ratio.of_medians)), &shapes));
    }
    plot.push_str(&row("", "", &labels));
    plot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }

    #[test]
    fn plots_of_ratios_share_a_scale() {
        let comparison = |ratio: f64| Comparison {
            against: "x".into(),
            workload: None,
            measure: Measure::LoadSeconds,
            ratio: crate::statistics::Ratio::paired(&[ratio, ratio], &[1.0, 1.0], 0.99).unwrap(),
        };
        let (small, large) = (comparison(0.9), comparison(20.0));
        let scale = Scale::of([&small, &large].into_iter());
        let ends = [1.0, 20.0, 1.0 / 20.0].map(|ratio| scale.position(ratio));
        assert!((ends[0] - 50.0).abs() < 1e-9 && ends[1] < 96.0 && ends[2] > 4.0, "{ends:?}");
        let plots =
            [&small, &large].map(|it| ratios(&[(String::new(), it)], &scale, |_| Verdict::Better));
        for tick in ["0.1×", "1×", "10×"] {
            let place =
                |plot: &String| plot.split("<text").find(|it| it.contains(tick)).map(str::to_owned);
            assert_eq!(place(&plots[0]), place(&plots[1]));
            assert!(place(&plots[0]).is_some(), "{tick}");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_medians() {
        let summary = |value: f64| Summary::of(vec![value, value, value]).unwrap();
        let (fast, slow) = (summary(100.0), summary(25.0));
        let svg = bars(Measure::DecodeTokensPerSecond, &[(0, "a<b", &fast), (1, "b", &slow)]);
        let width = |part: &str| -> f64 {
            part.split("width=\"").nth(1).unwrap().split('%').next().unwrap().parse().unwrap()
        };
        let rects: Vec<f64> = svg.split("<rect").skip(1).map(width).collect();
        assert!((rects[0] / rects[1] - 4.0).abs() < 0.01, "{rects:?}");
        assert!(
            svg.contains("a&lt;b") && svg.contains("100/s") && svg.matches("<circle").count() == 6
        );
    }
}
