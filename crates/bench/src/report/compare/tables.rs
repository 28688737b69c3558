//! The report as tables, for Markdown.

use super::super::{Align, Document, Part, Table, interval};
use super::verdict;
use super::{fact, facts, figure, weights};
use crate::compare::{CompareReport, Measure, Series, Side};
use crate::limits;

/// Returns the results of each side, then the comparisons of ours with the others.
pub fn document(report: &CompareReport) -> Document {
    let mut parts = vec![
        Part::Title(format!("Benchmark, mlxk {}", report.version)),
        Part::Fact("Machine", report.machine.line()),
        Part::Fact("Prompt", report.prompt.lines().next().unwrap_or_default().to_owned()),
        Part::Fact("Method", method(report)),
    ];
    for side in &report.sides {
        parts.push(Part::Fact("Side", about(side)));
    }
    for side in report.sides.iter().filter(|side| side.failure.is_some()) {
        let failure = side.failure.iter().map(|failure| {
            let suggestion = failure.suggestion.iter().map(|it| format!(" {it}."));
            format!("{}.{}", failure.error, suggestion.collect::<String>())
        });
        let failure: String = failure.collect();
        parts.push(Part::Note(format!("**{} failed:** {failure}", side.title)));
    }
    for side in report.sides.iter().filter(|side| side.failure.is_none()) {
        for failed in &side.failed_workloads {
            let suggestion = failed.failure.suggestion.iter().map(|it| format!(" {it}."));
            parts.push(Part::Note(format!(
                "**{} failed at `{}`:** {}.{}",
                side.title,
                failed.workload,
                failed.failure.error,
                suggestion.collect::<String>()
            )));
        }
    }
    parts.extend(report.warnings.iter().cloned().map(Part::Note));
    parts.push(Part::Table(figures(report)));
    let Some((ours, others)) = report.sides.split_first() else { return Document { parts } };
    for other in others {
        parts.extend(compared(report, ours, other));
    }
    Document { parts }
}

/// Describes the method in one line.
pub(super) fn method(report: &CompareReport) -> String {
    let settings = &report.settings;
    let threads =
        settings.threads.map(|count| format!(", {}", limits::threads(count))).unwrap_or_default();
    let warmup = match report.options.warmup {
        1 => "1 warm-up turn".to_owned(),
        count => format!("{count} warm-up turns"),
    };
    format!(
        "medians of {} alternating turns each, after {}; greedy, a context of {} tokens{threads}{}",
        report.options.runs,
        warmup,
        settings.context,
        not_for(report)
    )
}

/// Says which sides have no settings for the context and the threads, such as servers that were already running:
/// ` (OpenAI API keeps its own)`.
pub(super) fn not_for(report: &CompareReport) -> String {
    let own = report.sides.iter().filter(|side| !side.engine.takes_settings());
    let titles: Vec<&str> = own.map(|side| side.title.as_str()).collect();
    match titles[..] {
        [] => String::new(),
        [one] => format!(" ({one} keeps its own)"),
        _ => format!(" ({} keep their own)", listed(&titles)),
    }
}

/// Joins names like `a, b and c`.
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}

/// Describes a side and its model in one line.
pub(super) fn about(side: &Side) -> String {
    let version = side.version.as_ref().map(|it| format!(" {it}")).unwrap_or_default();
    let weights = side.weights.as_ref().map(|found| format!(", {}", weights(found)));
    format!("{}{version}: `{}`{}", side.title, side.model, weights.unwrap_or_default())
}

/// Returns a row for each measure and workload, with a column for each side.
fn figures(report: &CompareReport) -> Table {
    let titles: Vec<String> = report.sides.iter().map(|side| side.title.clone()).collect();
    let mut columns = vec![("measure", Align::Left)];
    columns.extend(titles.iter().map(|title| (title.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    let mut rows = |prefix: &str, series: &[Option<&Series>]| {
        for measure in facts(series) {
            let cell = |series: Option<&Series>| {
                series.and_then(|series| fact(measure, series)).unwrap_or_default()
            };
            let mut cells = vec![format!("{prefix}{}", measure.label())];
            cells.extend(series.iter().copied().map(cell));
            table.row(cells);
        }
    };
    let whole: Vec<_> = report.sides.iter().map(|side| Some(&side.series)).collect();
    rows("", &whole);
    for workload in &report.options.workloads {
        let series = report.sides.iter().map(|side| Some(&side.answered(&workload.name)?.series));
        let series: Vec<_> = series.collect();
        rows(&format!("{}: ", workload.name), &series);
    }
    table
}

/// Returns the comparison of our side with another.
fn compared(report: &CompareReport, ours: &Side, other: &Side) -> Vec<Part> {
    let mut parts = vec![Part::Title(format!("{} against {}", ours.title, other.title))];
    for unequal in report.unequal.iter().filter(|it| it.against == other.title) {
        let suggestion = unequal.suggestion.iter().map(|it| format!(" {it}."));
        let suggestion: String = suggestion.collect();
        let note = format!("**Not equal work:** {}.{suggestion}", unequal.reason);
        parts.push(Part::Note(note));
    }
    let mut table = Table::new(&[
        ("measure", Align::Left),
        ("ratio", Align::Right),
        ("interval", Align::Right),
        ("verdict", Align::Left),
    ]);
    let mut any = false;
    for found in report.judged(&other.title) {
        any = true;
        let workload = found.workload.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
        table.row(vec![
            format!("{workload}{}", found.measure.label()),
            format!("{:.2}", found.ratio.of_medians),
            interval(&found.ratio.interval),
            verdict::of(report, found).word().to_owned(),
        ]);
    }
    if any {
        parts.push(Part::Table(table));
        parts.push(Part::Note(format!(
            "Above 1, {} is better; ratios of times and memory are inverted.",
            ours.title
        )));
    }
    if let (Some(our), Some(their)) = (ours.peak_memory_bytes(), other.peak_memory_bytes()) {
        let memory = |value| figure(Measure::MemoryPeakBytes, value);
        parts.push(Part::Note(format!(
            "Peak memory: {} for {}, {} for {}.",
            memory(our),
            ours.title,
            memory(their),
            other.title
        )));
    }
    for sentence in verdict::agreements(report, &other.title) {
        parts.push(Part::Note(format!("Agreement: {sentence}.")));
    }
    if report.is_unequal(&other.title) {
        parts.push(Part::Note("**Winner:** none, because the work is not equal.".to_owned()));
    } else if let Some(winner) = verdict::winner(report, &other.title, &ours.title) {
        parts.push(Part::Note(format!("**Winner:** {winner}.")));
    }
    parts
}
