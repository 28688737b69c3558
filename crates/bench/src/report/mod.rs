//! Reports as text for terminals and as Markdown. JSON comes straight from serde.

mod changes;
mod compare;
mod history;
mod kernels;
mod model;
mod table;

use std::fmt::{self, Write as _};

pub use changes::{Caveats, changes, series as figure_name};
pub use compare::{
    Icons, document as compare_document, page as compare_page, terminal as compare_terminal,
};
pub use history::{history, page as history_page};
pub use kernels::{gpu_kernels, kernels};
pub use model::model;
pub use table::{Align, Table};

use crate::statistics::Interval;

/// A report in parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Parts in their order.
    pub parts: Vec<Part>,
}

/// A part of a [`Document`].
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A title.
    Title(String),
    /// A name and its value.
    Fact(&'static str, String),
    /// Rows of figures.
    Table(Table),
    /// One or more sentences.
    Note(String),
}

impl Document {
    /// Formats the report for a terminal. Tables that are wider than this many columns become lists.
    pub fn to_text(&self, width: usize) -> String {
        let mut text = String::new();
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Title(title) if index > 0 => add(&mut text, format_args!("\n{title}\n")),
                Part::Title(title) => add(&mut text, format_args!("{title}\n")),
                Part::Fact(name, value) => add(&mut text, format_args!("{name:14} {value}\n")),
                Part::Table(table) => add(&mut text, format_args!("\n{}", table.to_text(width))),
                Part::Note(note) => add(&mut text, format_args!("\n{note}\n")),
            }
        }
        text
    }

    /// Formats the report as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        let mut after_fact = false;
        for (index, part) in self.parts.iter().enumerate() {
            let is_fact = matches!(part, Part::Fact(..));
            if index > 0 && !(is_fact && after_fact) {
                text.push('\n');
            }
            after_fact = is_fact;
            match part {
                Part::Title(title) => add(&mut text, format_args!("## {title}\n")),
                Part::Fact(name, value) => add(&mut text, format_args!("* {name}: {value}\n")),
                Part::Table(table) => text.push_str(&table.to_markdown()),
                Part::Note(note) => add(&mut text, format_args!("{note}\n")),
            }
        }
        text
    }
}

/// Appends without allocating. Writing to a string cannot fail.
fn add(text: &mut String, more: fmt::Arguments<'_>) {
    let _ = text.write_fmt(more);
}

/// Formats a share such as `12 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Formats an interval such as `1.31 to 1.45 with 99 %`.
fn interval(interval: &Interval) -> String {
    // Rounded down: 99.2 counts as 99, and 98.9 doesn't.
    let percent = (100.0 * interval.confidence).floor();
    // A single sample.
    if percent < 1.0 {
        return format!("{:.2}", interval.low);
    }
    format!("{:.2} to {:.2} with {percent:.0} %", interval.low, interval.high)
}

/// Judgement of a ratio. Every layout states this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// There are too few turns.
    Unknown,
    /// The interval contains 1.
    NotSignificant,
    /// The interval excludes 1, but the measurement was disturbed.
    Inconclusive,
    Better,
    Worse,
}

impl Verdict {
    /// Judges a ratio. `disturbed` says that the measurement was disturbed, and the figure depends on that.
    fn of(interval: &Interval, ratio: f64, disturbed: bool) -> Self {
        if interval.is_unknown() {
            return Self::Unknown;
        }
        match (interval.is_a_difference(), disturbed, ratio > 1.0) {
            (false, _, _) => Self::NotSignificant,
            (true, true, _) => Self::Inconclusive,
            (true, false, true) => Self::Better,
            (true, false, false) => Self::Worse,
        }
    }

    /// Returns the word for tables.
    fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotSignificant => "not significant",
            Self::Inconclusive => "inconclusive",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// Formats a number with three significant digits.
pub(crate) fn three(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_well_in_both_forms() {
        let mut table = Table::new(&[("mode", Align::Left), ("µs", Align::Right)]);
        table.row(vec!["4:64".into(), "12.3".into()]);
        table.row(vec!["bf16".into(), "1234".into()]);
        let document = Document {
            parts: vec![
                Part::Title("Kernels".into()),
                Part::Fact("Machine", "AMD".into()),
                Part::Fact("Limits", "20 GB/s".into()),
                Part::Table(table),
                Part::Note("Done.".into()),
            ],
        };
        assert_eq!(
            document.to_text(80),
            "Kernels\nMachine        AMD\nLimits         20 GB/s\n\n\
             mode    µs\n4:64  12.3\nbf16  1234\n\nDone.\n"
        );
        assert_eq!(
            document.to_markdown(),
            "## Kernels\n\n* Machine: AMD\n* Limits: 20 GB/s\n\n\
             | mode | µs |\n|:---|---:|\n| 4:64 | 12.3 |\n| bf16 | 1234 |\n\nDone.\n"
        );
    }

    #[test]
    fn only_a_difference_can_be_inconclusive() {
        let interval = |low: f64, high: f64| Interval { low, high, confidence: 0.992 };
        let judged = |low, high, disturbed| {
            Verdict::of(&interval(low, high), f64::midpoint(low, high), disturbed).word()
        };
        assert_eq!(judged(0.99, 3.97, true), "not significant");
        assert_eq!(judged(0.99, 3.97, false), "not significant");
        assert_eq!(judged(1.02, 4.12, true), "inconclusive");
        assert_eq!((judged(1.02, 4.12, false), judged(0.5, 0.9, false)), ("better", "worse"));
        let few = Interval { confidence: 0.5, ..interval(1.5, 1.6) };
        assert_eq!(Verdict::of(&few, 1.55, true), Verdict::Unknown);
    }

    #[test]
    fn numbers_have_three_digits() {
        let numbers = [0.0, 0.1234, 9.876, 12.34, 99.9, 123.4, 5678.9].map(three);
        assert_eq!(numbers, ["0.00", "0.12", "9.88", "12.3", "99.9", "123", "5679"]);
        assert_eq!(percent(0.654), "65 %");
    }
}
