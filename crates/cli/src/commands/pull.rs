//! `mlxk pull MODEL…`: gets models onto this machine.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use mlxk_hub::{
    HubError, HubSettings, PullOptions, PullRequest, PullTarget, Reference, pull_target,
};
use serde_json::{Map, Value, json};

use crate::args::PullArgs;
use crate::exit::{ExitStatus, UsageError};
use crate::failure::WithData;
use crate::models::progress::{How, Transfer};
use crate::models::pull;
use crate::models::resolve;
use crate::{Context, format, interrupt, json};

/// What became of one model.
struct Outcome {
    /// A word of MLX-Knife's JSON API.
    status: &'static str,
    message: String,
    /// The full name.
    name: String,
    more: Map<String, Value>,
}

/// Pulls one model after the other; the first that fails ends the command.
pub(crate) fn run(args: &PullArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    if args.json && args.models.len() > 1 {
        let problem = "`--json` describes one model; pull them one by one";
        return Err(UsageError(problem.into()).into());
    }
    interrupt::listen()?;
    let mut hub = context.settings.hub.clone();
    if let Some(seconds) = args.stall_timeout {
        hub.stall_timeout = Duration::from_secs(seconds.into());
    }
    for model in &args.models {
        let outcome = match pull(model, args, &hub, context) {
            Ok(outcome) => outcome,
            Err(error) if args.json => return Err(with_data(model, error, context)),
            Err(error) => return Err(error),
        };
        if args.json {
            json::print("pull", &data(model, &outcome))?;
        } else if !args.quiet {
            writeln!(std::io::stdout().lock(), "pull: {} — {}", outcome.name, outcome.message)?;
        }
    }
    Ok(ExitStatus::Success)
}

fn pull(
    model: &str,
    args: &PullArgs,
    hub: &HubSettings,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let how = match (args.quiet, args.json) {
        (true, _) => How::Quiet,
        (_, true) => How::Events,
        (false, false) => How::People,
    };
    let transfer = Transfer::new(how, &context.printer);
    let reference: Reference = model.parse()?;
    let settings = &context.settings;
    let (repo, revision) = match pull_target(&reference, &settings.pairs, &settings.locations)? {
        PullTarget::Repo { id, revision } => (id, revision),
        PullTarget::Local(found) => {
            return Ok(Outcome {
                status: "already_exists",
                message: "already on this machine".to_owned(),
                name: found.name,
                more: map(json!({"path": found.path})),
            });
        }
        PullTarget::Import(plan) => {
            let mut agree = |info: &mlxk_hub::ImportInfo| {
                if args.quiet || args.json {
                    ControlFlow::Continue(())
                } else {
                    resolve::agree(info, context)
                }
            };
            let found = mlxk_hub::import(&plan, &settings.locations, &transfer, &mut agree)?;
            transfer.finish();
            return Ok(Outcome {
                status: "success",
                message: "imported".to_owned(),
                name: found.name,
                more: map(json!({"path": found.path})),
            });
        }
    };
    let request = PullRequest {
        repo,
        revision,
        options: PullOptions {
            all_files: args.all_files,
            force: args.force,
            workers: args.workers.map_or_else(|| settings.pull_workers(), usize::from),
            part_bytes: u64::from(args.part_size.max(1)) << 10,
        },
    };
    let mut tell = |plan: &mlxk_hub::PullPlan| {
        transfer.plan(plan, &pull::details(plan, &hub.endpoint));
        for warning in pull::warnings(plan) {
            transfer.warn(&warning);
        }
        ControlFlow::Continue(())
    };
    let pulled = pull::pull(&request, hub, &transfer, &mut tell, context)?;
    let message = if pulled.already {
        "already complete".to_owned()
    } else {
        format!("downloaded {}", format::size(pulled.fetched_bytes))
    };
    Ok(Outcome {
        status: if pulled.already { "already_exists" } else { "success" },
        message,
        name: pulled.resolved.name,
        more: map(json!({
            "commit_hash": pulled.resolved.revision,
            "path": pulled.resolved.path,
            "fetched_bytes": pulled.fetched_bytes,
        })),
    })
}

/// The `data` of the envelope, in MLX-Knife's words with a few of our own.
fn data(model: &str, outcome: &Outcome) -> Value {
    let mut data = map(json!({
        "model": outcome.name,
        "download_status": outcome.status,
        "message": outcome.message,
        "expanded_name": (outcome.name != model).then_some(&outcome.name),
    }));
    data.extend(outcome.more.clone());
    data.into()
}

/// A failure with what is known of the pull.
fn with_data(model: &str, error: anyhow::Error, context: &Context) -> anyhow::Error {
    let settings = &context.settings;
    let target = model
        .parse()
        .ok()
        .and_then(|reference| pull_target(&reference, &settings.pairs, &settings.locations).ok());
    let name = match target {
        Some(PullTarget::Repo { id, .. }) => id.to_string(),
        _ => model.to_owned(),
    };
    let status = match error.downcast_ref::<HubError>().map(HubError::kind) {
        Some("access_denied") => "access_denied",
        Some("ValidationError" | "InternalError") => "error",
        _ => "failed",
    };
    let data = json!({
        "model": name,
        "download_status": status,
        "message": format!("{error:#}"),
        "expanded_name": (name != model).then_some(&name),
    });
    WithData { error, data }.into()
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
