//! `GET /backends` and `POST /backends`: the state of the hosts, and a way to take one out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Backends, Host};
use crate::body::{Extras, Fields};
use crate::error::{ApiError, Kind, cleaned};
use crate::json::{Json, names};
use crate::operation::{Body, Operation};
use crate::state::Shared;

/// A change to a host.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    host: Option<String>,
    drain: Option<bool>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Listed<'a>>,
}

/// A name with its hosts.
#[derive(Serialize)]
struct Listed<'a> {
    model: &'a str,
    /// Requests that wait for a place on one of the hosts.
    waiting: usize,
    hosts: Vec<ListedHost<'a>>,
}

#[derive(Serialize)]
struct ListedHost<'a> {
    host: &'a str,
    /// `ok`, `draining`, `resting` after failures, or `unknown` if it was not asked yet.
    state: &'static str,
    running: usize,
    limit: usize,
    answers: u64,
    failures: u64,
}

const JSON: &[&str] = &["application/json"];

/// Returns this part of the server's description.
pub(crate) fn operations() -> [Operation; 2] {
    let path = "/backends";
    let body = Body {
        name: "BackendChange",
        fields: vec![names::<Change>()],
        required: &["host", "drain"],
        schema,
    };
    [
        Operation {
            method: "get",
            path,
            about: "List the hosts of models elsewhere",
            body: None,
            answers: JSON,
        },
        Operation {
            method: "post",
            path,
            about: "Keep new requests away from a host, or let them in again",
            body: Some(body),
            answers: JSON,
        },
    ]
}

fn schema(name: &str) -> Option<Value> {
    Some(match name {
        "host" => {
            json!({"type": "string", "description": "Address as configured, or its host and port"})
        }
        "drain" => json!({"type": "boolean", "description": "`true` to keep new requests away"}),
        _ => return None,
    })
}

/// Lists all names with their hosts.
pub(crate) async fn list(State(state): State<Shared>) -> Result<Response, ApiError> {
    // Addresses are for the operator only.
    may_see(&state)?;
    Ok(listed(&state.backends))
}

/// Keeps new requests away from a host, or lets them in again.
pub(crate) async fn change(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    may_see(&state)?;
    let Change { host, drain } = fields.parse(Extras::NONE)?;
    let host = host.ok_or_else(|| ApiError::missing("host"))?;
    let drain = drain.ok_or_else(|| ApiError::missing("drain"))?;
    let all = || state.backends.groups().flat_map(|group| &group.hosts);
    let is_it = |it: &&Arc<Host>| it.address == host || it.name() == Some(host.as_str());
    if !all().any(|it| is_it(&it)) {
        let message =
            format!("No backend is at `{}`; `GET /backends` lists them", cleaned(&host, 200));
        let error = ApiError::new(Kind::NotFound, message);
        return Err(ApiError { param: Some("host".to_owned()), ..error });
    }
    for it in all().filter(is_it) {
        it.drain(drain);
        tracing::info!(host = it.address, drain, "host changed");
    }
    Ok(listed(&state.backends))
}

fn may_see(state: &Shared) -> Result<(), ApiError> {
    if state.is_local || state.config.api_key.is_some() {
        return Ok(());
    }
    let message = "This server is open to the network and has no API key, so clients cannot see or change its \
                   hosts; set `MLXK_API_KEY` when you start it";
    Err(ApiError::new(Kind::Forbidden, message))
}

fn listed(backends: &Backends) -> Response {
    let data = backends
        .groups()
        .map(|group| Listed {
            model: &group.name,
            waiting: group.waiting(),
            hosts: group.hosts.iter().map(|host| listed_host(host)).collect(),
        })
        .collect();
    Json(List { object: "list", data }).into_response()
}

fn listed_host(host: &Host) -> ListedHost<'_> {
    let state = if host.is_draining() {
        "draining"
    } else if !host.is_healthy() {
        "resting"
    } else if host.was_asked() {
        "ok"
    } else {
        "unknown"
    };
    ListedHost {
        host: &host.address,
        state,
        running: host.running(),
        limit: host.limit,
        answers: host.answers.load(Ordering::Relaxed),
        failures: host.failures.load(Ordering::Relaxed),
    }
}
