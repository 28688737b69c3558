//! `mlxk clone MODEL [TARGET]`: copies a model to a folder.

use std::path::PathBuf;

use mlxk_hub::workspace::{Building, Operation, Sentinel, target_folder};
use mlxk_hub::{Kind, Quiet, Reporter};
use serde_json::{Value, json};

use crate::args::CloneArgs;
use crate::exit::ExitStatus;
use crate::failure::{self, WithData};
use crate::models::resolve;
use crate::models::supported;
use crate::{Context, interrupt, json, output};

/// Copies the model, checks the copy and reports.
pub(crate) fn run(args: &CloneArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let model = match &args.branch {
        Some(branch) => format!("{}@{branch}", args.model),
        None => args.model.clone(),
    };
    let (name, target) = match copy(&model, args, context) {
        Ok(copied) => copied,
        Err(error) if args.json => {
            let message = failure::message(&error);
            let status = match failure::kind(&error) {
                "UserCancelledError" => "cancelled",
                "access_denied" | "download_failed" => "pull_failed",
                _ => "error",
            };
            let data = data(&model, status, &message, args, &target_name(&model, args));
            return Err(WithData { error, data }.into());
        }
        Err(error) => return Err(error),
    };
    let problem =
        if args.no_health_check { None } else { super::check_written::problem(&target, context)? };
    let shown = target.display().to_string();
    if args.json {
        let mut data = data(&name, "success", "cloned", args, &shown);
        if !args.no_health_check {
            data["health"] = json!(if problem.is_none() { "healthy" } else { "unhealthy" });
            data["health_reason"] = json!(problem.as_deref().unwrap_or("All files OK"));
        }
        json::print("clone", &data)?;
    } else if !args.quiet {
        if let Some(problem) = problem {
            context
                .printer
                .note(format_args!("warning: The copy is damaged or incomplete: {problem}"));
        }
        output::stdout().line(format_args!("clone: {shown} — copied from {name}"))?;
    }
    Ok(ExitStatus::Success)
}

/// Copies the model. Returns its full name and the folder of the copy.
fn copy(model: &str, args: &CloneArgs, context: &Context) -> anyhow::Result<(String, PathBuf)> {
    let locations = &context.settings.locations;
    let found = resolve::find(model, true, context)?;
    let target = target_name(&found.name, args);
    let mut building = Building::begin(
        &target_folder(&target, locations),
        mlxk_hub::info(&found, supported::quick()).size_bytes,
        locations,
    )?;
    let progress = context.printer.progress();
    let reporter: &dyn Reporter = if args.quiet || args.json { &Quiet } else { &progress };
    building.copy_model(&found, locations, reporter)?;
    let source = match found.kind {
        Kind::Folder => found.path.display().to_string(),
        _ => found.name.clone(),
    };
    let tool = concat!("mlxk ", env!("CARGO_PKG_VERSION"));
    let sentinel = Sentinel::new(Operation::Clone, &source, found.revision.as_deref(), tool);
    let (target, _) = building.finish(sentinel, reporter)?;
    Ok((found.name, target))
}

/// Returns the target as it was given, or the last part of the model's name.
fn target_name(model: &str, args: &CloneArgs) -> String {
    args.target.clone().unwrap_or_else(|| {
        let short = model.trim_end_matches(['/', '\\']);
        short.rsplit(['/', '\\']).next().unwrap_or(short).to_owned()
    })
}

fn data(model: &str, status: &str, message: &str, args: &CloneArgs, target: &str) -> Value {
    json!({
        "model": model,
        "clone_status": status,
        "message": message,
        "target_dir": target,
        "health_check": !args.no_health_check,
    })
}
