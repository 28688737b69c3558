//! Checks the configuration.

use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check = Check {
    id: "config",
    about: "the configuration file and environment variables",
    slow: false,
    run,
};

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let config = &environment.settings.config;
    let data = json!({"path": config.path, "exists": config.path.exists()});
    let path = config.path.display();
    let line = match environment.misconfigured {
        Some(error) => Line::broken(error.to_string()).fix(error.hint()),
        None if config.path.exists() => {
            Line::ok(format!("`{path}` is valid; `mlxk config` shows the settings in effect"))
        }
        None => Line::ok(format!("No configuration file (`{path}`); using defaults")),
    };
    vec![line.data(data)]
}
