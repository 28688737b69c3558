//! `POST /api/pull`: downloads a model.

use std::ops::ControlFlow;

use axum::extract::State;
use axum::response::Response;
use mlxk_hub::{
    Decisions, HttpError, HubError, ImportError, ImportPlan, Inspection, Look, Matching, PullError,
    PullOptions, PullPlan, PullRequest, PullTarget, PushError, Reference, RemoveError, Resolution,
    Resolved,
};
use serde_json::Value;

use super::dto::models::NamedRequest;
use super::names;
use super::progress::{self, Watch};
use crate::body::{Extras, Fields};
use crate::error::{ApiError, Kind};
use crate::state::{Shared, State as ServerState};

/// Fields that older clients send.
pub(super) const EXTRAS: Extras = Extras { harmless: &["username", "password"], unsupported: &[] };

/// Downloads a model.
pub(super) async fn pull(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    state.may_change_models()?;
    let asked: NamedRequest = fields.parse(EXTRAS)?;
    let reference = reference(&names::written(asked.model, asked.name))?;
    let pulling = state.clone();
    let work = move |watch: &Watch| fetch(&reference, &pulling, watch);
    progress::respond(&state, asked.stream.unwrap_or(true), work).await
}

/// Reads the name of a model. Only the operator may use paths and packages.
pub(super) fn reference(name: &str) -> Result<Reference, ApiError> {
    let reference = name.trim().parse().map_err(|error: HubError| bad(&error))?;
    match reference {
        Reference::Name { .. } | Reference::Repo { .. } | Reference::Short(_) => Ok(reference),
        _ => {
            let message = "`model` must be a name such as `org/NAME`, `NAME` or `name:tag`";
            Err(ApiError::field("model", message))
        }
    }
}

fn bad(error: &HubError) -> ApiError {
    ApiError::field("model", error.to_string())
}

/// Downloads or imports a model, unless it is there already.
pub(super) fn fetch(
    reference: &Reference,
    state: &ServerState,
    watch: &Watch,
) -> Result<(), ApiError> {
    let config = &state.config;
    watch.say("pulling manifest");
    let target = mlxk_hub::pull_target(reference, &config.pairs, &config.locations);
    let name = match target.map_err(failed)? {
        PullTarget::Local(_) => return Ok(()),
        PullTarget::Import(plan) => import(&plan, state, watch)?.name,
        PullTarget::Repo { id, revision } => {
            if !is_complete(reference, state) {
                mlxk_hub::check_runs(reference, &id, mlxk_models::registry::is_supported)
                    .map_err(failed)?;
            }
            let name = id.to_string();
            let options = PullOptions::default();
            let request = PullRequest { repo: id, revision, options };
            let inspect = |config: &Value, _| Inspection {
                problem: (state.config.judge)(config).err(),
                ..Inspection::default()
            };
            let mut agree = |plan: &PullPlan| {
                watch.begin(&format!("{}@{}", plan.name, plan.commit));
                ControlFlow::Continue(())
            };
            let mut decisions = Decisions { inspect: &inspect, agree: &mut agree };
            let hub = &config.hub;
            match mlxk_hub::pull(&request, &config.locations, hub, watch, &mut decisions) {
                Ok(_) => {}
                Err(error) if is_unreachable(&error) && is_complete(reference, state) => {
                    tracing::warn!(%error, model = name, "not updated, but complete");
                    watch.say("the hub cannot be reached, but the model is complete");
                    return Ok(());
                }
                Err(error) => return Err(failed(error)),
            }
            name
        }
    };
    watch.say("verifying sha256 digest");
    watch.say("writing manifest");
    tracing::info!(model = name, "pulled");
    Ok(())
}

/// Returns `true` if the hub gave no answer at all.
fn is_unreachable(error: &HubError) -> bool {
    use HttpError::{Offline, Stalled, Unreachable};
    matches!(error, HubError::Http(Unreachable { .. } | Stalled { .. } | Offline { .. }))
}

/// Returns `true` if a model is on this machine with all its files.
fn is_complete(reference: &Reference, state: &ServerState) -> bool {
    let config = &state.config;
    let found = mlxk_hub::resolve(reference, Matching::Exact, &config.pairs, &config.locations);
    let Ok(Resolution::Local(found)) = found else { return false };
    let look = Look::quick(&config.judge, &config.small_files);
    mlxk_hub::info(&found, look).health.is_healthy()
}

/// Imports a GGUF file without asking: the request was the consent.
pub(super) fn import(
    plan: &ImportPlan,
    state: &ServerState,
    watch: &Watch,
) -> Result<Resolved, ApiError> {
    let architectures = mlxk_models::gguf_architectures();
    let mut agree = |_: &mlxk_hub::ImportInfo| ControlFlow::Continue(());
    mlxk_hub::import(plan, &architectures, &state.config.locations, watch, &mut agree)
        .map_err(failed)
}

/// Returns an error of the hub with the status that fits it best.
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` asks for")]
pub(super) fn failed(error: HubError) -> ApiError {
    let kind = match &error {
        HubError::Http(HttpError::Gated { .. } | HttpError::Denied { .. })
        | HubError::Push(PushError::NoToken { .. }) => Kind::Forbidden,
        HubError::Pull(PullError::NoRoom { .. }) | HubError::Import(ImportError::NoRoom { .. }) => {
            Kind::Memory
        }
        HubError::Remove(RemoveError::Locked { .. }) => Kind::Busy,
        other => match other.kind() {
            "ValidationError" | "ambiguous_match" | "workspace_model" => Kind::BadRequest,
            "model_not_found" | "model_not_cached" | "hash_not_found" | "access_denied" => {
                Kind::NoModel
            }
            _ => Kind::Internal,
        },
    };
    let hint = error.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
    ApiError::new(kind, format!("{error}{hint}"))
}
