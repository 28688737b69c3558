//! Courses of figures over many JSON reports of this program.

use serde::Serialize;
use serde_json::Value;

use crate::compare::{
    Change, Disturbance, Measure, change_of, changes, is_comparable, series_of, traits,
};
use crate::statistics::Summary;

/// Version of the JSON form of [`History`].
pub const SCHEMA: &str = "mlxk-bench-history/1";

/// A report with the name of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Name of the file.
    pub name: String,
    /// The report.
    pub report: Value,
}

/// Courses of all figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Tracks in the order of their first reports.
    pub tracks: Vec<Track>,
}

/// Reports of the same work on the same machine, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Track {
    /// Model, or the kind of the report if it has several. If other tracks have the same model and machine, also the
    /// values that separate them: `org/name (threads 1)`.
    pub title: String,
    /// Processor and number of cores.
    pub machine: String,
    pub reports: Vec<Measured>,
    pub courses: Vec<Course>,
}

/// A report of a track.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Name of the file.
    pub name: String,
    /// Start of the benchmark in seconds since 1970, if the report has it.
    pub time: Option<f64>,
    /// Version of `mlxk`.
    pub version: Option<String>,
    /// `true` if other programs or a change of the clock speed disturbed the measurement.
    pub disturbed: bool,
    /// Engines and workloads without figures, each with its error.
    pub failures: Vec<String>,
}

/// Course of a figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Course {
    /// Place in a report: `chat / decode_tokens_per_second`. Ratios to another engine begin with its name.
    pub series: String,
    /// `true` if more is better.
    pub more_is_better: bool,
    /// `true` if the figure is a ratio to another engine, which depends less on the machine.
    pub is_ratio: bool,
    pub points: Vec<Point>,
    /// Change from the last report but one to the last, if both have the figure and neither was disturbed.
    pub change: Option<Change>,
}

/// A figure of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Index of the report.
    pub report: usize,
    pub median: f64,
    pub lower_quartile: f64,
    pub upper_quartile: f64,
    /// `true` for a ratio that its report calls inconclusive, because the measurement was disturbed.
    pub inconclusive: bool,
    /// `true` for a ratio that its report calls not significant.
    pub not_significant: bool,
}

/// Sorts reports into tracks, and follows their figures. Reports without a time are in the order of their names.
pub fn history(mut reports: Vec<Named>) -> History {
    reports.sort_by(|a, b| {
        let time = |it: &Named| it.report["benchmark_time"].as_f64();
        let (first, second) = (time(a), time(b));
        let by_time = match (first, second) {
            (Some(first), Some(second)) => first.total_cmp(&second),
            _ => first.is_some().cmp(&second.is_some()),
        };
        by_time.then_with(|| a.name.cmp(&b.name))
    });
    let mut tracks: Vec<Vec<Named>> = Vec::new();
    for report in reports {
        let is_like = |track: &&mut Vec<Named>| is_comparable(&track[0].report, &report.report);
        match tracks.iter_mut().find(is_like) {
            Some(track) => track.push(report),
            None => tracks.push(vec![report]),
        }
    }
    let mut named: Vec<Track> = tracks.iter().map(|reports| track(reports)).collect();
    let suffixes: Vec<String> = (0..named.len()).map(|at| apart(at, &named, &tracks)).collect();
    for (track, suffix) in named.iter_mut().zip(suffixes) {
        track.title.push_str(&suffix);
    }
    History { schema: SCHEMA, tracks: named }
}

/// Returns what separates a track from others with the same title and machine, for its title.
fn apart(at: usize, tracks: &[Track], reports: &[Vec<Named>]) -> String {
    let is_rival = |&other: &usize| {
        let (own, other_track) = (&tracks[at], &tracks[other]);
        other != at && own.title == other_track.title && own.machine == other_track.machine
    };
    let report = |at: usize| &reports[at][0].report;
    let schema = |at: usize| report(at)["schema"].as_str().unwrap_or_default();
    let rivals: Vec<usize> = (0..tracks.len()).filter(is_rival).collect();
    let mut words = Vec::new();
    if rivals.iter().any(|&other| schema(other) != schema(at)) {
        let kind = schema(at).trim_start_matches("mlxk-bench-").split('/').next();
        words.extend(kind.map(|kind| kind.replace('-', " ")));
    }
    // Reports of another kind have other values.
    let alike = rivals.into_iter().filter(|&other| schema(other) == schema(at));
    let others: Vec<_> = alike.map(|other| traits(report(other))).collect();
    for (name, value) in traits(report(at)) {
        let differs = |other: &Vec<(String, String)>| {
            other.iter().any(|(its_name, its_value)| *its_name == name && *its_value != value)
        };
        if others.iter().any(differs) {
            words.push(format!("{name} {value}"));
        }
    }
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

fn track(reports: &[Named]) -> Track {
    let first = &reports[0].report;
    let machine = &first["machine"];
    let processor = machine["processor"].as_str().filter(|name| !name.is_empty());
    let cores = machine["usable_cores"].as_u64().unwrap_or(0);
    let mut courses: Vec<Course> = Vec::new();
    for (index, Named { report, .. }) in reports.iter().enumerate() {
        let figures = series_of(report).into_iter().map(|(name, samples)| (name, samples, None));
        let ratios = ratios(report)
            .into_iter()
            .map(|it| (it.series, it.of_turns, Some((it.of_medians, it.is_same))));
        let disturbed = Disturbance::of(report).disturbed;
        for (name, samples, ratio) in figures.chain(ratios) {
            let Some(summary) = Summary::of(samples) else { continue };
            let is_ratio = ratio.is_some();
            let differs = ratio.is_some_and(|(_, is_same)| !is_same);
            let point = Point {
                report: index,
                // The ratio that the report states, which is not the median of those of its turns.
                median: ratio.map_or(summary.median, |(of_medians, _)| of_medians),
                lower_quartile: summary.lower_quartile,
                upper_quartile: summary.upper_quartile,
                inconclusive: differs && disturbed && depends_on_pace(&name),
                not_significant: ratio.is_some_and(|(_, is_same)| is_same),
            };
            match courses.iter_mut().find(|course| course.series == name) {
                Some(course) => course.points.push(point),
                None => courses.push(Course {
                    more_is_better: is_ratio || name.ends_with("per_second"),
                    series: name,
                    is_ratio,
                    points: vec![point],
                    change: None,
                }),
            }
        }
    }
    let measured: Vec<Measured> = reports.iter().map(measured).collect();
    if let [.., base, now] = reports
        && let [.., Measured { disturbed: false, .. }, Measured { disturbed: false, .. }] =
            &measured[..]
    {
        add_changes(&mut courses, &base.report, &now.report);
    }
    Track {
        title: title(first),
        machine: format!("{}, {cores} cores", processor.unwrap_or("unknown processor")),
        reports: measured,
        courses,
    }
}

fn measured(named: &Named) -> Measured {
    Measured {
        name: named.name.clone(),
        time: named.report["benchmark_time"].as_f64(),
        version: named.report["version"].as_str().map(str::to_owned),
        disturbed: Disturbance::of(&named.report).disturbed,
        failures: failures(&named.report),
    }
}

/// Returns what has no figures in a comparison of engines, and why.
fn failures(report: &Value) -> Vec<String> {
    let sides = report["sides"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_side = |side: &Value| {
        let title = side["title"].as_str().unwrap_or("an engine").to_owned();
        let whole = side["failure"]["error"].as_str().map(|error| format!("{title}: {error}"));
        let parts = side["failed_workloads"].as_array().map(Vec::as_slice).unwrap_or_default();
        let part = |it: &Value| {
            Some(format!("{title}, {}: {}", it["workload"].as_str()?, it["error"].as_str()?))
        };
        whole.into_iter().chain(parts.iter().filter_map(part)).collect::<Vec<_>>()
    };
    sides.iter().flat_map(of_side).collect()
}

fn title(report: &Value) -> String {
    if let Some(model) = report["mlx_model"].as_str() {
        return model.to_owned();
    }
    let models = report["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = models.iter().filter_map(|model| model["name"].as_str()).collect();
    if names.is_empty() { "kernels".to_owned() } else { names.join(", ") }
}

/// Adds the changes between the last two reports.
fn add_changes(courses: &mut [Course], base: &Value, now: &Value) {
    let mut found = changes(base, now, false).map(|found| found.series).unwrap_or_default();
    let after = ratios(now);
    for base in ratios(base) {
        let now = after.iter().find(|it| it.series == base.series);
        found.extend(
            now.and_then(|now| change_of(&base.series, true, &base.of_turns, &now.of_turns)),
        );
    }
    for course in courses {
        course.change = found.iter().find(|change| change.series == course.series).cloned();
    }
}

/// Returns `true` if other programs and the clock speed change the figure of a series.
fn depends_on_pace(series: &str) -> bool {
    let measure = series.rsplit(" / ").next().unwrap_or(series);
    let measure: Option<Measure> = serde_json::from_value(measure.into()).ok();
    measure.is_none_or(Measure::depends_on_pace)
}

/// The ratio to another engine in one measure.
struct Compared {
    series: String,
    /// Of the medians of both engines.
    of_medians: f64,
    of_turns: Vec<f64>,
    /// `true` if the interval contains 1, so that there is nothing to disturb.
    is_same: bool,
}

/// Returns the ratios to other engines. As in the report, there are none to an engine whose work was not equal.
fn ratios(report: &Value) -> Vec<Compared> {
    let list = |name: &str| report[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let all = list("comparisons")
        .iter()
        .filter(|it| !list("unequal").iter().any(|unequal| unequal["against"] == it["against"]));
    let all: Vec<&Value> = all.collect();
    let one = |it: &&Value| {
        let (against, measure) = (it["against"].as_str()?, it["measure"].as_str()?);
        let is_same = |other: &&&Value| {
            other["against"] == it["against"] && other["workload"] == it["workload"]
        };
        // One fact is one row.
        if let Some(same) = same_fact_as(measure)
            && all.iter().filter(is_same).any(|other| other["measure"] == same.as_str())
        {
            return None;
        }
        let workload = it["workload"].as_str().map(|name| format!("{name} / "));
        let samples = it["ratio"]["pairs"]["samples"].as_array()?;
        let end = |name: &str| it["ratio"]["interval"][name].as_f64();
        let ends = end("low").zip(end("high"));
        Some(Compared {
            series: format!("{against} / {}{measure}", workload.unwrap_or_default()),
            of_medians: it["ratio"]["of_medians"].as_f64()?,
            of_turns: samples.iter().filter_map(Value::as_f64).collect(),
            is_same: ends.is_some_and(|(low, high)| low <= 1.0 && 1.0 <= high),
        })
    };
    all.iter().filter_map(one).collect()
}

/// Returns the name of the measure that states the same fact, which is shown instead.
fn same_fact_as(measure: &str) -> Option<String> {
    // Reports of one model name their measures in words.
    if measure == "prefill" {
        return Some("time to first token".to_owned());
    }
    let measure: Measure = serde_json::from_value(measure.into()).ok()?;
    serde_json::to_value(measure.same_fact_as()?).ok()?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(time: f64, processor: &str, decode: f64) -> Value {
        let samples = [0.99, 1.0, 1.01, 0.995, 1.005].map(|it| it * decode);
        let ratios = samples.map(|it| it / 100.0);
        json!({
            "schema": "mlxk-bench-compare/1", "mlx_model": "m", "benchmark_time": time, "version": "1",
            "machine": {"processor": processor, "usable_cores": 2, "logical_cores": 2},
            "sides": [{"title": "mlxk", "workloads": [{"workload": "chat", "series":
                {"decode_tokens_per_second": {"samples": samples}}}]}],
            "comparisons": [{"against": "Ollama", "workload": "chat", "measure": "decode_tokens_per_second",
                "ratio": {"of_medians": decode / 100.0, "pairs": {"samples": ratios}}}],
        })
    }

    #[test]
    fn reports_of_one_machine_are_a_track_in_the_order_of_time() {
        let named = |name: &str, report: Value| Named { name: name.to_owned(), report };
        let history = history(vec![
            named("late", report(3.0, "x", 80.0)),
            named("other", report(2.0, "y", 50.0)),
            named("early", report(1.0, "x", 100.0)),
        ]);
        let [track, other] = &history.tracks[..] else { panic!("{history:?}") };
        let names: Vec<&str> = track.reports.iter().map(|it| it.name.as_str()).collect();
        assert_eq!((names, other.reports.len()), (vec!["early", "late"], 1));
        let [speed, ratio] = &track.courses[..] else { panic!("{track:?}") };
        assert_eq!(speed.series, "chat / decode_tokens_per_second");
        let medians: Vec<f64> = speed.points.iter().map(|point| point.median).collect();
        assert_eq!(medians, [100.0, 80.0]);
        assert_eq!(ratio.series, "Ollama / chat / decode_tokens_per_second");
        for course in [speed, ratio] {
            let change = course.change.as_ref().unwrap();
            assert!((change.ratio - 0.8).abs() < 1e-9 && change.is_below(0.95), "{change:?}");
        }
        assert!(other.courses.iter().all(|course| course.change.is_none()));
    }

    #[test]
    fn a_fact_is_one_row() {
        let mut facts = report(1.0, "x", 80.0);
        let decode = facts["comparisons"][0].clone();
        let rows: Vec<Value> = [
            "first_token_seconds",
            "prefill_tokens_per_second",
            "total_seconds",
            "decode_tokens_per_second",
        ]
        .map(|measure| {
            let mut row = decode.clone();
            row["measure"] = measure.into();
            row
        })
        .to_vec();
        facts["comparisons"] = rows.into();
        let history = history(vec![Named { name: "a".into(), report: facts }]);
        let ratios = history.tracks[0].courses.iter().filter(|it| it.is_ratio);
        let names: Vec<&str> = ratios.map(|it| it.series.rsplit(" / ").next().unwrap()).collect();
        // The total time has no other row here.
        assert_eq!(names, ["first_token_seconds", "total_seconds", "decode_tokens_per_second"]);
    }

    #[test]
    fn titles_say_what_separates_tracks() {
        let with = |name: &str, threads: Value, context: u64, processor: &str| {
            let mut report = report(1.0, processor, 80.0);
            report["settings"] = json!({"threads": threads, "context": context});
            Named { name: name.to_owned(), report }
        };
        let titles = |reports: Vec<Named>| -> Vec<String> {
            history(reports).tracks.into_iter().map(|track| track.title).collect()
        };
        let two = vec![with("a", 1.into(), 512, "x"), with("b", 2.into(), 512, "x")];
        assert_eq!(titles(two), ["m (threads 1)", "m (threads 2)"]);
        let three = vec![
            with("a", Value::Null, 512, "x"),
            with("b", 2.into(), 512, "x"),
            with("c", 2.into(), 1024, "x"),
        ];
        let mut found = titles(three);
        for title in &mut found {
            // The order of the settings is that of the keys in the JSON.
            assert!(title.contains("context ") && title.contains("threads "), "{title}");
        }
        assert!(found[0].contains("threads by default"), "{found:?}");
        // The machine has a line of its own.
        let machines = vec![with("a", 1.into(), 512, "x"), with("b", 1.into(), 512, "y")];
        assert_eq!(titles(machines), ["m", "m"]);
        let mut kinds = vec![with("a", 1.into(), 512, "x"), with("b", 1.into(), 512, "x")];
        kinds[1].report["schema"] = "mlxk-bench-model/1".into();
        assert_eq!(titles(kinds), ["m (compare)", "m (model)"]);
    }

    #[test]
    fn ratios_are_shown_as_their_reports_do() {
        let ratio_of = |change: &dyn Fn(&mut Value)| {
            let mut changed = report(1.0, "x", 80.0);
            change(&mut changed);
            let history = history(vec![Named { name: "a".into(), report: changed }]);
            let course = history.tracks[0].courses.iter().find(|it| it.is_ratio);
            course.map(|course| course.points[0].inconclusive)
        };
        assert_eq!(ratio_of(&|_| {}), Some(false));
        let busy = |report: &mut Value| report["machine"]["busy_cores"] = 2.0.into();
        assert_eq!(ratio_of(&busy), Some(true));
        let memory = |report: &mut Value| {
            busy(report);
            report["comparisons"][0]["measure"] = "memory_peak_bytes".into();
        };
        assert_eq!(ratio_of(&memory), Some(false));
        let same = |report: &mut Value| {
            busy(report);
            report["comparisons"][0]["ratio"]["interval"] = json!({"low": 0.7, "high": 1.1});
        };
        assert_eq!(ratio_of(&same), Some(false), "the report calls it not significant");
        let unequal = |report: &mut Value| report["unequal"] = json!([{"against": "Ollama"}]);
        assert_eq!(ratio_of(&unequal), None);

        let mut other = report(1.0, "x", 80.0);
        other["comparisons"][0]["ratio"]["of_medians"] = 0.75.into();
        let history = history(vec![Named { name: "a".into(), report: other }]);
        let course = history.tracks[0].courses.iter().find(|it| it.is_ratio).unwrap();
        assert!((course.points[0].median - 0.75).abs() < 1e-9, "the ratio of the medians");
    }
}
