//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::time::UNIX_EPOCH;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use mlxk_hub::{Kind, ModelInfo};

use super::dto::models::{Model, ModelList};
use crate::error::ApiError;
use crate::json::Json;
use crate::state::{Shared, State as ServerState};

/// Lists the models that can answer, the server's own first.
pub(super) async fn list(State(state): State<Shared>) -> Result<Response, ApiError> {
    let own = state.config.model.as_ref().map(|model| model.resolved.name.clone());
    let mut models = state.models.catalog().await?;
    if let Some(own) = &own
        && !models.iter().any(|model| model.name == *own)
    {
        models.push(state.models.describe(own).await?);
    }
    models.sort_by_key(|model| Some(&model.name) != own.as_ref());
    let here = models.iter().map(|info| model(info, &state));
    let elsewhere = state.backends.groups().map(|group| backend(&group.name));
    let list = ModelList { object: "list", data: here.chain(elsewhere).collect() };
    Ok(Json(list).into_response())
}

/// Describes a model.
pub(super) async fn one(
    State(state): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    if let Some(group) = state.backends.find(Some(&id)) {
        return Ok(Json(backend(&group.name)).into_response());
    }
    let found = state.models.describe(&id).await?;
    Ok(Json(Model { id, ..model(&found, &state) }).into_response())
}

/// Describes a model of hosts elsewhere, as far as it is known.
fn backend(name: &str) -> Model {
    Model {
        id: name.to_owned(),
        object: "model",
        created: 0,
        owned_by: "backend",
        permission: [],
        context_length: None,
        capabilities: Vec::new(),
    }
}

/// Describes a model. Its context is at most the one that the server or the name sets.
fn model(info: &ModelInfo, state: &ServerState) -> Model {
    let limits = [state.config.context, info.named_context];
    let most = limits.into_iter().flatten().min().map_or(u64::MAX, |context| context as u64);
    let modified = info.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Model {
        id: info.name.clone(),
        object: "model",
        created: modified.map_or(0, |duration| duration.as_secs()),
        owned_by: match info.kind {
            Kind::Workspace | Kind::Folder => "workspace",
            Kind::HfCache | Kind::Imported | Kind::Missing => "mlx-knife",
        },
        permission: [],
        context_length: info.context_length.map(|context| context.min(most)),
        capabilities: info.capabilities.clone(),
    }
}
