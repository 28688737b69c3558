//! Layout of `mlxk bench compare`.

use super::{Align, Document, Part, Table, interval, three, word};
use crate::compare::Change;

/// Returns a row for each series. Marks those that are slower than `fail_below` allows.
pub fn changes(changes: &[Change], fail_below: Option<f64>) -> Document {
    let mut table = Table::new(&[
        ("figure", Align::Left),
        ("before", Align::Right),
        ("now", Align::Right),
        ("ratio", Align::Right),
        ("interval", Align::Right),
        ("", Align::Left),
    ]);
    for change in changes {
        let is_too_low = fail_below.is_some_and(|share| change.is_below(share));
        let found = word(&change.interval, change.ratio);
        table.row(vec![
            change.series.clone(),
            shown(&change.series, change.base),
            shown(&change.series, change.now),
            format!("{:.2}", change.ratio),
            interval(&change.interval),
            if is_too_low { "slower than allowed" } else { found }.to_owned(),
        ]);
    }
    let note = "Above 1, the second report is better; ratios of times and memory are inverted. An \
                interval contains the ratio with the probability given.";
    Document { parts: vec![Part::Table(table), Part::Note(note.to_owned())] }
}

/// Formats a figure in the unit that the name of its series implies.
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
