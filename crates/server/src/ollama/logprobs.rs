//! Log-probabilities in Ollama's words.

use mlxk_engine::TokenInfo;
use mlxk_text::Tokenizer;

use super::dto::replies::{Logprob, TokenLogprob};

/// Stands for infinity, which JSON does not have.
const IMPOSSIBLE: f32 = -9999.0;

/// Returns the tokens of a piece of text, or `None` if there are none.
pub(super) fn logprobs(tokens: &[TokenInfo], tokenizer: &Tokenizer) -> Option<Vec<Logprob>> {
    let one = |(id, logprob): (u32, f32)| {
        let bytes = tokenizer.token_bytes(id).unwrap_or_default();
        let logprob = if logprob.is_finite() { logprob } else { IMPOSSIBLE };
        TokenLogprob { token: String::from_utf8_lossy(&bytes).into_owned(), logprob, bytes }
    };
    let all = tokens.iter().map(|token| Logprob {
        token: one((token.id, token.logprob)),
        top_logprobs: token.top.iter().copied().map(one).collect(),
    });
    (!tokens.is_empty()).then(|| all.collect())
}
