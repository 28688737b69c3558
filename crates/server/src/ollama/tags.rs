//! `GET /api/tags` and `GET /api/ps`: lists of all models and of the loaded ones.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_hub::ModelInfo;
use serde_json::json;

use super::dto::models::{Details, ListedModel, RunningModel};
use super::{details, names, time};
use crate::blocking::blocking;
use crate::error::ApiError;
use crate::json::Json;
use crate::models::Running;
use crate::state::Shared;

/// Lists the models that can answer, the newest first. A model that also has a name in Ollama's library is listed
/// under both, as after `ollama cp`.
pub(super) async fn list(State(state): State<Shared>) -> Result<Response, ApiError> {
    let mut models = state.models.catalog().await?;
    if let Some(own) = state.config.model.as_ref().map(|model| &model.resolved.name)
        && !models.iter().any(|model| model.name == *own)
    {
        models.push(state.models.describe(own).await?);
    }
    models.sort_by_key(|model| std::cmp::Reverse(model.modified));
    let shared = Arc::clone(&state);
    let describe = move || Ok(models.iter().flat_map(|info| listed(info, &shared)).collect());
    let elsewhere: Vec<_> = state.backends.groups().map(|group| backend(&group.name)).collect();
    let mut models: Vec<ListedModel> = blocking(describe).await?;
    models.extend(elsewhere);
    Ok(Json(json!({"models": models})).into_response())
}

/// Describes a model of hosts elsewhere, as far as it is known.
fn backend(name: &str) -> ListedModel {
    let name = names::tagged(name);
    ListedModel {
        model: name.clone(),
        name,
        modified_at: time::of(None),
        size: 0,
        digest: String::new(),
        details: Details::default(),
        capabilities: vec!["completion"],
    }
}

fn listed(info: &ModelInfo, state: &Shared) -> Vec<ListedModel> {
    let (details, digest) = (details::details(info), details::digest(info, state));
    let capabilities = state.capabilities.capabilities(info);
    let names = names::shown(&info.name, info.base.is_some(), info.origin.as_ref(), state);
    let model = |name: String| ListedModel {
        model: name.clone(),
        name,
        modified_at: time::of(info.modified),
        size: info.size_bytes,
        digest: digest.clone(),
        details: details.clone(),
        capabilities: capabilities.clone(),
    };
    names.into_iter().map(model).collect()
}

/// Lists the loaded models, the most recently used first, each by the name that was asked for last. Derived names
/// share the model that is listed.
pub(super) async fn running(State(state): State<Shared>) -> Result<Response, ApiError> {
    let mut models = Vec::new();
    for running in state.models.running() {
        let called = running.called.as_deref().unwrap_or(&running.name);
        let info = match state.models.describe(called).await {
            Ok(info) => Some(info),
            // The name, and even the model, may have been deleted from disk meanwhile.
            Err(_) => state.models.describe(&running.name).await.ok(),
        };
        models.push((running, info));
    }
    let describe = move || {
        let models = models.into_iter().map(|(running, info)| {
            let (details, digest) = info.as_ref().map_or_else(
                || (Details::default(), String::new()),
                |info| (details::details(info), details::digest(info, &state)),
            );
            let origin = info.as_ref().and_then(|info| info.origin.as_ref());
            let Running {
                name, called, weights_bytes, kv_bytes, gpu_bytes, context, expires, ..
            } = running;
            let name = called.map_or_else(
                || {
                    // The name in Ollama's library, if there is one, comes second.
                    let mut names = names::shown(&name, false, origin, &state).into_iter();
                    let own = names.next();
                    names.next().or(own).unwrap_or_default()
                },
                |called| names::tagged(&called),
            );
            RunningModel {
                model: name.clone(),
                name,
                size: weights_bytes + kv_bytes,
                digest,
                details,
                expires_at: time::end(expires),
                size_vram: gpu_bytes,
                context_length: context,
            }
        });
        Ok(models.collect())
    };
    let models: Vec<RunningModel> = blocking(describe).await?;
    Ok(Json(json!({"models": models})).into_response())
}
