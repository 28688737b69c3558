//! Whether there is memory for a model.

use serde_json::json;

use crate::doctor::{Check, Environment, Line};
use crate::format::size;

/// A small model with its context takes as much.
const LEAST_BYTES: u64 = 1_000_000_000;

pub(super) const CHECK: Check =
    Check { id: "memory", about: "how much memory is there, and free", slow: false, run };

fn run(_: &Environment<'_>) -> Vec<Line> {
    let (total, available) = (mlxk_memory::total_bytes(), mlxk_memory::available_bytes());
    let data = json!({"total_bytes": total, "available_bytes": available});
    let line = match (total, available) {
        (Some(total), Some(available)) if available < LEAST_BYTES => {
            Line::warning(format!("{} are available of {}", size(available), size(total)))
                .fix("Close other programs, or unload models: `mlxk stop NAME`, `ollama stop NAME`")
        }
        (Some(total), Some(available)) => {
            Line::ok(format!("{} are available of {}", size(available), size(total)))
        }
        _ => Line::ok("The system does not say how much memory there is"),
    };
    vec![line.data(data)]
}
