//! Checks Python, which fetches `pypi:` models.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::doctor::{Check, Environment, Line, programs};

const PATIENCE: Duration = Duration::from_secs(20);
/// Prints the versions of packages without importing them.
const SCRIPT: &str = "\
import json, sys
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except Exception:
        return None
names = ['pip', 'mlx', 'mlx-lm', 'mlx-vlm', 'mlx-knife', 'huggingface-hub']
print(json.dumps({'version': sys.version.split()[0], 'packages': {n: version(n) for n in names}}))";

pub(super) const CHECK: Check = Check {
    id: "python",
    about: "Python, pip, MLX packages and virtual environments",
    slow: false,
    run,
};

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let mut lines = vec![interpreter(environment)];
    let around = &environment.around;
    if let Some(folder) = &around.virtual_env {
        let path = folder.display();
        lines.push(if folder.join("pyvenv.cfg").is_file() {
            Line::ok(format!("The virtual environment `{path}` is active"))
        } else {
            Line::warning(format!("`VIRTUAL_ENV` is `{path}`, which is not a virtual environment"))
                .fix("unset VIRTUAL_ENV, or activate another one")
        });
    } else if around.folder.join(".venv").join("pyvenv.cfg").is_file() {
        lines.push(Line::ok("The virtual environment `.venv` of this folder is not active"));
    }
    lines
}

fn interpreter(environment: &Environment<'_>) -> Line {
    let configured = environment.settings.locations.python.clone();
    let is_configured = configured.is_some();
    let found: Vec<PathBuf> = match configured {
        Some(path) if path.components().count() > 1 => vec![path],
        Some(name) => programs::find(&name.to_string_lossy(), &environment.around.search_path),
        None => ["python3", "python", "py"]
            .iter()
            .flat_map(|name| programs::find(name, &environment.around.search_path))
            .collect(),
    };
    let asked = found.into_iter().find_map(|path| {
        let said = programs::ask(&path, &["-c", SCRIPT], PATIENCE)?;
        Some((path, serde_json::from_str::<Value>(&said).ok()?))
    });
    let Some((path, said)) = asked else {
        return if is_configured {
            Line::broken("The configured Python does not start")
                .fix("Fix or unset `MLXK_PYTHON`; `mlxk config` shows where it is set")
        } else {
            Line::warning("No Python found; `pypi:` models need it, and so does the starter model")
                .fix("Install Python 3 with pip, or pull models from the hub: `mlxk pull NAME`")
        };
    };
    let packages = said["packages"].as_object().into_iter().flatten();
    let others: Vec<String> = packages
        .filter(|(name, _)| *name != "pip")
        .filter_map(|(name, version)| Some(format!("{name} {}", version.as_str()?)))
        .collect();
    let others = if others.is_empty() {
        "no MLX packages (mlxk doesn't need them)".to_owned()
    } else {
        others.join(", ")
    };
    let version = said["version"].as_str().unwrap_or_default();
    let shown = path.display();
    let line = match said["packages"]["pip"].as_str() {
        Some(pip) => Line::ok(format!("Python {version} is `{shown}`, pip {pip}; {others}")),
        None => Line::warning(format!(
            "Python {version}, `{shown}`, has no pip, which `pypi:` models need; {others}"
        ))
        .fix(format!("{shown} -m ensurepip (or install your system's `python3-pip` package)")),
    };
    line.data(json!({"path": path, "python": said}))
}
