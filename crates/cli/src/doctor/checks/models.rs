//! Whether the models on this machine are whole.

use mlxk_hub::ModelInfo;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};
use crate::look;

/// Damaged models that get a line each.
const MOST: usize = 8;

pub(super) const CHECK: Check =
    Check { id: "models", about: "the models: whole, damaged, cut off", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let locations = &environment.settings.locations;
    environment.reporter.stage("Looking at the models");
    let models = match mlxk_hub::list(locations, look::thorough()) {
        Ok(models) => models,
        Err(error) => return vec![Line::hub(&error)],
    };
    let whole = models.iter().filter(|model| model.health.is_healthy()).count();
    let runs = models.iter().filter(|model| model.is_usable()).count();
    let damaged: Vec<&ModelInfo> =
        models.iter().filter(|model| !model.health.is_healthy()).collect();
    let mut lines: Vec<Line> = damaged.iter().take(MOST).map(|model| line(model)).collect();
    if damaged.len() > MOST {
        let text = format!("{} more models are not whole", damaged.len() - MOST);
        lines.push(Line::broken(text).fix("mlxk health"));
    }
    for name in mlxk_hub::derived_names(locations) {
        if let Err(error) = mlxk_hub::derived(&name, locations) {
            lines.push(Line::hub(&error).fix(format!("mlxk rm {name}")));
        }
    }
    let summary = if models.is_empty() {
        "There are no models yet; `mlxk run smollm2 \"…\"` fetches the starter model".to_owned()
    } else {
        format!("Models here: {}; whole: {whole}; such as run here: {runs}", models.len())
    };
    let data = json!({"models": models.len(), "whole": whole, "run": runs});
    lines.insert(0, Line::ok(summary).data(data));
    lines
}

fn line(model: &ModelInfo) -> Line {
    let name = &model.name;
    let line = Line::broken(format!("`{name}` is not whole: {}", model.health.reason()));
    let repair = model.health.errors().find_map(|finding| finding.repair.clone());
    line.fix(repair.unwrap_or_else(|| format!("mlxk rm {name}, then fetch it again")))
}
