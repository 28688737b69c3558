//! Whether the configuration makes sense.

use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check = Check {
    id: "config",
    about: "the configuration file, and the variables that stand in for it",
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
            Line::ok(format!("`{path}` makes sense; `mlxk config` shows what holds"))
        }
        None => Line::ok(format!("`{path}` does not exist, and need not")),
    };
    vec![line.data(data)]
}
