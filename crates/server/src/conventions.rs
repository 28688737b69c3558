//! Conventions of a dialect's router: the shape of its errors, and how it reads bodies.
//!
//! Every dialect's routes are wrapped once, so that neither handlers nor extractors know which dialect
//! they serve.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::body::{self, Reading};
use crate::error::{ApiError, Kind};
use crate::guard;
use crate::ignored::{self, Ignored};
use crate::json::Json;
use crate::not_offered;
use crate::state::Shared;

/// Conventions of a dialect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conventions {
    /// Builds the body of an error.
    pub(crate) error_body: fn(&ApiError) -> Value,
    /// `true` if a body is read as JSON whatever its `Content-Type` says. Pages always have to send JSON.
    pub(crate) any_content_type: bool,
    /// `true` if an empty text stands for a field that is absent.
    pub(crate) empty_is_absent: bool,
    /// `true` if the body of an error and a header `request-id` name the request.
    pub(crate) names_request: bool,
}

/// Puts a dialect's routes behind the guard and gives them its conventions.
pub(crate) fn apply(
    router: Router<Shared>,
    conventions: Conventions,
    state: &Shared,
) -> Router<Shared> {
    let reading = Reading {
        any_content_type: conventions.any_content_type,
        empty_is_absent: conventions.empty_is_absent,
        strict: state.config.strict,
        ignored: Ignored::default(),
    };
    let around = move |request: Request, next: Next| {
        let reading = Reading { ignored: Ignored::default(), ..reading.clone() };
        serve(conventions, reading, request, next)
    };
    router
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), guard::check))
        .layer(from_fn(around))
}

async fn serve(
    conventions: Conventions,
    reading: Reading,
    mut request: Request,
    next: Next,
) -> Response {
    let ignored = reading.ignored.clone();
    request.extensions_mut().insert(reading);
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = render(response, &error, conventions);
    }
    if conventions.names_request
        && let Some(id) = response.headers().get(guard::REQUEST_ID).cloned()
    {
        response.headers_mut().insert("request-id", id);
    }
    if let Some(names) = ignored.header() {
        response.headers_mut().insert(ignored::HEADER, names);
    }
    response
}

/// Writes the body of an error that a handler or the guard has returned.
fn render(response: Response, error: &ApiError, conventions: Conventions) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    if let Some(seconds) = error.kind.retry_after() {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    // OpenAI's and Anthropic's clients send a request again after any status from 500 on.
    if error.kind == Kind::NotOffered {
        parts.headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    if error.kind == Kind::Unauthorized {
        parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let mut body = (conventions.error_body)(error);
    if conventions.names_request
        && let Some(id) = parts.headers.get(guard::REQUEST_ID).and_then(|id| id.to_str().ok())
    {
        body["request_id"] = id.into();
    }
    (parts, Json(body)).into_response()
}

/// Answers a request for a path without a route.
pub(crate) async fn not_found(State(state): State<Shared>, request: Request) -> ApiError {
    let path = request.uri().path();
    let error = if let Some(reason) = not_offered::reason(path) {
        ApiError::new(Kind::NotOffered, reason)
    } else {
        let message = format!("There is no `{} {path}`", request.method());
        ApiError::new(Kind::NotFound, message)
    };
    body::discard(request.into_body(), &state).await;
    error
}

/// Answers a request for a path that only takes other methods.
async fn wrong_method(request: Request) -> ApiError {
    let message = format!("`{}` does not take {}", request.uri().path(), request.method());
    ApiError::new(Kind::Method, message)
}
