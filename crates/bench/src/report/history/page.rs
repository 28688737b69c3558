//! The history as one page of HTML without external scripts, fonts or images.

use std::fmt::Write as _;

use super::super::compare::{STYLE, escape};
use super::{judged, name, reports, verdict};
use crate::history::{Course, History, Point, Track};

/// Layout of the plots. Lines keep their width, however wide the plot is.
const PLOT_STYLE: &str = "\
svg.course, svg.course svg { height: 100px; } svg.course polyline { fill: none; stroke: var(--a); stroke-width: 2;
  vector-effect: non-scaling-stroke; }
svg.course polygon { fill: var(--a); opacity: 0.18; }
svg.course circle { fill: var(--card); stroke: var(--a); stroke-width: 1.5; }
svg.course circle.disturbed { stroke: var(--same); stroke-dasharray: 2 1; }
.ends { display: flex; justify-content: space-between; font-size: 12px; color: var(--soft); }
.state { float: right; font-weight: 400; }
.state.better { color: var(--good); } .state.worse { color: var(--bad); }
.state.better, .state.worse, .state.same { stroke: none; }
";
/// Size of a plot. The width is in units of its own, because a plot is as wide as there is room, and the height in pixels.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 100.0;

/// Returns the history as a page.
pub fn page(history: &History) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>History of benchmarks</title>\n<style>\n{STYLE}{PLOT_STYLE}</style></head>\n<body><main>\n\
         <h1>History of benchmarks</h1>\n"
    );
    for track in &history.tracks {
        let _ = writeln!(
            html,
            "<h2>{}</h2>\n<p class=\"soft\">{}<br>{}</p>\n<div class=\"plots\">",
            escape(&track.title),
            escape(&track.machine),
            escape(&reports(track))
        );
        for course in &track.courses {
            plot(&mut html, track, course);
        }
        html.push_str("</div>\n");
    }
    html.push_str(
        "<p class=\"soft\">Each dot is the median of a report, and the band spans its quartiles. A dashed dot was \
         disturbed by other programs or a change of the clock speed. A change is that from the last report but one to \
         the last; above 1, the last is better. Reports of other work or another machine have plots of their own.</p>\n\
         </main></body></html>\n",
    );
    html
}

fn plot(html: &mut String, track: &Track, course: &Course) {
    let merit = if course.more_is_better { "more is better" } else { "less is better" };
    let (change, word) = verdict(course);
    let state = match word {
        "" => String::new(),
        "better" | "worse" => format!("<span class=\"state {word}\">{change}× {word}</span>"),
        _ => format!("<span class=\"state same\">{change}× {word}</span>"),
    };
    let last = course.points.last().map(|point| judged(course, point)).unwrap_or_default();
    let _ = writeln!(
        html,
        "<figure><figcaption>{state}{}: {} <span class=\"soft\">{merit}</span></figcaption>{}\
         <div class=\"ends\"><span>{}</span><span>{}</span></div></figure>",
        escape(&capital(&name(course))),
        escape(&last),
        shapes(track, course),
        escape(track.reports.first().map_or("", |report| &report.name)),
        escape(track.reports.last().map_or("", |report| &report.name)),
    );
}

/// Returns the name of a measure with a capital letter. Names of models and workloads stay unchanged.
fn capital(text: &str) -> String {
    if text.contains(": ") {
        return text.to_owned();
    }
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Draws the band of the quartiles, the line of the medians and a dot for each report. The scale begins at 0, so that
/// noise looks small.
fn shapes(track: &Track, course: &Course) -> String {
    let most = course.points.iter().map(|point| point.upper_quartile.max(point.median));
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let steps = track.reports.len().saturating_sub(1).max(1) as f64;
    let x = |point: &Point| 4.0 + (WIDTH - 8.0) * point.report as f64 / steps;
    let y = |value: f64| HEIGHT - 4.0 - (HEIGHT - 12.0) * (value / most).clamp(0.0, 1.0);
    let at = |point: &Point, value: f64| format!("{:.1},{:.1}", x(point), y(value));
    let points = &course.points;
    let line: Vec<String> = points.iter().map(|point| at(point, point.median)).collect();
    let upper = points.iter().map(|point| at(point, point.upper_quartile));
    let lower = points.iter().rev().map(|point| at(point, point.lower_quartile));
    let band: Vec<String> = upper.chain(lower).collect();
    let mut svg = format!(
        "<svg class=\"course\" role=\"img\" aria-label=\"{}\"><line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{1}\" \
         y2=\"{1}\"/><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\"><polygon points=\"{2}\"/>\
         <polyline points=\"{3}\"/></svg>",
        escape(&name(course)),
        y(0.0),
        band.join(" "),
        line.join(" ")
    );
    for point in points {
        let report = &track.reports[point.report];
        let class = if report.disturbed { " class=\"disturbed\"" } else { "" };
        let _ = write!(
            svg,
            "<circle{class} cx=\"{:.2}%\" cy=\"{:.1}\" r=\"3\"><title>{}: {}</title></circle>",
            100.0 * x(point) / WIDTH,
            y(point.median),
            escape(&report.name),
            escape(&judged(course, point))
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::history::{Named, history};

    #[test]
    fn every_report_is_a_dot_at_its_height() {
        let report = |time: f64, decode: f64| Named {
            name: format!("<{time}>"),
            report: json!({
                "schema": "mlxk-bench-compare/1", "mlx_model": "a<b", "benchmark_time": time,
                "machine": {"processor": "x", "usable_cores": 2},
                "sides": [{"workloads": [{"workload": "chat", "series":
                    {"decode_tokens_per_second": {"samples": [decode]}}}]}],
            }),
        };
        let page = page(&history(vec![report(2.0, 50.0), report(1.0, 100.0)]));
        let dots: Vec<&str> = page.split("<circle").skip(1).collect();
        let place = |dot: &str, name: &str| -> f64 {
            let value = dot.split(&format!("{name}=\"")).nth(1).unwrap();
            value.split(['"', '%']).next().unwrap().parse().unwrap()
        };
        assert_eq!(dots.len(), 2);
        assert!(place(dots[0], "cx") < place(dots[1], "cx"));
        let heights: Vec<f64> = dots.iter().map(|dot| 96.0 - place(dot, "cy")).collect();
        assert!((heights[0] / heights[1] - 2.0).abs() < 0.01, "{heights:?}");
        assert!(dots[0].contains("&lt;1&gt;: 100/s"), "{}", dots[0]);
        assert!(page.contains("<h2>a&lt;b</h2>"));
        assert_eq!(capital("org/model: decode"), "org/model: decode");
        assert_eq!(capital("load, as a ratio to Ollama"), "Load, as a ratio to Ollama");
    }
}
