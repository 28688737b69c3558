//! `mlxk pull MODEL…`: downloads models.

use std::ops::ControlFlow;
use std::time::Duration;

use mlxk_hub::{
    HubError, HubSettings, ImportInfo, ImportPlan, Kind, Matching, PullOptions, PullPlan,
    PullRequest, PullTarget, Reference, RepoId, Resolution, Resolved, pull_target,
};
use mlxk_models::registry;
use serde_json::{Map, Value, json};

use crate::args::PullArgs;
use crate::exit::{ExitStatus, UsageError};
use crate::failure::{self, WithData};
use crate::models::progress::{Audience, PullProgress};
use crate::models::{pull, resolve, supported};
use crate::{Context, format, interrupt, json, output};

/// The result of pulling one model.
struct Outcome {
    /// Status word of MLX-Knife's JSON API.
    status: &'static str,
    message: String,
    /// Full name of the model.
    name: String,
    /// Fields of the JSON envelope beyond the common ones.
    more: Map<String, Value>,
}

/// The parts of a pull that are the same for all models.
struct Pull<'a> {
    args: &'a PullArgs,
    hub: HubSettings,
    progress: PullProgress<'a>,
    context: &'a Context,
}

/// Pulls one model after the other. The first failure ends the command.
pub(crate) fn run(args: &PullArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    if args.json && args.models.len() > 1 {
        let problem = "`--json` describes one model; pull one at a time";
        return Err(UsageError(problem.into()).into());
    }
    interrupt::listen()?;
    let mut hub = context.settings.hub.clone();
    if let Some(seconds) = args.stall_timeout {
        hub.stall_timeout = Duration::from_secs(seconds.into());
    }
    for model in &args.models {
        let audience = match (args.quiet, args.json) {
            (true, _) => Audience::Quiet,
            (_, true) => Audience::Programs,
            (false, false) => Audience::People,
        };
        let progress = PullProgress::new(audience, &context.printer);
        let pull = Pull { args, hub: hub.clone(), progress, context };
        let outcome = pull.model(model)?;
        if args.json {
            json::print("pull", &data(model, &outcome))?;
        } else if !args.quiet {
            output::stdout().line(format_args!("pull: {} — {}", outcome.name, outcome.message))?;
        }
    }
    Ok(ExitStatus::Success)
}

impl Pull<'_> {
    /// Pulls one model. With `--json`, an error carries the `data` of the envelope.
    fn model(&self, model: &str) -> anyhow::Result<Outcome> {
        let settings = &self.context.settings;
        let mut name = model.to_owned();
        let target = model.parse().and_then(|reference: Reference| {
            let target = pull_target(&reference, &settings.pairs, &settings.locations)?;
            Ok((target, reference))
        });
        let result = match target {
            Ok((PullTarget::Repo { id, revision }, reference)) => {
                name = id.to_string();
                let runs = mlxk_hub::check_runs(&reference, &id, registry::is_supported);
                match (self.intact(&id, revision.as_deref()), runs) {
                    (Some(found), _) => Ok(already_here(found)),
                    (None, Err(error)) => Err(error.into()),
                    (None, Ok(())) => self.repository(id, revision),
                }
            }
            Ok((PullTarget::Import(plan), _)) => self.import(&plan),
            Ok((PullTarget::Local(found), _)) => Ok(already_here(*found)),
            Err(error) => Err(error.into()),
        };
        result.map_err(|error| {
            let error = self.unreached(model, error);
            let error = naming(model, &name, error);
            if self.args.json { with_data(model, &name, error) } else { error }
        })
    }

    /// Adds to an error of the network that no model of this name is here, and what similar ones are called. A name with
    /// an organization, or a known one, says itself what it means.
    fn unreached(&self, model: &str, error: anyhow::Error) -> anyhow::Error {
        let Some(HubError::Http(reason)) = error.downcast_ref() else { return error };
        let settings = &self.context.settings;
        let (pairs, locations) = (&settings.pairs, &settings.locations);
        let found = model.parse().and_then(|reference: Reference| {
            mlxk_hub::resolve(&reference, Matching::Exact, pairs, locations)
        });
        match found {
            Ok(Resolution::NotLocal(missing))
                if resolve::is_unreached(reason) && !missing.broken && missing.is_guess() =>
            {
                missing.into_unreached(reason).into()
            }
            _ => error,
        }
    }

    /// Returns the repository if all its files are here and intact, so that the hub need not be asked.
    fn intact(&self, id: &RepoId, revision: Option<&str>) -> Option<Resolved> {
        if self.args.update || self.args.all_files {
            return None;
        }
        let settings = &self.context.settings;
        let revision = revision.map(str::to_owned);
        let reference = Reference::Repo { id: id.clone(), revision };
        let (pairs, locations) = (&settings.pairs, &settings.locations);
        let found = mlxk_hub::resolve(&reference, Matching::Exact, pairs, locations).ok()?;
        let Resolution::Local(found) = found else { return None };
        let is_intact = mlxk_hub::info(&found, supported::quick()).health.is_healthy();
        (found.kind == Kind::HfCache && is_intact).then_some(found)
    }

    fn import(&self, plan: &ImportPlan) -> anyhow::Result<Outcome> {
        let mut confirm = |info: &ImportInfo| {
            if self.args.quiet || self.args.json {
                ControlFlow::Continue(())
            } else {
                resolve::confirm_import(info, self.context)
            }
        };
        let locations = &self.context.settings.locations;
        let found = mlxk_hub::import(
            plan,
            &mlxk_models::gguf_architectures(),
            locations,
            &self.progress,
            &mut confirm,
        )?;
        self.progress.finish();
        Ok(Outcome {
            status: "success",
            message: "imported".to_owned(),
            name: found.name,
            more: map(json!({"path": found.path})),
        })
    }

    fn repository(&self, repo: RepoId, revision: Option<String>) -> anyhow::Result<Outcome> {
        let args = self.args;
        let workers = args.workers.map(usize::from);
        let request = PullRequest {
            repo,
            revision,
            options: PullOptions {
                all_files: args.all_files,
                force: args.force,
                workers: workers.unwrap_or_else(|| self.context.settings.pull_workers()),
                part_bytes: u64::from(args.part_size.max(1)) << 10,
            },
        };
        let mut show = |plan: &PullPlan| {
            self.progress.plan(plan, &pull::details(plan, &self.hub.endpoint));
            for warning in pull::warnings(plan) {
                self.progress.warn(&warning);
            }
            ControlFlow::Continue(())
        };
        let pulled = pull::download(&request, &self.hub, &self.progress, &mut show, self.context)?;
        Ok(Outcome {
            status: if pulled.already { "already_exists" } else { "success" },
            message: if pulled.already {
                "already complete".to_owned()
            } else {
                format!("downloaded {}", format::size(pulled.fetched_bytes))
            },
            name: pulled.resolved.name,
            more: map(json!({
                "commit_hash": pulled.resolved.revision,
                "path": pulled.resolved.path,
                "fetched_bytes": pulled.fetched_bytes,
            })),
        })
    }
}

fn already_here(found: Resolved) -> Outcome {
    let message = match found.kind {
        Kind::HfCache => "already here and intact; `--update` looks for a newer revision",
        _ => "already on this machine",
    };
    Outcome {
        status: "already_exists",
        message: message.to_owned(),
        name: found.name,
        more: map(json!({"commit_hash": found.revision, "path": found.path})),
    }
}

/// Returns the `data` of the envelope: MLX-Knife's fields and some of our own.
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

/// Adds the repository to an error of the network, which names only the host. The user may have typed another name.
fn naming(model: &str, repo: &str, error: anyhow::Error) -> anyhow::Error {
    let is_network = matches!(error.downcast_ref(), Some(HubError::Http(_)));
    if !is_network || error.to_string().contains(repo) {
        return error;
    }
    let completed = repo.rsplit('/').next() == Some(model);
    let meaning = if model.contains('/') || completed {
        String::new()
    } else {
        format!(", which `{model}` stands for")
    };
    error.context(format!("Cannot download `{repo}`{meaning}"))
}

/// Adds the `data` of the envelope to an error.
fn with_data(model: &str, name: &str, error: anyhow::Error) -> anyhow::Error {
    let status = match error.downcast_ref::<HubError>().map(HubError::kind) {
        Some("access_denied") => "access_denied",
        Some("ValidationError" | "InternalError") => "error",
        _ => "failed",
    };
    let data = json!({
        "model": name,
        "download_status": status,
        "message": failure::message(&error),
        "expanded_name": (name != model).then_some(name),
    });
    WithData::wrap(error, data)
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
