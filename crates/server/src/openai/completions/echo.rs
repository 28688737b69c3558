//! `echo`: the prompt before its answers, with the log-probabilities that the model gives it.

use std::ops::ControlFlow;
use std::sync::Arc;

use mlxk_engine::{Engine, EngineError, PromptInput, TokenInfo};
use mlxk_text::Tokenizer;

use crate::blocking::blocking;
use crate::error::ApiError;
use crate::openai::common::{finite, token_text};
use crate::openai::dto::completions::Logprobs;

/// A prompt as it precedes its answers. Empty unless the client asks for it.
#[derive(Clone, Default)]
pub(super) struct Echo {
    pub(super) text: String,
    pub(super) logprobs: Option<Logprobs>,
}

/// Returns the echo of each prompt. `top` is the number of alternatives, if log-probabilities are wanted.
pub(super) async fn echoes(
    engine: &Arc<Engine>,
    prompts: Vec<PromptInput>,
    top: Option<usize>,
) -> Result<Vec<Echo>, ApiError> {
    let engine = Arc::clone(engine);
    let read = move || prompts.iter().map(|prompt| echo(&engine, prompt, top)).collect();
    blocking(read).await
}

fn echo(engine: &Engine, prompt: &PromptInput, top: Option<usize>) -> Result<Echo, ApiError> {
    let ids = engine.encode(prompt)?;
    let text = match prompt {
        PromptInput::Text(text) => text.clone(),
        _ => engine.tokenizer().decode(&ids, false).map_err(EngineError::from)?,
    };
    let logprobs = top.map(|top| score(engine, &ids, top)).transpose()?;
    Ok(Echo { text, logprobs })
}

/// Returns the log-probabilities of the tokens of a prompt. The first has none, since nothing precedes it.
fn score(engine: &Engine, ids: &[u32], top: usize) -> Result<Logprobs, ApiError> {
    let mut logprobs = Logprobs::default();
    let tokenizer = engine.tokenizer();
    let mut offset = 0;
    if let Some(&first) = ids.first() {
        push(&mut logprobs, tokenizer, &mut offset, first, None);
    }
    engine.score(ids.to_vec(), 0, |position, row| {
        let Some(&id) = ids.get(position + 1) else { return ControlFlow::Break(()) };
        let best = best(row, top);
        let own = row.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
        push(&mut logprobs, tokenizer, &mut offset, id, Some((own, &best)));
        ControlFlow::Continue(())
    })?;
    Ok(logprobs)
}

/// Returns the `count` most probable token ids of a row, with their log-probabilities.
fn best(row: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut best: Vec<(u32, f32)> =
        row.iter().copied().enumerate().map(|(id, p)| (id as u32, p)).collect();
    let by_falling = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if count > 0 && count < best.len() {
        best.select_nth_unstable_by(count - 1, by_falling);
    }
    best.truncate(count);
    best.sort_by(by_falling);
    best
}

/// Returns the log-probabilities of an answer's tokens, the first of them `offset` characters into the text.
pub(super) fn of_tokens(
    tokens: &[TokenInfo],
    tokenizer: &Tokenizer,
    offset: &mut usize,
) -> Logprobs {
    let mut logprobs = Logprobs::default();
    for token in tokens {
        push(&mut logprobs, tokenizer, offset, token.id, Some((token.logprob, &token.top)));
    }
    logprobs
}

/// Adds a token, and moves `offset` behind it.
fn push(
    to: &mut Logprobs,
    tokenizer: &Tokenizer,
    offset: &mut usize,
    id: u32,
    logprob: Option<(f32, &[(u32, f32)])>,
) {
    let (token, _) = token_text(tokenizer, id);
    to.text_offset.push(*offset);
    *offset += token.chars().count();
    to.tokens.push(token);
    to.token_logprobs.push(logprob.map(|(own, _)| finite(own)));
    to.top_logprobs.push(logprob.map(|(_, top)| {
        let one =
            |&(id, logprob): &(u32, f32)| (token_text(tokenizer, id).0, finite(logprob).into());
        top.iter().map(one).collect()
    }));
}
