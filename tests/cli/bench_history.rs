//! `mlxk bench history`, with a report that the program wrote on a real machine.

use serde_json::Value;

use crate::bench::report_in;
use crate::bench_compare::read;
use crate::support::{World, streams};

const REPORT: &str = include_str!("../../docs/examples/smollm2-135m.json");

/// Writes the report as if it was measured again a day later, with another speed.
fn later(path: &std::path::Path, days: f64, speed: f64) {
    let mut report: Value = serde_json::from_str(REPORT).unwrap();
    let time = report["benchmark_time"].as_f64().unwrap() + days * 86_400.0;
    report["benchmark_time"] = time.into();
    report["warnings"] = serde_json::json!([]);
    report["machine"]["busy_cores"] = 0.0.into();
    for side in report["sides"].as_array_mut().unwrap() {
        side["series"].as_object_mut().unwrap().remove("other_cores");
    }
    let series = &mut report["sides"][0]["workloads"][0]["series"]["decode_tokens_per_second"];
    for sample in series["samples"].as_array_mut().unwrap() {
        *sample = (sample.as_f64().unwrap() * speed).into();
    }
    std::fs::write(path, report.to_string()).unwrap();
}

#[test]
fn reports_in_a_folder_become_a_history() {
    let world = World::new();
    let folder = world.home.path().join("reports");
    std::fs::create_dir_all(folder.join("new")).unwrap();
    later(&folder.join("b.json"), 0.0, 1.0);
    later(&folder.join("new/a.json"), 1.0, 0.5);
    std::fs::write(folder.join("other.json"), "{\"some\": 1}").unwrap();
    std::fs::write(folder.join("broken.json"), "{").unwrap();
    std::fs::write(folder.join("new.json"), "{\"schema\": \"mlxk-bench-compare/2\"}").unwrap();
    let (page, data) = (folder.join("page.html"), folder.join("history.json"));
    let files = [page.to_str().unwrap(), data.to_str().unwrap()];
    let folder = folder.to_str().unwrap();
    let arguments = ["bench", "history", folder, "--output", files[0], "--output", files[1]];
    let (text, notes) = streams(&world.mlxk(&arguments).assert().success());
    assert!(text.contains("2, from b (") && text.contains("to new/a ("), "{text}");
    let line = text.lines().find(|line| line.starts_with("chat: decode ")).unwrap();
    assert!(line.contains("0.50") && line.ends_with("worse"), "{line}");
    assert!(notes.contains("broken.json` is left out: invalid JSON"), "{notes}");
    assert!(notes.contains("new.json` is left out: a newer mlxk wrote it"), "{notes}");
    assert!(!notes.contains("other.json"), "{notes}");
    // One fact is one row, as a ratio, too.
    let rows = |name: &str| text.lines().filter(|line| line.contains(name)).count();
    assert!(rows("first token, warm, as a ratio") > 0, "{text}");
    assert_eq!((rows("prefill, as a ratio"), rows("total time, as a ratio")), (0, 0), "{text}");
    let history = read(files[1]);
    let track = &history["tracks"][0];
    assert_eq!(track["reports"].as_array().unwrap().len(), 2);
    let page = std::fs::read_to_string(files[0]).unwrap();
    let courses = track["courses"].as_array().unwrap().len();
    assert_eq!(page.matches("<figure>").count(), courses);
    assert_eq!(page.matches("<circle").count(), 2 * courses);
    // The files of the first run are not reports.
    let (again, _) =
        streams(&world.mlxk(&["bench", "history", folder, "--html"]).assert().success());
    assert_eq!(again, page);
    let (json, _) =
        streams(&world.mlxk(&["bench", "history", folder, "--json"]).assert().success());
    assert_eq!(report_in(&json), history);
    let empty = world.home.path().join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    let (_, error) = streams(&world.mlxk(&["bench", "history", empty]).assert().failure());
    assert!(error.contains("has no reports; write one with `mlxk bench --output"), "{error}");
}

#[test]
fn what_a_history_cannot_show_is_told() {
    let world = World::new();
    let folder = world.home.path().join("reports");
    std::fs::create_dir_all(&folder).unwrap();
    let mut report: Value = serde_json::from_str(REPORT).unwrap();
    report["sides"][1]["failure"] = serde_json::json!({"error": "out of memory"});
    std::fs::write(folder.join("one.json"), report.to_string()).unwrap();
    let words = ["bench", "history", folder.to_str().unwrap()];
    let (text, _) = streams(&world.mlxk(&words).assert().success());
    let line = text.lines().find(|line| line.starts_with("chat: decode ")).unwrap();
    assert!(line.ends_with("only one report"), "{line}");
    assert!(
        text.contains("`one` has no figures of ") && text.contains(": out of memory"),
        "{text}"
    );
    for side in report["sides"].as_array_mut().unwrap() {
        side["failure"] = serde_json::json!({"error": "gone"});
        side["workloads"] = serde_json::json!([]);
        side["series"] = serde_json::json!({});
    }
    report["comparisons"] = serde_json::json!([]);
    std::fs::write(folder.join("one.json"), report.to_string()).unwrap();
    let (text, _) = streams(&world.mlxk(&words).assert().success());
    assert!(text.contains("No report has figures.") && text.contains(": gone"), "{text}");
}
