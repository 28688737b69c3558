//! `POST /infill`: fills the gap between two texts, for editors that speak llama-server's dialect.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use mlxk_engine::{Done, Event, FinishReason, PromptInput};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::body::{Extras, Fields};
use crate::error::ApiError;
use crate::exchange::{self, Framing, Label, Prompted, Wire};
use crate::fill_in_middle::{self, File, Gap};
use crate::openai::{self, Common, Timings};
use crate::state::Shared;

/// Settings of llama-server's own samplers and time limits. They are not parameters of the model.
const EXTRAS: Extras = Extras {
    harmless: &["cache_prompt", "id_slot", "samplers", "timings_per_token", "response_fields"],
    unsupported: &[],
};

/// The fields of a request that [`Common`] does not have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Infill {
    pub(super) input_prefix: String,
    pub(super) input_suffix: String,
    pub(super) input_extra: Vec<File>,
    /// Beginning of the text in the gap.
    pub(super) prompt: String,
}

/// Fills a gap.
pub(super) async fn fill(
    State(state): State<Shared>,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let mut common: Common = fields.take()?;
    let reading = fields.reading.clone();
    let asked: Infill = fields.parse(EXTRAS)?;
    let options = openai::options(&mut common, &reading)?;
    let lease = Arc::new(state.models.acquire(common.model.as_deref(), None).await?);
    let gap = Gap {
        files: &asked.input_extra,
        before: &asked.input_prefix,
        after: &asked.input_suffix,
        begun: &asked.prompt,
    };
    let prompt = fill_in_middle::prompt(lease.engine().tokenizer(), &gap).ok_or_else(|| {
        ApiError::bad(format!(
            "The model `{}` cannot fill a gap: it has no marks for it",
            lease.name()
        ))
        .about(lease.name())
    })?;
    let request = exchange::request(options, PromptInput::Text(prompt), &lease)?;
    let label = Label::new("", common.model, &lease);
    let answers = exchange::start(&state, lease, vec![Prompted::once(request)]).await?;
    exchange::respond(&state, answers, Renderer { label }, common.stream).await
}

struct Renderer {
    label: Label,
}

impl Renderer {
    fn last(&self, done: &Done) -> Value {
        let (kind, word) = match &done.finish_reason {
            FinishReason::MaxTokens | FinishReason::ContextFull => ("limit", ""),
            FinishReason::Stop(text) => ("word", text.as_str()),
            _ => ("eos", ""),
        };
        json!({
            "index": 0, "content": "", "stop": true, "stop_type": kind, "stopping_word": word,
            "model": self.label.model, "truncated": false,
            "tokens_predicted": done.usage.completion_tokens,
            "tokens_evaluated": done.usage.prompt_tokens,
            "tokens_cached": done.usage.cached_tokens,
            "timings": Timings::from(done),
        })
    }
}

impl exchange::Renderer for Renderer {
    type Piece = Value;
    type Whole = Value;

    const WIRE: Wire = Wire { framing: Framing::Sse, end: None, error: openai::error_body };

    fn event(&mut self, _: usize, event: Event) -> Result<Vec<Value>, ApiError> {
        Ok(match event {
            Event::Text(text) => vec![json!({"index": 0, "content": text, "stop": false})],
            Event::Done(done) => vec![self.last(&done)],
            _ => Vec::new(),
        })
    }

    fn empty(&self) -> Value {
        json!({"content": ""})
    }

    fn fold(whole: &mut Value, piece: Value) {
        let before = whole["content"].as_str().unwrap_or_default();
        let text = format!("{before}{}", piece["content"].as_str().unwrap_or_default());
        *whole = piece;
        whole["content"] = text.into();
    }
}
