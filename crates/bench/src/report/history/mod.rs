//! Layout of `mlxk bench history`: as text, and as a page.

mod page;

pub use page::page;

use super::changes::{series, shown};
use super::{Align, Document, Part, Table, Verdict, three};
use crate::history::{Course, History, Measured, Point, Track};

/// Heights of a column in a row of text.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Reports whose columns fit into a row.
const COLUMNS: usize = 24;

/// Returns a table for each track.
pub fn history(history: &History) -> Document {
    let mut parts = Vec::new();
    for track in &history.tracks {
        parts.push(Part::Title(track.title.clone()));
        parts.push(Part::Fact("Machine", track.machine.clone()));
        parts.push(Part::Fact("Reports", reports(track)));
        if track.courses.is_empty() {
            parts.push(Part::Note("No report has figures.".to_owned()));
        } else {
            parts.push(Part::Table(table(track)));
        }
        for report in &track.reports {
            let line = |failure: &String| format!("`{}` has no figures of {failure}", report.name);
            parts.extend(report.failures.iter().map(|failure| Part::Note(line(failure))));
        }
        let disturbed = track.reports.iter().filter(|report| report.disturbed).count();
        if disturbed > 0 {
            parts.push(Part::Note(format!(
                "{disturbed} of the measurements {} disturbed by other programs or a change of the clock speed.",
                if disturbed == 1 { "was" } else { "were" }
            )));
        }
    }
    let note =
        "The change is that from the last report but one to the last: above 1, the last is better.";
    parts.push(Part::Note(note.to_owned()));
    Document { parts }
}

fn table(track: &Track) -> Table {
    let mut table = Table::new(&[
        ("figure", Align::Left),
        ("course", Align::Left),
        ("first", Align::Right),
        ("last", Align::Right),
        ("change", Align::Right),
        ("", Align::Left),
    ]);
    for course in &track.courses {
        let (change, verdict) = verdict(course);
        let verdict = if verdict.is_empty() { no_change(track, course) } else { verdict };
        let ends = [course.points.first(), course.points.last()];
        let [first, last] = ends.map(|point| point.map(|it| judged(course, it)));
        table.row(vec![
            name(course),
            columns(course),
            first.unwrap_or_default(),
            last.unwrap_or_default(),
            change,
            verdict.to_owned(),
        ]);
    }
    table
}

/// Returns the last change of a figure as a number and as a word. Both are empty if there is none.
fn verdict(course: &Course) -> (String, &'static str) {
    course.change.as_ref().map_or_else(Default::default, |change| {
        (format!("{:.2}", change.ratio), Verdict::of(&change.interval, change.ratio, false).word())
    })
}

/// Returns why there is no change to the last report.
fn no_change(track: &Track, course: &Course) -> &'static str {
    let [.., before, last] = &track.reports[..] else { return "only one report" };
    let has =
        |back: usize| course.points.iter().any(|point| point.report + back == track.reports.len());
    match (has(2), has(1)) {
        (true, true) if before.disturbed || last.disturbed => "disturbed",
        (true, true) => "not comparable",
        (_, false) => "not in the last report",
        (false, true) => "not in the report before",
    }
}

/// Returns the name of a figure for people.
fn name(course: &Course) -> String {
    if !course.is_ratio {
        return series(&course.series);
    }
    let (against, place) = course.series.split_once(" / ").unwrap_or(("", &course.series));
    format!("{}, as a ratio to {against}", series(place))
}

/// Formats a figure with its unit.
fn figure(course: &Course, value: f64) -> String {
    if course.is_ratio { format!("{}×", three(value)) } else { shown(&course.series, value) }
}

/// Formats the figure of a report. A ratio that the report calls inconclusive is called that here, too.
fn judged(course: &Course, point: &Point) -> String {
    let mark = match (point.inconclusive, point.not_significant) {
        (true, _) => " (inconclusive)",
        (_, true) => " (not significant)",
        _ => "",
    };
    format!("{}{mark}", figure(course, point.median))
}

fn reports(track: &Track) -> String {
    let name = |report: &Measured| match &report.version {
        Some(version) => format!("{} ({version})", report.name),
        None => report.name.clone(),
    };
    match &track.reports[..] {
        [first, .., last] => {
            format!("{}, from {} to {}", track.reports.len(), name(first), name(last))
        }
        reports => reports.iter().map(name).collect(),
    }
}

/// Draws the last medians as columns of text.
fn columns(course: &Course) -> String {
    let points = &course.points[course.points.len().saturating_sub(COLUMNS)..];
    let medians = || points.iter().map(|point| point.median);
    let most = medians().fold(0.0, f64::max);
    let least = medians().fold(most, f64::min);
    let height = |value: f64| {
        // Noise must not fill the row: a tenth of the largest figure is the least that does.
        let range = (most - least).max(0.1 * most).max(f64::MIN_POSITIVE);
        let share = ((value - most) / range + 1.0).clamp(0.0, 1.0);
        HEIGHTS[(share * (HEIGHTS.len() - 1) as f64).round() as usize]
    };
    medians().map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(medians: &[f64]) -> Course {
        let point = |(report, &median): (usize, &f64)| Point {
            report,
            median,
            lower_quartile: median,
            upper_quartile: median,
            inconclusive: median < 0.8,
            not_significant: false,
        };
        Course {
            series: "Ollama / chat / decode_tokens_per_second".into(),
            more_is_better: true,
            is_ratio: true,
            points: medians.iter().enumerate().map(point).collect(),
            change: None,
        }
    }

    #[test]
    fn columns_show_the_course_and_not_the_noise() {
        assert_eq!(columns(&course(&[1.0, 0.5, 0.75, 1.0])), "█▁▅█");
        assert_eq!(columns(&course(&[1.0, 0.999, 1.001])), "███");
        assert_eq!(columns(&course(&[0.0])), "█");
        let course = course(&[1.25]);
        assert_eq!(name(&course), "chat: decode, as a ratio to Ollama");
        assert_eq!(judged(&course, &course.points[0]), "1.25×");
        let course = self::course(&[0.75]);
        assert_eq!(judged(&course, &course.points[0]), "0.75× (inconclusive)");
    }
}
