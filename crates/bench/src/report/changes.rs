//! Layout of `mlxk bench compare`.

use super::{Align, Document, Part, Table, Verdict, interval, three};
use crate::compare::{Change, Measure};
use crate::statistics::CONFIDENCE;

/// Caveats about a comparison of two reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caveats {
    /// Warnings, each with the report that it belongs to.
    pub warnings: Vec<String>,
    /// `true` if a measurement was disturbed, so differences of speeds and times are inconclusive.
    pub inconclusive: bool,
}

/// Returns a row for each series. Marks those that are slower than `fail_below` allows, and calls
/// differences of speeds and times inconclusive if a measurement was disturbed.
pub fn changes(changes: &[Change], fail_below: Option<f64>, caveats: &Caveats) -> Document {
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
        let inconclusive = caveats.inconclusive && change.depends_on_pace();
        let verdict = match is_too_low && !inconclusive {
            true if change.depends_on_pace() => "slower than allowed",
            true => "more than allowed",
            false => Verdict::of(&change.interval, change.ratio, inconclusive).word(),
        };
        table.row(vec![
            series(&change.series),
            shown(&change.series, change.base),
            shown(&change.series, change.now),
            format!("{:.2}", change.ratio),
            interval(&change.interval),
            verdict.to_owned(),
        ]);
    }
    let note = "Above 1, the second report is better; ratios of times and memory are inverted. An \
                interval contains the ratio with the probability given.";
    let mut parts = vec![Part::Table(table), Part::Note(note.to_owned())];
    if fail_below.is_some() && changes.len() > 1 {
        parts.push(Part::Note(chance(changes.len())));
    }
    parts.extend(caveats.warnings.iter().cloned().map(Part::Note));
    if caveats.inconclusive {
        let note = "A measurement was disturbed, so differences of speeds and times are inconclusive. \
                    Measure again on a quiet machine.";
        parts.push(Part::Note(note.to_owned()));
    }
    Document { parts }
}

/// Returns how often a comparison of equal programs fails, because each of its figures may.
fn chance(figures: usize) -> String {
    let one = (1.0 - CONFIDENCE) / 2.0;
    let any = 1.0 - (1.0 - one).powf(figures as f64);
    format!(
        "Each of {figures} figures is judged on its own: if nothing changed, at least one of them fails by chance in up \
         to {:.0} % of all comparisons. Repeat a comparison that failed.",
        100.0 * any
    )
}

/// Returns the name of a series for people: `chat: processor time` instead of `chat / cpu_seconds`.
pub fn series(place: &str) -> String {
    let (before, last) = place.rsplit_once(" / ").unwrap_or(("", place));
    let label = if let Some(measure) = measure(last) {
        measure.label().to_owned()
    } else {
        // In a report of one model.
        let last = if last == "tokens_per_second" { "decode" } else { last };
        let units = ["_tokens_per_second", "_per_second", "_seconds", "_bytes"];
        let bare = units.iter().find_map(|unit| last.strip_suffix(unit)).unwrap_or(last);
        bare.replace('_', " ")
    };
    if before.is_empty() { label } else { format!("{}: {label}", before.replace(" / ", ", ")) }
}

fn measure(name: &str) -> Option<Measure> {
    serde_json::from_value(name.into()).ok()
}

/// Formats a figure in the unit that the name of its series implies.
pub(super) fn shown(series: &str, value: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::{chance, series};

    #[test]
    fn many_figures_fail_more_often_by_chance() {
        assert!(chance(2).contains("up to 1 %"), "{}", chance(2));
        assert!(chance(20).contains("up to 10 %"), "{}", chance(20));
    }

    #[test]
    fn series_have_names_for_people() {
        for (place, name) in [
            ("load_seconds", "load"),
            ("chat / cpu_seconds", "chat: processor time"),
            ("chat / decode_tokens_per_second", "chat: decode"),
            ("models / m / time_to_first_token_seconds", "models, m: time to first token"),
            ("m / context 128 / tokens_per_second", "m, context 128: decode"),
            ("rows / affine 4 / mean_seconds", "rows, affine 4: mean"),
        ] {
            assert_eq!(series(place), name);
        }
    }
}
