//! Whether the hub can be reached, where that may be tried.

use std::time::Duration;

use mlxk_hub::HubSettings;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

/// Silence after which a hub counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const CHECK: Check =
    Check { id: "hub", about: "the model hub; asked only with --online", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let hub = &environment.settings.hub;
    let token = hub.token.as_ref().map(|token| token.source.clone());
    let with = token.as_ref().map(|source| format!(" with the token from {source}"));
    let with = with.unwrap_or_default();
    let endpoint = &hub.endpoint;
    let mut data = json!({"endpoint": endpoint, "token": token, "offline": hub.offline});
    let line = if hub.offline {
        Line::ok(format!("{endpoint} is not asked: `HF_HUB_OFFLINE` or the configuration says so"))
    } else if !environment.online {
        Line::ok(format!("{endpoint} is not asked{with}; `mlxk doctor --online` does"))
    } else {
        environment.reporter.stage("Asking the hub");
        let settings = HubSettings { stall_timeout: PATIENCE, ..hub.clone() };
        match mlxk_hub::ping(&settings, environment.reporter) {
            Ok(time) => {
                data["answered_after_s"] = json!(time.as_secs_f64());
                Line::ok(format!("{endpoint} answers{with} after {} ms", time.as_millis()))
            }
            Err(error) => Line::hub(&error),
        }
    };
    vec![line.data(data)]
}
