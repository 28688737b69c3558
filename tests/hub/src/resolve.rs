//! Serves files: from the hub itself, or by a redirect to the CDN with a signed link that expires.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::routing::any;

use crate::Fault;
use crate::api::{allowed, error};
use crate::content;
use crate::state::{Shared, State};

/// `/org/name/resolve/revision/file`.
pub(crate) async fn resolve(
    axum::extract::State(state): Shared,
    Path((org, name, revision, file)): Path<(String, String, String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    state.log(&method, &uri, &headers, false);
    let fault = state.next_fault(&format!("resolve:{file}"));
    if let Some(answer) = fault.as_ref().and_then(|fault| fault.answer(uri.path())) {
        return answer;
    }
    let id = format!("{org}/{name}");
    let repo = match allowed(&state, &id, &headers, true) {
        Ok(repo) => repo,
        Err(refused) => return refused,
    };
    let Some(commit) = repo.find(&revision).map(str::to_owned) else {
        return error(404, "RevisionNotFound", "Invalid rev id");
    };
    let Some(stored) = repo.commits[&commit].get(&file).cloned() else {
        return error(404, "EntryNotFound", "Entry not found");
    };
    if !stored.lfs {
        let mut response = if method == Method::HEAD {
            let etag = format!("\"{}\"", stored.etag);
            let response = Response::builder().header("etag", etag);
            response.header("content-length", stored.content.len()).body(Body::empty()).unwrap()
        } else {
            let fault = state.next_fault(&format!("content:{file}"));
            if let Some(answer) = fault.as_ref().and_then(|fault| fault.answer(uri.path())) {
                return answer;
            }
            content::serve(&state, &file, &stored, &headers, fault)
        };
        response.headers_mut().insert("x-repo-commit", commit.parse().unwrap());
        return response;
    }
    let etag = match fault {
        Some(Fault::OtherEtag) => crate::sha256(stored.etag.as_bytes()),
        _ => stored.etag.clone(),
    };
    let signature = state.lock().signature;
    Response::builder()
        .status(StatusCode::FOUND)
        .header("location", format!("{}/{id}/{commit}/{file}?signature={signature}", state.cdn))
        .header("x-repo-commit", commit)
        .header("x-linked-size", stored.content.len())
        .header("x-linked-etag", format!("\"{etag}\""))
        .body(Body::empty())
        .unwrap()
}

/// The second server, which ignores tokens.
pub(crate) fn cdn_router(state: &Arc<State>) -> Router {
    Router::new().route("/{org}/{name}/{commit}/{*file}", any(cdn)).with_state(Arc::clone(state))
}

async fn cdn(
    axum::extract::State(state): Shared,
    Path((org, name, commit, file)): Path<(String, String, String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    state.log(&method, &uri, &headers, true);
    if headers.contains_key("authorization") {
        // The real CDN accepts a signature or a token, never both.
        return error(400, "TwoAuthorizations", "Only one auth mechanism allowed");
    }
    if query != Some(format!("signature={}", state.lock().signature)) {
        return error(403, "Expired", "Request has expired");
    }
    let fault = state.next_fault(&format!("content:{file}"));
    if let Some(answer) = fault.as_ref().and_then(|fault| fault.answer(&uri.to_string())) {
        return answer;
    }
    let found = state
        .lock()
        .repos
        .get(&format!("{org}/{name}"))
        .and_then(|repo| repo.commits.get(&commit)?.get(&file).cloned());
    match found {
        Some(stored) if method == Method::HEAD => Response::builder()
            .header("etag", format!("\"{}\"", stored.etag))
            .header("accept-ranges", "bytes")
            .header("content-length", stored.content.len())
            .body(Body::empty())
            .unwrap(),
        Some(stored) => content::serve(&state, &file, &stored, &headers, fault),
        None => error(404, "NoSuchKey", "There is no such key"),
    }
}
