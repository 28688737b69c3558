//! All routes, and what every request passes on its way to them.

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::state::Shared;
use crate::{admin, dialect, guard, llama, ollama, openai};

/// The router of a server.
pub(crate) fn routes(state: &Shared) -> Router {
    Router::new()
        .merge(openai::routes())
        .merge(llama::routes())
        .merge(ollama::routes())
        .merge(admin::routes())
        .fallback(dialect::not_found)
        .method_not_allowed_fallback(dialect::wrong_method)
        .layer(from_fn_with_state(state.clone(), guard::check))
        .layer(from_fn(dialect::render))
        .with_state(state.clone())
}
