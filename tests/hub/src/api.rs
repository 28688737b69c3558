//! The hub's API: the description of a repository, and search.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, Method, Response, Uri};
use axum::routing::{any, get};
use serde_json::{Value, json};

use crate::repo::Repo;
use crate::resolve::resolve;
use crate::state::{Shared, State};

pub(crate) fn router(state: &Arc<State>) -> Router {
    Router::new()
        .route("/api/models", get(search))
        .route("/api/models/{org}/{name}", get(model))
        .route("/api/models/{org}/{name}/revision/{revision}", get(model_at))
        .route("/api/models/{org}/{name}/tree/{revision}", get(tree))
        .route("/{org}/{name}/resolve/{revision}/{*file}", any(resolve))
        .with_state(Arc::clone(state))
}

type Words = Query<HashMap<String, String>>;

async fn model(
    state: Shared,
    Path((org, name)): Path<(String, String)>,
    words: Words,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    model_at(state, Path((org, name, "main".to_owned())), words, method, uri, headers).await
}

async fn model_at(
    axum::extract::State(state): Shared,
    Path((org, name, revision)): Path<(String, String, String)>,
    Query(words): Words,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    state.log(&method, &uri, &headers, false);
    if let Some(answer) = state.next_fault("api").and_then(|fault| fault.answer(uri.path())) {
        return answer;
    }
    let repo = match allowed(&state, &format!("{org}/{name}"), &headers, false) {
        Ok(repo) => repo,
        Err(refused) => return refused,
    };
    match repo.find(&revision) {
        Some(commit) => answer(&repo.info(commit, words.contains_key("blobs"))),
        None => error(404, "RevisionNotFound", &format!("Invalid rev id: {revision}")),
    }
}

async fn tree(
    axum::extract::State(state): Shared,
    Path((org, name, revision)): Path<(String, String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    state.log(&method, &uri, &headers, false);
    let repo = match allowed(&state, &format!("{org}/{name}"), &headers, false) {
        Ok(repo) => repo,
        Err(refused) => return refused,
    };
    match repo.find(&revision) {
        Some(commit) => answer(&repo.tree(commit)),
        None => error(404, "RevisionNotFound", &format!("Invalid rev id: {revision}")),
    }
}

async fn search(
    axum::extract::State(state): Shared,
    Query(words): Words,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    state.log(&method, &uri, &headers, false);
    if let Some(answer) = state.next_fault("api").and_then(|fault| fault.answer(uri.path())) {
        return answer;
    }
    let wanted = words.get("search").map(|word| word.to_lowercase()).unwrap_or_default();
    let limit = words.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1000);
    let inner = state.lock();
    let mut found: Vec<&Repo> = inner
        .repos
        .values()
        .filter(|repo| repo.token.is_none() || repo.gated)
        .filter(|repo| wanted.split_whitespace().all(|w| repo.id.to_lowercase().contains(w)))
        .filter(|repo| words.get("filter").is_none_or(|tag| repo.tags.contains(tag)))
        .collect();
    if words.get("sort").is_some_and(|key| key == "downloads") {
        found.sort_by_key(|repo| std::cmp::Reverse(repo.downloads));
    }
    answer(&found.iter().take(limit).map(|repo| repo.summary()).collect::<Value>())
}

/// Returns the repository if the client may read it, or only know of it.
pub(crate) fn allowed(
    state: &State,
    id: &str,
    headers: &HeaderMap,
    to_read: bool,
) -> Result<Repo, Response<Body>> {
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
    let hidden = |status| error(status, "RepoNotFound", "Repository not found");
    // Without a token, a client must not learn if a repository exists.
    let status = if sent.is_some() { 404 } else { 401 };
    let Some(repo) = state.lock().repos.get(id).cloned() else { return Err(hidden(status)) };
    let known =
        repo.token.as_ref().is_none_or(|token| sent == Some(format!("Bearer {token}").as_str()));
    match (known, repo.gated) {
        (true, _) => Ok(repo),
        (false, true) if !to_read => Ok(repo),
        (false, true) => Err(error(
            if sent.is_some() { 403 } else { 401 },
            "GatedRepo",
            &format!("Access to model {id} is restricted"),
        )),
        (false, false) => Err(hidden(status)),
    }
}

pub(crate) fn answer(value: &Value) -> Response<Body> {
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(value.to_string()))
        .unwrap()
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-error-code", code)
        .header("x-error-message", message)
        .body(Body::from(json!({"error": message}).to_string()))
        .unwrap()
}
