//! Changes between two JSON reports of this program.

use serde::Serialize;
use serde_json::{Map, Value};

use super::run::SAME_MEMORY_BYTES;
use crate::statistics::{CONFIDENCE, Interval, Summary, shift_interval};

/// A series that both reports contain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Place in the report: `chat / decode_tokens_per_second`.
    pub series: String,
    /// Median in the first report.
    pub base: f64,
    /// Median in the second report.
    pub now: f64,
    /// Above 1 if the second report is better, whether more or less of the measure is better.
    pub ratio: f64,
    /// Confidence interval of the ratio.
    pub interval: Interval,
}

impl Change {
    /// Returns `true` if there are enough samples for an interval with the usual confidence.
    pub fn is_decisive(&self) -> bool {
        !self.interval.is_unknown() && self.interval.confidence >= CONFIDENCE
    }

    /// Returns `true` if other programs and the clock speed change the figure. Amounts of memory don't depend on them.
    pub fn depends_on_pace(&self) -> bool {
        !self.series.ends_with("bytes")
    }

    /// Returns `true` if the second report is certainly worse, and worse than this share of the
    /// first.
    pub fn is_below(&self, share: f64) -> bool {
        self.interval.is_below(self.ratio, share)
    }
}

/// Reason that two reports cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    #[error(
        "The reports have different formats, `{first}` and `{second}`; compare two that the same \
         command wrote"
    )]
    Schemas { first: String, second: String },
    #[error(
        "The reports measured different work: {what} is `{first}` in the first and `{second}` in the second{}",
        if *is_setting { "; to compare these settings, add `--unequal`" } else { "" }
    )]
    Unequal {
        what: String,
        first: String,
        second: String,
        /// `true` if only a setting differs.
        is_setting: bool,
    },
    #[error("The reports have no figures of the same model and work in common")]
    Nothing,
}

/// Returns `true` if `mlxk bench` wrote the report.
pub fn is_report(report: &Value) -> bool {
    report["schema"].as_str().is_some_and(|schema| schema.starts_with("mlxk-bench-"))
}

/// Values that must be equal: their place in a report and their name in the error.
const ALIKE: [(&str, &str); 8] = [
    ("/machine/instructions", "the instruction sets of the processor"),
    ("/machine/processor", "the processor"),
    ("/machine/usable_cores", "the number of cores"),
    ("/limits/threads", "the number of threads"),
    ("/settings", "the settings"),
    ("/options/workloads", "the workload"),
    ("/mlx_model", "the model"),
    ("/sides/0/weights/file_bytes", "the size of the weights"),
];

/// The values among [`ALIKE`] that are settings of the same program, model and work.
const SETTINGS: [&str; 2] = ["/limits/threads", "/settings"];

/// Changes between two reports, and how their settings differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Changes of the series that are in both reports.
    pub series: Vec<Change>,
    /// A sentence for each setting that differs.
    pub settings: Vec<String>,
    /// Places of the series that only the first report has.
    pub missing: Vec<String>,
}

/// Returns the changes of our side's series that are in both reports. `unequal` allows settings
/// that differ.
pub fn changes(base: &Value, now: &Value, unequal: bool) -> Result<Changes, ChangeError> {
    let mut settings = Vec::new();
    let schema = |report: &Value| report["schema"].as_str().unwrap_or("none").to_owned();
    if schema(base) != schema(now) || !schema(base).starts_with("mlxk-bench-") {
        return Err(ChangeError::Schemas { first: schema(base), second: schema(now) });
    }
    for (place, what) in ALIKE {
        let (first, second) = (base.pointer(place), now.pointer(place));
        // Older reports don't name the instruction sets.
        let is_new = place == "/machine/instructions";
        let is_known = !is_new || first.is_some() && second.is_some();
        if is_known && first != second {
            let (first, second) = (first.unwrap_or(&Value::Null), second.unwrap_or(&Value::Null));
            if unequal && SETTINGS.contains(&place) {
                settings.extend(unlike_settings(what, first, second));
                continue;
            }
            let is_setting = SETTINGS.contains(&place);
            let (place, first, second) = difference(first, second);
            let what = match place.as_str() {
                "" => what.to_owned(),
                place => format!("`{place}` of {what}"),
            };
            let shown = if is_setting { shown_setting } else { shown };
            let (first, second) = (shown(first), shown(second));
            return Err(ChangeError::Unequal { what, first, second, is_setting });
        }
    }
    let (before, after) = (series_of(base), series_of(now));
    let (mut series, mut missing) = (Vec::new(), Vec::new());
    for (name, base) in before {
        match after.iter().find(|(found, now)| *found == name && !now.is_empty()) {
            Some((_, now)) => {
                series.extend(change_of(&name, name.ends_with("per_second"), &base, now));
            }
            // Without samples there was nothing to lose.
            None if base.is_empty() => {}
            None => missing.push(name),
        }
    }
    if series.is_empty() {
        return Err(ChangeError::Nothing);
    }
    Ok(Changes { series, settings, missing })
}

/// Returns `true` if two reports are about the same work on the same machine.
pub(crate) fn is_comparable(base: &Value, now: &Value) -> bool {
    matches!(changes(base, now, false), Ok(_) | Err(ChangeError::Nothing))
}

/// Returns the settings and the other values of a report that must be equal, each with its name for people.
pub(crate) fn traits(report: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (place, _) in ALIKE {
        if let Some(value) = report.pointer(place) {
            let name = place.rsplit('/').next().unwrap_or(place);
            add_traits(name, value, &mut found);
        }
    }
    found
}

fn add_traits(name: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| add_traits(name, value, found));
        }
        Value::Array(items) => {
            found.push((name.replace('_', " "), shown(value)));
            for item in items {
                let owner = item["name"].as_str().unwrap_or(name);
                for (name, value) in item.as_object().into_iter().flatten() {
                    add_traits(&format!("{name} of {owner}"), value, found);
                }
            }
        }
        Value::Null => found.push((name.replace('_', " "), "by default".to_owned())),
        value => found.push((name.replace('_', " "), shown(value))),
    }
}

/// Returns a sentence for each setting that differs.
fn unlike_settings(what: &str, first: &Value, second: &Value) -> Vec<String> {
    let told = |what: &str, first: &Value, second: &Value| {
        let (first, second) = (shown_setting(first), shown_setting(second));
        format!("{what} is {first} in the first report and {second} in the second")
    };
    let (Value::Object(a), Value::Object(b)) = (first, second) else {
        let what = what.strip_prefix("the ").unwrap_or(what);
        return vec![told(&format!("The {what}"), first, second)];
    };
    let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
    let of = |map: &Map<String, Value>, name: &str| map.get(name).cloned().unwrap_or_default();
    let pairs = names.map(|name| (name, of(a, name), of(b, name)));
    let unlike = pairs.filter(|(_, first, second)| first != second);
    unlike.map(|(name, a, b)| told(&format!("The setting `{name}`"), &a, &b)).collect()
}

/// Returns the first place at which two values differ, such as `prompt.text`, and what is there.
fn difference<'a>(first: &'a Value, second: &'a Value) -> (String, &'a Value, &'a Value) {
    let inside = |name: &str, first: &'a Value, second: &'a Value| {
        let (place, first, second) = difference(first, second);
        let place = if place.is_empty() { name.to_owned() } else { format!("{name}.{place}") };
        (place, first, second)
    };
    match (first, second) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            let of =
                |map: &'a Map<String, Value>, name: &str| map.get(name).unwrap_or(&Value::Null);
            let mut pairs = names.map(|name| (name, of(a, name), of(b, name)));
            match pairs.find(|(_, first, second)| first != second) {
                Some((name, first, second)) => inside(name, first, second),
                None => (String::new(), first, second),
            }
        }
        (Value::Array(a), Value::Array(b)) if names(a) == names(b) => {
            let pairs = a.iter().zip(b).enumerate();
            match pairs.into_iter().find(|(_, (first, second))| first != second) {
                Some((index, (first, second))) => {
                    let name = first["name"].as_str().map(str::to_owned);
                    inside(&name.unwrap_or_else(|| (index + 1).to_string()), first, second)
                }
                None => (String::new(), first, second),
            }
        }
        _ => (String::new(), first, second),
    }
}

/// Returns the names of the items of a list.
fn names(items: &[Value]) -> Vec<Option<&str>> {
    items.iter().map(|item| item["name"].as_str()).collect()
}

/// Returns a value as people write it, shortened. A list is given by the names in it.
fn shown(value: &Value) -> String {
    const MAX: usize = 60;
    let name = |item: &Value| item["name"].as_str().unwrap_or("?").to_owned();
    let text = match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(name).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the value of a setting. One that was left to its default has none.
fn shown_setting(value: &Value) -> String {
    if value.is_null() { "default".to_owned() } else { shown(value) }
}

/// Returns the change of a series, if there are samples.
pub(crate) fn change_of(
    name: &str,
    more_is_better: bool,
    base: &[f64],
    now: &[f64],
) -> Option<Change> {
    let (above, below) = if more_is_better { (now, base) } else { (base, now) };
    let mut interval = shift_interval(above, below, CONFIDENCE)?;
    let median = |samples: &[f64]| Some(Summary::of(samples.to_vec())?.median);
    let ratio = median(above)? / median(below)?;
    let (base, now) = (median(base)?, median(now)?);
    if name.contains("memory") && (base - now).abs() < SAME_MEMORY_BYTES {
        interval.include_one();
    }
    Some(Change { series: name.to_owned(), base, now, ratio, interval })
}

/// Returns all series that can get better or worse, each with its place.
pub(crate) fn series_of(report: &Value) -> Vec<(String, Vec<f64>)> {
    let mut found = Vec::new();
    let parts = match report.get("sides") {
        Some(sides) => vec![&sides[0]],
        None => ["models", "rows"].iter().filter_map(|name| report.get(name)).collect(),
    };
    for part in parts {
        collect(part, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(value: &Value, place: &mut Vec<String>, found: &mut Vec<(String, Vec<f64>)>) {
    if let Some(samples) = value.get("samples").and_then(Value::as_array) {
        if place.last().is_some_and(|name| is_merit(name)) {
            let samples = samples.iter().filter_map(Value::as_f64).collect();
            found.push((place.join(" / "), samples));
        }
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if repeats(name).iter().any(|same| fields.contains_key(*same)) {
                    continue;
                }
                let skip = matches!(name.as_str(), "series" | "workloads" | "decode");
                if !skip {
                    place.push(name.clone());
                }
                collect(value, place, found);
                if !skip {
                    place.pop();
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                place.push(label(value));
                collect(value, place, found);
                place.pop();
            }
        }
        _ => {}
    }
}

/// Returns the names of series that state the same fact as this one.
fn repeats(name: &str) -> &'static [&'static str] {
    match name {
        "total_seconds" => &["effective_tokens_per_second"],
        "prefill_tokens_per_second" => &["first_token_seconds", "time_to_first_token_seconds"],
        _ => &[],
    }
}

/// Returns the name that tells an item of a list from the others.
fn label(value: &Value) -> String {
    let text = |name: &str| match &value[name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(format!("{name} {number}")),
        _ => None,
    };
    let words = ["workload", "name", "context", "mode", "out", "cols", "rows"];
    words.iter().filter_map(|name| text(name)).collect::<Vec<_>>().join(", ")
}

/// Returns `true` if the name belongs to a measure that can get better or worse.
fn is_merit(name: &str) -> bool {
    let native = name.starts_with("native_");
    !native && (name.ends_with("seconds") || name.ends_with("per_second"))
        || name == "memory_peak_bytes"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(decode: [f64; 5], load: [f64; 5]) -> Value {
        let series =
            |samples: [f64; 5]| serde_json::to_value(Summary::of(samples.to_vec())).unwrap();
        json!({
            "schema": "mlxk-bench-compare/1", "mlx_model": "m",
            "machine": {"processor": "x", "usable_cores": 2},
            "sides": [
                {"title": "mlxk", "series": {"load_seconds": series(load)},
                 "workloads": [{"workload": "chat", "response": "Hi", "series":
                    {"decode_tokens_per_second": series(decode), "response_tokens": series(load)}}]},
                {"title": "Ollama", "series": {"load_seconds": series(load)}, "workloads": []},
            ],
        })
    }

    fn of(base: &Value, now: &Value) -> Result<Vec<Change>, ChangeError> {
        changes(base, now, false).map(|found| found.series)
    }

    const STEADY: [f64; 5] = [100.0, 101.0, 99.0, 100.5, 99.5];

    #[test]
    fn a_tenth_less_is_found_and_nothing_else() {
        let load = [1.0, 1.01, 0.99, 1.0, 1.02];
        let base = report(STEADY, load);
        let found = of(&base, &report(STEADY.map(|it| it * 0.9), load)).unwrap();
        let names: Vec<_> = found.iter().map(|change| change.series.as_str()).collect();
        assert_eq!(names, ["load_seconds", "chat / decode_tokens_per_second"]);
        assert!(!found[0].is_below(0.95) && found[1].is_below(0.95), "{found:?}");
        assert!((found[1].ratio - 0.9).abs() < 1e-9);
        // More time is worse, too.
        let found = of(&base, &report(STEADY, load.map(|it| it * 1.2))).unwrap();
        assert!(found[0].is_below(0.95) && !found[1].is_below(0.95), "{found:?}");
        // A loss within the allowed share passes.
        let found = of(&base, &report(STEADY.map(|it| it * 0.97), load)).unwrap();
        assert!(found.iter().all(|change| !change.is_below(0.95)), "{found:?}");
    }

    #[test]
    fn unequal_work_is_refused_by_name() {
        let base = report(STEADY, STEADY);
        let mut other = base.clone();
        other["machine"]["processor"] = "y".into();
        let told = of(&base, &other).unwrap_err().to_string();
        assert!(told.contains("the processor is `x` in"), "{told}");
        let with = |workloads: Value| {
            let mut report = base.clone();
            report["options"] = json!({"workloads": workloads});
            report
        };
        let chat = |prompt: &str| json!([{"name": "chat", "prompt": {"text": prompt}}]);
        let told = of(&with(chat("a")), &with(chat("b"))).unwrap_err().to_string();
        assert!(told.contains("`chat.prompt.text` of the workload is `a` in"), "{told}");
        let more = json!([{"name": "chat"}, {"name": "code"}]);
        let told = of(&with(chat("a")), &with(more)).unwrap_err().to_string();
        assert!(told.contains("the workload is `chat` in the first and `chat, code`"), "{told}");
        other = base.clone();
        other["schema"] = "mlxk-bench-model/1".into();
        assert!(matches!(of(&base, &other), Err(ChangeError::Schemas { .. })));
        assert!(matches!(of(&json!({}), &json!({})), Err(ChangeError::Schemas { .. })));
        other = base.clone();
        other["sides"] = json!([{"title": "mlxk"}]);
        assert!(matches!(of(&base, &other), Err(ChangeError::Nothing)));
    }

    #[test]
    fn settings_may_differ_if_that_is_wanted() {
        let with = |threads: u64, model: &str| {
            let mut report = report(STEADY, STEADY);
            report["settings"] = json!({"threads": threads, "context": 512});
            report["mlx_model"] = model.into();
            report
        };
        let told = of(&with(1, "m"), &with(2, "m")).unwrap_err().to_string();
        assert!(told.contains("`threads` of the settings is `1`"), "{told}");
        assert!(told.ends_with("add `--unequal`"), "{told}");
        let found = changes(&with(1, "m"), &with(2, "m"), true).unwrap();
        assert_eq!(
            found.settings,
            ["The setting `threads` is 1 in the first report and 2 in the second"]
        );
        assert_eq!(found.series.len(), 2);
        // Another model is never the same work.
        let told = changes(&with(1, "m"), &with(2, "n"), true).unwrap_err().to_string();
        assert!(told.contains("the model is `m`") && !told.contains("--unequal"), "{told}");
    }
}
