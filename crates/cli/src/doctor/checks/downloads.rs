//! Checks for unfinished downloads and unused files.

use std::time::SystemTime;

use mlxk_hub::UnusedKind;
use serde_json::json;

use crate::doctor::{Check, Environment, Line, Repair};
use crate::format::size;

pub(super) const CHECK: Check =
    Check { id: "downloads", about: "unfinished downloads and unused files", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let unused = match mlxk_hub::unused(&environment.settings.locations, SystemTime::now()) {
        Ok(unused) => unused,
        Err(error) => return vec![Line::hub(&error)],
    };
    let mut lines: Vec<Line> = unused
        .busy
        .iter()
        .map(|name| Line::ok(format!("Another program is working on `{name}`")))
        .collect();
    let count = |kind| unused.items.iter().filter(|item| item.kind == kind).count();
    let kinds = [
        (count(UnusedKind::Partial), "stale downloads"),
        (count(UnusedKind::Blob), "unreferenced files"),
        (count(UnusedKind::Snapshot), "detached revisions"),
    ];
    let words: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what} ({count})"))
        .collect();
    let bytes = unused.bytes();
    let data = json!({"unused": unused.items.len(), "unused_bytes": bytes, "busy": unused.busy});
    lines.push(if words.is_empty() {
        Line::ok("No unused files in the model cache").data(data)
    } else {
        let text = format!("{} unused in the model cache: {}", size(bytes), words.join(", "));
        Line::warning(text).fix("mlxk rm --unused").data(data)
    });
    lines.extend(mlxk_hub::workspace::unfinished(&environment.settings.locations).iter().map(
        |folder| {
            let folder = folder.display();
            let text = format!("An interrupted `convert` or `clone` left `{folder}`");
            Line::warning(text)
                .fix(format!("rm -r '{folder}' (the next `convert` does it, too)"))
                .repair(Repair::Leftovers)
        },
    ));
    lines
}
