//! Which dialect a path belongs to, and what its errors look like.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::error::{ApiError, Kind};
use crate::json::Json;
use crate::openai;

/// The shape of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/v1`, and everything that is nobody else's; llama-server has the same shape.
    OpenAi,
    /// `/api`.
    Ollama,
}

impl Dialect {
    /// The dialect of a path.
    pub(crate) fn of(path: &str) -> Self {
        let is_ollama = path == "/api" || path.starts_with("/api/");
        if is_ollama { Self::Ollama } else { Self::OpenAi }
    }

    /// An error as the body of a response, or as an event of a stream.
    pub(crate) fn body(self, error: &ApiError) -> Value {
        match self {
            Self::OpenAi => openai::error_body(error),
            Self::Ollama => serde_json::json!({"error": error.message}),
        }
    }
}

/// Gives the errors of handlers, and those of the router itself, the shape of their dialect.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    if let Some(seconds) = error.kind.retry_after() {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.kind == Kind::Unauthorized {
        parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    (parts, Json(dialect.body(&error))).into_response()
}

/// A path that leads nowhere.
pub(crate) async fn not_found(request: Request) -> ApiError {
    let message = format!("There is no `{} {}`", request.method(), request.uri().path());
    ApiError::new(Kind::NotFound, message)
}

/// A path that takes other methods.
pub(crate) async fn wrong_method(request: Request) -> ApiError {
    let message = format!("`{}` does not take {}", request.uri().path(), request.method());
    ApiError::new(Kind::Method, message)
}
