//! All routes. Only this file and the description of the routes know every dialect.

use axum::Router;
use axum::middleware::map_request;

use crate::conventions::{apply, not_found};
use crate::state::Shared;
use crate::{admin, anthropic, llama, ollama, openai, page, paths, responses, retrieval};

/// Builds the router of a server.
pub(crate) fn routes(state: &Shared) -> Router {
    // llama-server and most other clients expect OpenAI's errors, also for paths that do not exist.
    let openai = Router::new()
        .merge(openai::routes())
        .merge(responses::routes())
        .merge(llama::routes())
        .merge(retrieval::routes())
        .merge(admin::routes())
        .merge(page::routes())
        .fallback(not_found);
    let routes = Router::new()
        .merge(apply(openai, openai::CONVENTIONS, state))
        .merge(apply(anthropic::routes(), anthropic::CONVENTIONS, state))
        .merge(apply(ollama::routes(), ollama::CONVENTIONS, state))
        .with_state(state.clone());
    // A layer of the routes themselves would only see requests that have a route already.
    Router::new().fallback_service(routes).layer(map_request(paths::plain))
}
