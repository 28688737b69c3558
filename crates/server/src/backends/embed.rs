//! Vectors from hosts elsewhere.

use std::sync::Arc;
use std::time::Instant;

use mlxk_engine::embed::{EmbedInput, EmbedRequest, Embedded, Prompt, normalize};
use mlxk_providers::Cancel;
use tokio::sync::oneshot;

use super::Group;
use super::ask::{first, on_thread};
use crate::embeddings;
use crate::error::ApiError;
use crate::guard;
use crate::state::{Phase, Shared};

/// Ends the request when the client leaves.
struct Leaving(Cancel);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Turns texts into vectors on a host. Fails for options that no host takes.
pub(crate) async fn embed(
    state: &Shared,
    group: &Arc<Group>,
    request: EmbedRequest,
) -> Result<Embedded, ApiError> {
    state.is_open()?;
    let texts = texts(&request)?;
    let (name, started) = (group.name.clone(), Instant::now());
    let leaving = Leaving(Cancel::default());
    let (cancel, group, trace) = (leaving.0.clone(), Arc::clone(group), guard::trace());
    let (sender, found) = oneshot::channel();
    let span = tracing::Span::current();
    on_thread(move || {
        let _span = span.enter();
        let key = texts.first().map(String::as_bytes).unwrap_or_default();
        let found = first(&group, key, trace.as_ref(), &cancel, |host, limits, _| {
            host.provider.embed(&host.model, &texts, limits)
        });
        // The receiver is gone if the client has left.
        let _ = sender.send(found);
    })?;
    let mut phase = state.phase.subscribe();
    let found = tokio::select! {
        found = found => found.map_err(|_| ApiError::panicked())??,
        _ = phase.wait_for(|phase| *phase == Phase::Ending) => return Err(ApiError::stopping()),
    };
    let mut embedded =
        Embedded { vectors: found.vectors, tokens: found.tokens.unwrap_or(0), truncated: 0 };
    if request.normalize == Some(true) {
        embedded.vectors.iter_mut().for_each(|vector| normalize(vector));
    }
    embeddings::count(state, &name, &embedded, started);
    Ok(embedded)
}

fn texts(request: &EmbedRequest) -> Result<Vec<String>, ApiError> {
    let no = |field: &str, what: &str| {
        Err(ApiError::field(field, format!("`{field}`: models of other hosts take no {what}")))
    };
    if request.dimensions.is_some() {
        return no("dimensions", "number of dimensions");
    }
    if request.prompt != Prompt::Default {
        return no("input_type", "purpose of a text");
    }
    let text = |input: &EmbedInput| match input {
        EmbedInput::Text(text) => Ok(text.clone()),
        EmbedInput::Tokens(_) => {
            let message = "`input`: models of other hosts take texts only, and no tokens";
            Err(ApiError::field("input", message))
        }
    };
    request.inputs.iter().map(text).collect()
}
