//! Checks if the hub is reachable, with `--online`.

use std::time::Duration;

use mlxk_hub::HubSettings;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

/// Time without data after which the hub counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const CHECK: Check =
    Check { id: "hub", about: "the model hub (contacted only with --online)", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let hub = &environment.settings.hub;
    let token = hub.token.as_ref().map(|token| token.source.clone());
    let with = token.as_ref().map(|source| format!(" with the token from {source}"));
    let with = with.unwrap_or_default();
    let endpoint = &hub.endpoint;
    let mut data = json!({"endpoint": endpoint, "token": token, "offline": hub.offline});
    let line = if hub.offline {
        Line::ok(format!("{endpoint} was not contacted: offline mode is on"))
    } else if !environment.online {
        Line::ok(format!("{endpoint} was not contacted; `mlxk doctor --online` does that{with}"))
    } else {
        environment.reporter.stage("Contacting the hub");
        let settings = HubSettings { stall_timeout: PATIENCE, ..hub.clone() };
        match mlxk_hub::ping(&settings, environment.reporter) {
            Ok(time) => {
                data["answered_after_s"] = json!(time.as_secs_f64());
                Line::ok(format!("{endpoint} answers after {} ms{with}", time.as_millis()))
            }
            Err(error) => Line::hub(&error),
        }
    };
    vec![line.data(data)]
}
