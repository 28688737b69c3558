//! Checks the models on this machine.

use mlxk_hub::{Kind, ModelInfo};
use serde_json::json;

use crate::doctor::{Check, Environment, Line};
use crate::format::count;
use crate::models::supported;

/// Maximum number of damaged models to list.
const MAX_LISTED: usize = 8;

pub(super) const CHECK: Check =
    Check { id: "models", about: "models: complete, damaged or incomplete", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let locations = &environment.settings.locations;
    environment.reporter.stage("Checking the models");
    let models = match mlxk_hub::list(locations, supported::thorough()) {
        Ok(models) => models,
        Err(error) => return vec![Line::hub(&error)],
    };
    let complete = models.iter().filter(|model| model.health.is_healthy()).count();
    let runs = models.iter().filter(|model| model.is_usable()).count();
    let damaged: Vec<&ModelInfo> =
        models.iter().filter(|model| !model.health.is_healthy()).collect();
    let mut lines: Vec<Line> = damaged.iter().take(MAX_LISTED).map(|model| line(model)).collect();
    if damaged.len() > MAX_LISTED {
        let text = format!("{} more models are damaged or incomplete", damaged.len() - MAX_LISTED);
        lines.push(Line::broken(text).fix("mlxk health"));
    }
    for name in mlxk_hub::derived_names(locations) {
        if let Err(error) = mlxk_hub::derived(&name, locations) {
            lines.push(Line::hub(&error).fix(format!("mlxk rm {name}")));
        }
    }
    let summary = if models.is_empty() {
        "No models yet; get the starter model with `mlxk run smollm2`".to_owned()
    } else {
        format!("{}: {complete} complete, {runs} runnable", count(models.len(), "model"))
    };
    let data = json!({"models": models.len(), "whole": complete, "run": runs});
    lines.insert(0, Line::ok(summary).data(data));
    lines
}

fn line(model: &ModelInfo) -> Line {
    let name = &model.name;
    let line =
        Line::broken(format!("`{name}` is damaged or incomplete: {}", model.health.reason()));
    let repair = model.health.errors().find_map(|finding| finding.repair.clone());
    let is_own = matches!(model.kind, Kind::Folder | Kind::Workspace);
    let replace = if is_own { "clone or convert it again" } else { "download it again" };
    line.fix(repair.unwrap_or_else(|| format!("mlxk rm {name}, then {replace}")))
}
