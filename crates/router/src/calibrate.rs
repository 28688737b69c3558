//! A short measurement of a candidate that was never asked before.

use std::ops::ControlFlow;
use std::time::Instant;

use mlxk_chat::{Message, Request};
use mlxk_providers::{Limits, Provider, ProviderError, Result};

use crate::sample::Sample;

/// Measured requests, after one that loads the model.
const ROUNDS: usize = 3;
const ANSWER_TOKENS: usize = 32;
/// Number of words in the prompt.
const WORDS: usize = 150;
/// Words of the prompt. Their number is prime.
const VOCABULARY: &str = "river window teacher garden winter letter market bridge doctor island kitchen forest engine \
    mountain bread silver captain music village paper summer horse camera desert blanket station orange shadow ladder \
    ticket valley hammer picture lemon uncle harbor candle pocket thunder basket corner feather gold engineer tunnel \
    carpet dinner lantern meadow button stranger clock copper pillow sailor cloud anchor wagon mirror rope story";

/// Measures a model with three short requests, after one that loads it and does not count. Each has a prompt of its
/// own, so that a cache does not answer for the processor. Prompts are halved until they fit into the context. The
/// deadline of `limits` is that of all requests together; if it passes after the first figures, these count.
/// `on_request` receives the number of finished requests and of all.
pub fn calibrate(
    provider: &dyn Provider,
    model: &str,
    limits: &Limits,
    on_request: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Sample>> {
    let begun = Instant::now();
    let limits = || {
        let deadline = limits.deadline.map(|it| it.saturating_sub(begun.elapsed()));
        Limits { deadline, ..limits.clone() }
    };
    on_request(0, 1 + ROUNDS);
    let mut words = WORDS;
    loop {
        match ask(provider, model, &limits(), (0, words), 1) {
            Ok(_) => break,
            Err(ProviderError::TooLong { .. }) if words > 1 => words /= 2,
            Err(error) => return Err(error),
        }
    }
    let mut samples = Vec::new();
    for round in 1..=ROUNDS {
        on_request(round, 1 + ROUNDS);
        match ask(provider, model, &limits(), (round, words), ANSWER_TOKENS) {
            Ok(sample) => samples.push(sample),
            Err(ProviderError::Deadline { .. }) if !samples.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(samples)
}

/// Asks for an answer of this many tokens, with the prompt of a round.
fn ask(
    provider: &dyn Provider,
    model: &str,
    limits: &Limits,
    (round, words): (usize, usize),
    tokens: usize,
) -> Result<Sample> {
    let text = prompt(round, words);
    let mut request = Request::chat(model, vec![Message::new("user", text)]);
    request.max_tokens = Some(tokens);
    request.sampling.temperature = Some(0.0);
    let answer = provider.answer(&request, limits, &mut |_| ControlFlow::Continue(()))?;
    Ok(Sample::of(&answer, true))
}

/// Returns a prompt with this many words. No two of them follow each other twice, so that drafts from the prompt neither
/// help nor hurt more than with other texts.
fn prompt(round: usize, words: usize) -> String {
    let vocabulary: Vec<&str> = VOCABULARY.split_whitespace().collect();
    let count = vocabulary.len();
    // Every pass through all words takes steps of another width.
    let word = |number: usize| {
        let (pass, place) = (number / count, number % count);
        vocabulary[(place * (round * 3 + pass + 1) + round) % count]
    };
    let words: Vec<&str> = (0..words).map(word).collect();
    format!("Tell a story with these words: {}.", words.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ROUNDS, VOCABULARY, WORDS, prompt};

    #[test]
    fn prompts_repeat_no_pair_of_words() {
        let vocabulary: BTreeSet<&str> = VOCABULARY.split_whitespace().collect();
        let count = vocabulary.len();
        assert!((2..count).all(|divisor| !count.is_multiple_of(divisor)), "{count} words");
        for round in 0..=ROUNDS {
            let text = prompt(round, WORDS);
            let words: Vec<&str> =
                text.split([' ', ',', '.', ':']).filter(|it| !it.is_empty()).collect();
            let pairs: BTreeSet<&[&str]> = words.windows(2).collect();
            assert_eq!(pairs.len(), words.len() - 1, "{text}");
        }
    }
}
