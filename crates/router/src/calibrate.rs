//! A short measurement of a candidate that was never asked before.

use std::ops::ControlFlow;

use mlxk_chat::{Message, Request};
use mlxk_providers::{Limits, Provider, ProviderError, Result};

use crate::sample::Sample;

/// Measured requests, after one that loads the model.
const ROUNDS: usize = 3;
const ANSWER_TOKENS: usize = 32;
/// Words of the prompt.
const WORDS: usize = 150;

/// Measures a model with three short requests, after one that loads it and does not count. Each has a prompt of its
/// own, so that a cache does not answer for the processor. Prompts are halved until they fit into the context.
pub fn calibrate(provider: &dyn Provider, model: &str, limits: &Limits) -> Result<Vec<Sample>> {
    let mut words = WORDS;
    loop {
        match ask(provider, model, limits, (0, words), 1) {
            Ok(_) => break,
            Err(ProviderError::TooLong { .. }) if words > 1 => words /= 2,
            Err(error) => return Err(error),
        }
    }
    let round = |round| ask(provider, model, limits, (round, words), ANSWER_TOKENS);
    (1..=ROUNDS).map(round).collect()
}

/// Asks for an answer of this many tokens, with the prompt of a round.
fn ask(
    provider: &dyn Provider,
    model: &str,
    limits: &Limits,
    (round, words): (usize, usize),
    tokens: usize,
) -> Result<Sample> {
    let words = (0..words).map(|number| format!("{} apples,", (number * 7 + round * 13) % 100));
    let words = words.collect::<Vec<_>>().join(" ");
    let text = format!("List {round}: {words} and so on. Continue.");
    let mut request = Request::chat(model, vec![Message::new("user", text)]);
    request.max_tokens = Some(tokens);
    request.sampling.temperature = Some(0.0);
    let answer = provider.answer(&request, limits, &mut |_| ControlFlow::Continue(()))?;
    Ok(Sample::of(&answer))
}
