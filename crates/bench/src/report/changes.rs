//! `mlxk bench compare`, laid out.

use super::{Align, Document, Part, Table, three};
use crate::compare::Change;

/// A row for each series; `fail_below` marks those that are slower than allowed.
pub fn changes(changes: &[Change], fail_below: Option<f64>) -> Document {
    let mut table = Table::new(&[
        ("series", Align::Left),
        ("before", Align::Right),
        ("now", Align::Right),
        ("ratio", Align::Right),
        ("interval", Align::Right),
        ("", Align::Left),
    ]);
    for change in changes {
        let interval = change.interval;
        let word = match (interval.is_a_difference(), change.ratio > 1.0) {
            _ if fail_below.is_some_and(|share| change.is_below(share)) => "slower than allowed",
            (false, _) => "no difference",
            (true, true) => "better",
            (true, false) => "worse",
        };
        table.row(vec![
            change.series.clone(),
            shown(&change.series, change.base),
            shown(&change.series, change.now),
            format!("{:.2}", change.ratio),
            format!(
                "{:.2} to {:.2} with {:.0} %",
                interval.low,
                interval.high,
                (100.0 * interval.confidence).floor()
            ),
            word.to_owned(),
        ]);
    }
    let note = "Above 1 the second report is the better one; ratios of times and memory are turned \
                around. An interval holds the ratio with the probability beside it.";
    Document { parts: vec![Part::Table(table), Part::Note(note.to_owned())] }
}

/// A figure in the unit that the name of its series tells.
fn shown(series: &str, value: f64) -> String {
    if series.ends_with("bytes") {
        format!("{:.1} MB", value / 1e6)
    } else if series.ends_with("per_second") {
        format!("{}/s", three(value))
    } else if value < 1.0 {
        format!("{} ms", three(value * 1e3))
    } else {
        format!("{} s", three(value))
    }
}
