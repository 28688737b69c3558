//! `POST /api/copy` and `DELETE /api/delete`: adds and removes names.

use axum::extract::State;
use axum::http::StatusCode;
use mlxk_hub::{HubError, Named, Reference, RemoveError, What};

use super::dto::models::{CopyRequest, NamedRequest};
use super::names;
use super::pull::{self, failed, reference};
use super::uploads;
use crate::blocking::blocking;
use crate::body::Fields;
use crate::error::{ApiError, Kind, cleaned};
use crate::state::Shared;

/// Gives a model a second name.
pub(super) async fn copy(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<StatusCode, ApiError> {
    state.may_change_models()?;
    let asked: CopyRequest = fields.parse(pull::EXTRAS)?;
    for (field, value) in [("source", &asked.source), ("destination", &asked.destination)] {
        if value.is_empty() {
            return Err(ApiError::missing(field));
        }
    }
    let source = names::resolve(&state, Some(&asked.source)).await?;
    let copy = move || {
        let config = &state.config;
        let from: Reference = source.name.parse().map_err(failed)?;
        let name = asked.destination.trim();
        // The source in the request may be another name of the model.
        mlxk_hub::check_copy(&asked.source.parse().map_err(failed)?, name).map_err(failed)?;
        let copied = mlxk_hub::copy(&from, name, false, &config.pairs, &config.locations);
        let name = copied.map_err(failed)?.name;
        tracing::info!(from = source.name, name, "copied");
        Ok(StatusCode::OK)
    };
    blocking(copy).await
}

/// Removes a model, or only a name that stands for one. A loaded model is unloaded first. A model that other names stand
/// for stays, because they would stop working.
pub(super) async fn delete(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<StatusCode, ApiError> {
    state.may_change_models()?;
    let asked: NamedRequest = fields.parse(pull::EXTRAS)?;
    let name = names::written(asked.model, asked.name);
    let wanted = reference(&name)?;
    let finding = state.clone();
    let find = move || {
        let config = &finding.config;
        let found = mlxk_hub::find_removal(&wanted, &config.pairs, &config.locations);
        match found {
            Ok(removal) if removal.named == Named::Full => Ok(removal),
            // Names made by `cp` have no case, as in Ollama.
            Ok(removal) if removal.named == Named::OtherCase && removal.what == What::Derived => {
                Ok(removal)
            }
            // A part of a name is enough only for a user who is asked for confirmation.
            Ok(removal) => Err(missing(&name, &format!("a similar name is `{}`", removal.name))),
            Err(error @ HubError::Remove(RemoveError::NotFound { .. })) => {
                Err(missing(&name, &error.hint().unwrap_or_default()))
            }
            Err(error) => Err(failed(error)),
        }
    };
    let removal = blocking(find).await?;
    if !removal.dependents.is_empty() {
        return Err(in_use(&removal.name, &removal.dependents));
    }
    let is_name_only = removal.what == What::Derived;
    if !is_name_only && state.models.running().iter().any(|model| model.name == removal.name) {
        state.models.unload(&removal.name).await?;
    }
    let remove = move || {
        let behind = if is_name_only { uploads::behind(&removal.name, &state)? } else { None };
        let freed = removal.carry_out(false).map_err(failed)?;
        if let Some(model) = behind {
            uploads::remove_unnamed(&model, &state)?;
        }
        tracing::info!(model = removal.name, freed_mb = freed.bytes / 1_000_000, "removed");
        Ok(StatusCode::OK)
    };
    blocking(remove).await
}

fn in_use(name: &str, dependents: &[String]) -> ApiError {
    let ticked: Vec<_> = dependents.iter().map(|name| format!("`{name}`")).collect();
    let message =
        format!("other names stand for `{name}`; delete these first: {}", ticked.join(", "));
    ApiError::new(Kind::BadRequest, message)
}

fn missing(name: &str, why: &str) -> ApiError {
    let name = cleaned(name, 200);
    let message = format!("model '{name}' not found: {why}");
    ApiError::new(Kind::NoModel, message)
}
