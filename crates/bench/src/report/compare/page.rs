//! The report as one page of HTML without external scripts, fonts or images.

use std::fmt::Write as _;

use super::super::three;
use super::plot::{Scale, bars, class, escape, ratios};
use super::tables::{about, listed, method};
use super::verdict;
use super::{fact, facts};
use crate::compare::{CompareReport, Comparison, Measure, Side};
use crate::statistics::Summary;

/// Colors and layout of all pages.
pub(in crate::report) const STYLE: &str = include_str!("page.css");

/// Measures to plot, for whole turns (the first ones) or for the first workload.
const PLOTS: [Measure; 8] = [
    Measure::DecodeTokensPerSecond,
    Measure::EffectiveTokensPerSecond,
    Measure::FirstTokenSeconds,
    Measure::ColdFirstTokenSeconds,
    Measure::RepeatedFirstTokenSeconds,
    Measure::LoadSeconds,
    Measure::MemoryPeakBytes,
    Measure::CpuSeconds,
];

/// Returns the report as a page.
pub fn page(report: &CompareReport) -> String {
    let names: Vec<&str> = report.sides.iter().map(|side| side.title.as_str()).collect();
    let title = listed(&names);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Benchmark: {0}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n\
         <h1>Benchmark: {0}</h1>\n<p class=\"soft\">{1}<br>{2}</p>\n",
        escape(&title),
        escape(&report.machine.line()),
        escape(&method(report)),
    );
    sides(&mut html, report);
    notes(&mut html, report);
    let Some((ours, others)) = report.sides.split_first() else { return html };
    // One scale for all plots of ratios, so that they can be compared by eye.
    let judged = others.iter().flat_map(|other| report.judged(&other.title));
    let scale = Scale::of(judged);
    for other in others {
        cards(&mut html, report, ours, other);
        forest(&mut html, report, ours, other, &scale);
    }
    plots(&mut html, report);
    table(&mut html, report);
    answers(&mut html, report);
    let _ = writeln!(
        html,
        "<p class=\"soft\">mlxk {}. Each dot is one turn, each bar a median. An interval contains \
         the ratio with the probability given, for any distribution. If it contains 1, the \
         difference is not significant.</p>\n</main></body></html>",
        escape(&report.version)
    );
    html
}

/// Lists the sides in the colors of their bars.
fn sides(html: &mut String, report: &CompareReport) {
    html.push_str("<ul class=\"sides\">\n");
    for (place, side) in report.sides.iter().enumerate() {
        let about = about(side);
        let rest = about.strip_prefix(&side.title).unwrap_or(&about);
        let _ = writeln!(
            html,
            "<li><i class=\"side{}\"></i><b>{}</b>{}</li>",
            place.min(4),
            escape(&side.title),
            marked(rest)
        );
    }
    html.push_str("</ul>\n");
}

/// Escapes a text and sets its parts in backticks as code.
fn marked(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some((before, code, after)) = rest
        .split_once('`')
        .and_then(|(before, inside)| Some((before, inside.split_once('`')?)))
        .map(|(before, (code, after))| (before, code, after))
    {
        let _ = write!(html, "{}<code>{}</code>", escape(before), escape(code));
        rest = after;
    }
    html + &escape(rest)
}

fn notes(html: &mut String, report: &CompareReport) {
    for side in &report.sides {
        if let Some(failure) = &side.failure {
            let suggestion = failure.suggestion.as_deref().unwrap_or_default();
            let _ = writeln!(
                html,
                "<p class=\"note failed\"><b>{}:</b> {}. {}</p>",
                escape(&side.title),
                marked(&failure.error),
                marked(suggestion)
            );
        }
    }
    for side in report.sides.iter().filter(|side| side.failure.is_none()) {
        for failed in &side.failed_workloads {
            let _ = writeln!(
                html,
                "<p class=\"note failed\"><b>{}, {}:</b> {}. {}</p>",
                escape(&side.title),
                escape(&failed.workload),
                marked(&failed.failure.error),
                marked(failed.failure.suggestion.as_deref().unwrap_or_default())
            );
        }
    }
    for unequal in &report.unequal {
        let _ = writeln!(
            html,
            "<p class=\"note failed\"><b>Not equal work, so nothing is compared:</b> {}. {}</p>",
            marked(&unequal.reason),
            marked(unequal.suggestion.as_deref().unwrap_or_default())
        );
    }
    for warning in &report.warnings {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", marked(warning));
    }
}

/// Writes the headline figures of a comparison.
fn cards(html: &mut String, report: &CompareReport, ours: &Side, other: &Side) {
    let workload = report.options.workloads.first().map(|it| it.name.as_str());
    let shown = [
        (Measure::EffectiveTokensPerSecond, workload, "Speed of a whole turn"),
        (Measure::DecodeTokensPerSecond, workload, "Decode"),
        (Measure::FirstTokenSeconds, workload, "First token, warm"),
        (Measure::ColdFirstTokenSeconds, None, "First token, cold"),
        (Measure::MemoryPeakBytes, None, "Peak memory"),
    ];
    let cards: Vec<String> = shown
        .into_iter()
        .filter_map(|(measure, workload, label)| {
            let is_it =
                |it: &&Comparison| it.measure == measure && it.workload.as_deref() == workload;
            let found = report.judged(&other.title).find(is_it)?;
            Some(card(label, report, found))
        })
        .collect();
    if cards.is_empty() {
        return;
    }
    let winner = verdict::winner(report, &other.title, &ours.title);
    let _ = writeln!(
        html,
        "<h2>{} against {}</h2>\n<p class=\"winner\">Winner: <b>{}</b></p>\n<div class=\"cards\">{}</div>",
        escape(&ours.title),
        escape(&other.title),
        escape(&winner.unwrap_or_default()),
        cards.concat()
    );
}

fn card(label: &str, report: &CompareReport, found: &Comparison) -> String {
    let class = class(verdict::of(report, found));
    format!(
        "<div class=\"card\"><span class=\"soft\">{label}</span><b class=\"{class}\">{}×</b>\
         <span class=\"soft\">{}</span></div>",
        three(found.ratio.of_medians),
        escape(&verdict::brief(report, found))
    )
}

/// Writes all ratios to a side with their intervals.
fn forest(html: &mut String, report: &CompareReport, ours: &Side, other: &Side, scale: &Scale) {
    let rows: Vec<(String, &Comparison)> = report
        .judged(&other.title)
        .map(|it| (label(report, it.workload.as_deref(), it.measure), it))
        .collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        html,
        "<figure class=\"wide\"><figcaption>Ratio of {} to {}: right of 1, {} is better</figcaption>{}\
         </figure>",
        escape(&ours.title),
        escape(&other.title),
        escape(&ours.title),
        ratios(&rows, scale, |it| verdict::of(report, it))
    );
}

/// Names a figure, with its workload if there are several.
fn label(report: &CompareReport, workload: Option<&str>, measure: Measure) -> String {
    match workload {
        Some(workload) if report.options.workloads.len() > 1 => {
            format!("{workload}: {}", measure.label())
        }
        _ => measure.label().to_owned(),
    }
}

fn plots(html: &mut String, report: &CompareReport) {
    let mut figures = String::new();
    let first = report.options.workloads.first().map(|it| it.name.as_str());
    for measure in PLOTS {
        let found: Vec<(usize, &str, &Summary)> = report
            .sides
            .iter()
            .enumerate()
            .filter_map(|(place, side)| {
                let summary =
                    of_first(side, first, measure).or_else(|| side.series.get(&measure))?;
                Some((place.min(4), side.title.as_str(), summary))
            })
            .collect();
        if found.is_empty() {
            continue;
        }
        let merit = match measure.more_is_better() {
            Some(true) => ", more is better",
            Some(false) => ", less is better",
            None => "",
        };
        let is_of_workload =
            report.sides.iter().any(|side| of_first(side, first, measure).is_some());
        let label = label(report, first.filter(|_| is_of_workload), measure);
        let _ = writeln!(
            figures,
            "<figure><figcaption>{}{merit}</figcaption>{}</figure>",
            escape(&capital(&label)),
            bars(measure, &found)
        );
    }
    if !figures.is_empty() {
        let _ = writeln!(html, "<h2>Figures</h2>\n<div class=\"plots\">{figures}</div>");
    }
}

/// Returns the figures of the first workload.
fn of_first<'a>(side: &'a Side, first: Option<&str>, measure: Measure) -> Option<&'a Summary> {
    side.answered(first?)?.series.get(&measure)
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Writes a table of the workloads that the plots don't show.
fn table(html: &mut String, report: &CompareReport) {
    let mut rows = String::new();
    for workload in &report.options.workloads {
        let series = report.sides.iter().map(|side| Some(&side.answered(&workload.name)?.series));
        let series: Vec<_> = series.collect();
        for measure in facts(&series) {
            let mut cells = String::new();
            for (side, it) in report.sides.iter().zip(&series) {
                let text = it.and_then(|it| fact(measure, it)).unwrap_or_default();
                // On a narrow screen the name of the side stands before its figure.
                let (side, text) = (escape(&side.title), escape(&text));
                let _ = write!(cells, "<td data-side=\"{side}\">{text}</td>");
            }
            let _ = writeln!(
                rows,
                "<tr><td>{}: {}</td>{cells}</tr>",
                escape(&workload.name),
                measure.label()
            );
        }
    }
    let mut heads = String::new();
    for side in &report.sides {
        let _ = write!(heads, "<th>{}</th>", escape(&side.title));
    }
    let _ = writeln!(
        html,
        "<h2>By workload</h2>\n<div class=\"table\"><table><tr><th>measure</th>{heads}</tr>\n\
         {rows}</table></div>"
    );
}

fn answers(html: &mut String, report: &CompareReport) {
    let _ = writeln!(
        html,
        "<h2>Answers</h2>\n<p class=\"soft\">Prompt: {}</p>",
        escape(&report.prompt)
    );
    let Some((ours, others)) = report.sides.split_first() else { return };
    for other in others {
        for sentence in verdict::agreements(report, &other.title) {
            let _ = writeln!(
                html,
                "<p>{} and {}: {}.</p>",
                escape(&ours.title),
                escape(&other.title),
                marked(&sentence)
            );
        }
    }
    for side in &report.sides {
        for answered in &side.workloads {
            let _ = writeln!(
                html,
                "<details><summary>{}, {}</summary><pre>{}{}</pre></details>",
                escape(&side.title),
                escape(&answered.workload),
                escape(&answered.reasoning),
                escape(&answered.response)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_marks() {
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!((listed(&["a"]), listed(&[])), ("a".to_owned(), String::new()));
        assert_eq!(
            marked("Pass `--a <b>`, or `c`."),
            "Pass <code>--a &lt;b&gt;</code>, or <code>c</code>."
        );
        assert_eq!(marked("a ` b & c"), "a ` b &amp; c");
    }
}
