//! Whether downloads were left behind.

use std::time::SystemTime;

use mlxk_hub::UnusedKind;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};
use crate::format::size;

pub(super) const CHECK: Check = Check {
    id: "downloads",
    about: "downloads that go on, that were given up, and what they left",
    slow: false,
    run,
};

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let unused = match mlxk_hub::unused(&environment.settings.locations, SystemTime::now()) {
        Ok(unused) => unused,
        Err(error) => return vec![Line::hub(&error)],
    };
    let mut lines: Vec<Line> = unused
        .busy
        .iter()
        .map(|name| Line::ok(format!("Another program works on `{name}` now, and holds its locks")))
        .collect();
    let count = |kind| unused.items.iter().filter(|item| item.kind == kind).count();
    let kinds = [
        (count(UnusedKind::Partial), "downloads that were given up"),
        (count(UnusedKind::Blob), "files that belong to no model"),
        (count(UnusedKind::Snapshot), "revisions that nothing leads to"),
    ];
    let words: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what} ({count})"))
        .collect();
    let bytes = unused.bytes();
    let data = json!({"unused": unused.items.len(), "unused_bytes": bytes, "busy": unused.busy});
    lines.push(if words.is_empty() {
        Line::ok("Nothing was left behind in the model cache").data(data)
    } else {
        let text = format!("Left behind in the model cache, {}: {}", size(bytes), words.join(", "));
        Line::warning(text).fix("mlxk rm --unused").data(data)
    });
    lines
}
