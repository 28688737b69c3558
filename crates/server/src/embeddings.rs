//! Vectors and rankings, as all dialects ask for them.
//!
//! The engine computes them next to answers. If a client leaves, its request ends at the next step.

use std::sync::Arc;
use std::time::Instant;

use mlxk_engine::embed::{EmbedInput, EmbedRequest, Embedded, Prompt, Ranking, RerankRequest};
use mlxk_engine::{CancelHandle, Engine, EngineError};
use serde_json::Value;

use crate::blocking::blocking;
use crate::error::ApiError;
use crate::models::Lease;
use crate::state::Shared;

/// Most inputs of a request, as in OpenAI's API.
pub(crate) const MAX_INPUTS: usize = 2048;

/// Turns texts into vectors.
pub(crate) async fn embed(
    state: &Shared,
    lease: Lease,
    request: EmbedRequest,
) -> Result<Embedded, ApiError> {
    let (model, started) = (lease.name().to_owned(), Instant::now());
    let embedded = run(state, lease, move |engine, cancel| engine.embed(&request, cancel)).await?;
    count(state, &model, &embedded, started);
    Ok(embedded)
}

/// Counts a request for vectors, and writes it to the log.
pub(crate) fn count(state: &Shared, model: &str, embedded: &Embedded, started: Instant) {
    state.metrics.embedded(embedded.tokens);
    let (inputs, prompt_tokens) = (embedded.vectors.len(), embedded.tokens);
    tracing::info!(model, inputs, prompt_tokens, ms = milliseconds(started), "embedded");
}

/// Ranks documents.
pub(crate) async fn rerank(
    state: &Shared,
    lease: Lease,
    request: RerankRequest,
) -> Result<Ranking, ApiError> {
    let (model, started) = (lease.name().to_owned(), Instant::now());
    let ranking = run(state, lease, move |engine, cancel| engine.rerank(&request, cancel)).await?;
    state.metrics.embedded(ranking.tokens);
    let (documents, prompt_tokens) = (ranking.logits.len(), ranking.tokens);
    tracing::info!(model, documents, prompt_tokens, ms = milliseconds(started), "ranked");
    Ok(ranking)
}

fn milliseconds(started: Instant) -> u64 {
    started.elapsed().as_millis() as u64
}

/// Cancels the work when the client leaves.
struct Guard(CancelHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn run<T: Send + 'static>(
    state: &Shared,
    lease: Lease,
    work: impl FnOnce(&Engine, &CancelHandle) -> Result<T, EngineError> + Send + 'static,
) -> Result<T, ApiError> {
    state.is_open()?;
    let place = lease.take_places(1)?;
    let guard = Guard(CancelHandle::default());
    let cancel = guard.0.clone();
    let lease = Arc::new(lease);
    // The work ends soon after the client has left, and keeps the model until then.
    let result = blocking(move || {
        let _place = place;
        let found = work(&lease.engine(), &cancel)?;
        lease.honor_keep();
        Ok(found)
    });
    let result = result.await;
    drop(guard);
    result
}

/// Reads texts, or token ids, of one or several inputs.
pub(crate) fn inputs(field: &str, given: Option<Value>) -> Result<Vec<EmbedInput>, ApiError> {
    let wrong = || {
        let message = format!("`{field}` must be a text, a list of texts, or lists of token ids");
        ApiError::field(field, message)
    };
    let tokens = |values: &[Value]| -> Result<EmbedInput, ApiError> {
        let ids = values.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()));
        ids.collect::<Option<Vec<u32>>>().map(EmbedInput::Tokens).ok_or_else(wrong)
    };
    let found = match given {
        None => return Err(ApiError::missing(field)),
        Some(Value::String(text)) => vec![EmbedInput::Text(text)],
        Some(Value::Array(values)) if values.first().is_some_and(Value::is_number) => {
            vec![tokens(&values)?]
        }
        Some(Value::Array(values)) => {
            let each = values.into_iter().map(|value| match value {
                Value::String(text) => Ok(EmbedInput::Text(text)),
                Value::Array(ids) => tokens(&ids),
                _ => Err(wrong()),
            });
            each.collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong()),
    };
    if found.len() > MAX_INPUTS {
        let count = found.len();
        let message =
            format!("`{field}` has {count} inputs, but at most {MAX_INPUTS} are possible");
        return Err(ApiError::field(field, message));
    }
    Ok(found)
}

/// Refuses inputs without content, by the index of the first.
pub(crate) fn refuse_empty(field: &str, inputs: &[EmbedInput]) -> Result<(), ApiError> {
    if inputs.is_empty() {
        return Err(ApiError::field(field, format!("`{field}` is empty")));
    }
    let is_empty = |input: &EmbedInput| match input {
        EmbedInput::Text(text) => text.is_empty(),
        EmbedInput::Tokens(ids) => ids.is_empty(),
    };
    match inputs.iter().position(is_empty) {
        Some(index) => {
            let message = format!("`{field}` has an empty input at index {index}");
            Err(ApiError::field(field, message))
        }
        None => Ok(()),
    }
}

/// Reads the purpose of texts, in the words of Cohere, Jina, Voyage and sentence-transformers.
pub(crate) fn prompt(
    input_type: Option<&str>,
    prompt_name: Option<String>,
    instruction: Option<String>,
) -> Result<Prompt, ApiError> {
    if let Some(text) = instruction.filter(|text| !text.is_empty()) {
        return Ok(Prompt::Instruction(text));
    }
    if let Some(name) = prompt_name.filter(|name| !name.is_empty()) {
        return Ok(Prompt::Named(name));
    }
    match input_type {
        None | Some("") => Ok(Prompt::Default),
        Some("query" | "search_query" | "retrieval.query") => Ok(Prompt::Query),
        Some("document" | "search_document" | "passage" | "retrieval.passage") => {
            Ok(Prompt::Document)
        }
        Some(_) => {
            let message = "`input_type` must be `query` or `document`";
            Err(ApiError::field("input_type", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inputs_are_texts_or_tokens() {
        let text = |text: &str| EmbedInput::Text(text.into());
        let tokens = |ids: &[u32]| EmbedInput::Tokens(ids.into());
        let read = |value| inputs("input", Some(value)).map_err(|error| error.param);
        assert_eq!(read(json!("a")), Ok(vec![text("a")]));
        assert_eq!(read(json!(["a", "b"])), Ok(vec![text("a"), text("b")]));
        assert_eq!(read(json!([1, 2])), Ok(vec![tokens(&[1, 2])]));
        assert_eq!(read(json!([[1], [2, 3]])), Ok(vec![tokens(&[1]), tokens(&[2, 3])]));
        assert_eq!(read(json!([])), Ok(vec![]));
        for value in [json!(1), json!([1, "a"]), json!([[-1]]), json!({}), json!([true])] {
            assert_eq!(read(value), Err(Some("input".to_owned())));
        }
        assert!(inputs("input", None).is_err());
        assert!(inputs("input", Some(json!(vec!["a"; MAX_INPUTS + 1]))).is_err());
    }

    #[test]
    fn purposes_have_several_names() {
        let of = |name: &str| prompt(Some(name), None, None).map_err(|error| error.param);
        assert_eq!(of("search_query"), Ok(Prompt::Query));
        assert_eq!(of("document"), Ok(Prompt::Document));
        assert_eq!(of(""), Ok(Prompt::Default));
        assert_eq!(of("image"), Err(Some("input_type".into())));
        let named = prompt(Some("query"), Some("code".into()), None).unwrap();
        assert_eq!(named, Prompt::Named("code".into()));
    }
}
