//! Checks the available memory.

use serde_json::json;

use crate::doctor::{Check, Environment, Line};
use crate::format::size;

/// Memory of a small model with its context.
const LEAST_BYTES: u64 = 1_000_000_000;

pub(super) const CHECK: Check =
    Check { id: "memory", about: "total and available memory", slow: false, run };

fn run(_: &Environment<'_>) -> Vec<Line> {
    let (total, available) = (mlxk_memory::total_bytes(), mlxk_memory::available_bytes());
    let data = json!({"total_bytes": total, "available_bytes": available});
    let line = match (total, available) {
        (Some(total), Some(available)) if available < LEAST_BYTES => {
            Line::warning(format!("{} of {} available", size(available), size(total)))
                .fix("Close other programs, or unload models: `mlxk stop NAME`, `ollama stop NAME`")
        }
        (Some(total), Some(available)) => {
            Line::ok(format!("{} of {} available", size(available), size(total)))
        }
        _ => Line::ok("The system does not report its memory"),
    };
    vec![line.data(data)]
}
