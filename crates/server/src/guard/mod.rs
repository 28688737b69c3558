//! Access control: every request passes here before any handler sees it.
//!
//! Invariant: a page on the web reaches nothing. It is stopped by its `Origin`. If it points a name of its own
//! at this machine (DNS rebinding), it is stopped by the `Host` that it then has to send.

mod authority;
mod head;
mod key;
mod logged;
pub(crate) mod machine;
mod origin;
mod request_id;
mod trace;

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST,
    ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

pub(crate) use logged::reason as logged_reason;
pub(crate) use origin::is_loopback;
pub use origin::is_origin;
pub(crate) use request_id::HEADER as REQUEST_ID;
pub(crate) use trace::trace;

use crate::body::Reading;
use crate::error::{ApiError, Kind};
use crate::page;
use crate::state::{Shared, State as ServerState};

/// Headers that pages may read.
const EXPOSED: &str = "x-request-id, retry-after, x-mlxk-ignored, x-mlxk-truncated";

/// Paths that reveal nothing about models and answers, open to probes without a key.
const OPEN: [&str; 2] = ["/", "/health"];

/// Returns `true` if a path needs no key.
fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with(page::PREFIX)
}

/// Checks a request, logs its outcome, and adds headers to the response.
pub(crate) async fn check(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id::of(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let allowed =
        target(&state, &request).and_then(|()| origin_and_host(&state, request.headers()));
    let origin = request.headers().get(ORIGIN).filter(|_| allowed.is_ok()).cloned();
    let ignored = request.extensions().get().map(|reading: &Reading| reading.ignored.clone());
    let span = tracing::info_span!("request", id = %id);
    let names = trace::of(request.headers(), &id);
    let handled = async {
        let response = match allowed {
            Ok(()) => admit(&state, request, next).await,
            Err(error) => error.into_response(),
        };
        let status = response.status().as_u16();
        let ms = started.elapsed().as_millis() as u64;
        if let Some(fields) = ignored.and_then(|ignored| ignored.text()) {
            tracing::info!(fields, "unknown fields ignored");
        }
        let error = response.extensions().get::<ApiError>();
        // A route that only other servers have is a question of the client, not a fault of the server.
        let is_fault = response.status().is_server_error()
            && error.is_none_or(|error| error.kind != Kind::NotOffered);
        match error.map(logged::reason) {
            Some(reason) if is_fault => {
                tracing::warn!(%method, path, status, ms, reason, "refused");
            }
            Some(reason) => tracing::info!(%method, path, status, ms, reason, "refused"),
            None => tracing::debug!(%method, path, status, ms, "response"),
        }
        state.metrics.responded(response.status());
        response
    };
    let mut response = trace::CURRENT.scope(names, handled.instrument(span)).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(request_id::HEADER, id);
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static(EXPOSED);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

async fn admit(state: &ServerState, request: Request, next: Next) -> Response {
    if let Err(error) = head::check(&request, state.config.limits.header_bytes) {
        return error.into_response();
    }
    if request.method() == Method::OPTIONS && request.headers().contains_key(ORIGIN) {
        return preflight(request.headers());
    }
    let path = request.uri().path();
    if let Some(key) = &state.config.api_key
        && !is_open(path)
        && let Err(error) = key::check(key, request.headers())
    {
        return error.into_response();
    }
    next.run(request).await
}

/// Refuses a request that does not name its host, as HTTP/1.1 demands, or that names another one.
fn target(state: &ServerState, request: &Request) -> Result<(), ApiError> {
    if request.version() >= Version::HTTP_11 && !request.headers().contains_key(HOST) {
        return Err(ApiError::bad("The request has no header `Host`"));
    }
    // A target may be a full address, as for a proxy. Then that is what is called.
    request.uri().authority().map_or(Ok(()), |called| check_host(called.as_str(), state))
}

fn origin_and_host(state: &ServerState, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = only(headers, &HOST)?;
    if let Some(host) = host {
        check_host(host, state)?;
    }
    let Some(origin) = only(headers, &ORIGIN)? else { return Ok(()) };
    if origin::is_allowed(origin, host, &state.config.cors_origins) {
        return Ok(());
    }
    let message = format!(
        "Pages of `{}` may not use this server; allow them with `--cors-origin`",
        origin::shown(origin)
    );
    Err(ApiError::new(Kind::Forbidden, message))
}

/// Returns the value of a header that may occur once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap_or_default());
    if values.next().is_some() {
        return Err(ApiError::bad(format!("The request has two headers `{name}`")));
    }
    Ok(value)
}

/// Refuses names that lead here but are not ours. A page that points its own name at this machine has no key, so a
/// key is enough.
fn check_host(host: &str, state: &ServerState) -> Result<(), ApiError> {
    if origin::is_allowed_host(host, &state.config.allowed_hosts) {
        return Ok(());
    }
    let own = &state.config.host;
    let (is_ours, advice) = if state.is_local {
        let advice = format!("use `localhost` or `{own}`, or allow it with `--allow-host`");
        (origin::is_own_host(host, own, &state.names), advice)
    } else if state.config.api_key.is_none() {
        let advice = "use this machine's IP address or name, allow it with `--allow-host`, or set \
                      `MLXK_API_KEY`";
        (origin::is_own_in_network(host, own, &state.names), advice.to_owned())
    } else {
        return Ok(());
    };
    if is_ours {
        return Ok(());
    }
    let message = format!("The host `{}` is not allowed; {advice}", origin::shown(host));
    Err(ApiError::new(Kind::Forbidden, message))
}

fn preflight(headers: &HeaderMap) -> Response {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let asked = asked.unwrap_or_else(|| HeaderValue::from_static("authorization, content-type"));
    let methods = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS");
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, methods),
        (ACCESS_CONTROL_ALLOW_HEADERS, asked),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
