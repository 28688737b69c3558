//! Checks that the folders for models are writable and have space.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::doctor::{Check, Environment, Line};
use crate::format::size;

/// Free space below which few models fit.
const LEAST_BYTES: u64 = 2_000_000_000;
/// Free space below which not even settings fit.
const FULL_BYTES: u64 = 10_000_000;

pub(super) const CHECK: Check =
    Check { id: "disk", about: "folders for models: free space and permissions", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let locations = &environment.settings.locations;
    vec![
        folder(&locations.hf_hub_cache, "The model cache", "HF_HUB_CACHE"),
        folder(&locations.data_dir, "The data folder", "XDG_DATA_HOME"),
    ]
}

/// Checks a folder, which may not exist yet.
fn folder(path: &Path, what: &str, variable: &str) -> Line {
    let shown = path.display();
    let elsewhere = format!("Fix that, or set `{variable}` to another folder");
    let existing = nearest(path);
    let data = |free: Option<u64>| json!({"path": path, "free_bytes": free});
    if !existing.is_dir() {
        let text =
            format!("{what} `{shown}` is unusable: `{}` is not a folder", existing.display());
        return Line::broken(text).fix(elsewhere).data(data(None));
    }
    let free = mlxk_hub::free_bytes(&existing).ok();
    if let Err(error) = std::fs::read_dir(&existing) {
        let text = format!("{what} `{shown}` is not readable: {error}");
        return Line::broken(text).fix(elsewhere).data(data(free));
    }
    let written = tempfile::tempfile_in(&existing).and_then(|mut file| file.write_all(&[1; 4096]));
    let is_full = match &written {
        Ok(()) => free.is_some_and(|free| free < FULL_BYTES),
        Err(error) => error.kind() == ErrorKind::StorageFull,
    };
    if is_full {
        let left = size(free.unwrap_or_default());
        let text = format!("The disk of {} `{shown}` is full: {left} free", lower(what));
        return Line::broken(text).fix(make_room()).data(data(free));
    }
    if let Err(error) = written {
        let text = format!("{what} `{shown}` is not writable: {error}");
        return Line::broken(text).fix(elsewhere).data(data(free));
    }
    let room = free.map_or_else(String::new, |free| format!(": {} free", size(free)));
    let line = match free {
        Some(free) if free < LEAST_BYTES => {
            Line::warning(format!("{what} `{shown}` has little space{room}")).fix(make_room())
        }
        _ => Line::ok(format!("{what} is `{shown}`{room}")),
    };
    line.data(data(free))
}

fn make_room() -> String {
    "mlxk rm --unused, or mlxk rm NAME".to_owned()
}

fn lower(what: &str) -> String {
    what.replacen("The ", "the ", 1)
}

/// Returns the path, or its nearest parent that exists.
fn nearest(path: &Path) -> PathBuf {
    let exists = |path: &&Path| path.symlink_metadata().is_ok();
    path.ancestors().find(exists).unwrap_or(path).to_owned()
}
