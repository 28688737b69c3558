//! Two models on the same text, compared after both have run. Unlike [`super::Comparison`], this needs no row of
//! predictions, so one model is in memory at a time.

use std::collections::BTreeMap;

use super::statistics::Moments;
use super::{Estimate, Evaluation};

/// Bytes of a piece of text. Tokens of two tokenizers have no common ends, so their figures are added up over
/// pieces. Long enough that a token across a boundary matters little.
const PIECE_BYTES: usize = 256;

/// Score of one token of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenScore {
    /// Natural log-probability of the token.
    pub log_probability: f32,
    /// The most probable token, with the lowest id among equals.
    pub top: u32,
    /// Number of bytes of the text up to the end of the token.
    pub end_byte: usize,
}

/// Comparison of a model with a reference that has the same tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// The model's perplexity divided by the reference's, as in [`super::Comparison`].
    pub perplexity_ratio: Estimate,
    /// Share of tokens for which both have the same most probable token, from 0 to 1.
    pub top1_agreement: f64,
}

/// Comparison of a model with a reference that may have other tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerByte {
    /// The model's bits per byte divided by the reference's. The standard error is that of the mean difference of
    /// pieces of the text, in pairs, over the mean of the reference's pieces.
    pub ratio: Estimate,
}

/// Compares the scores of the same tokens. Returns `None` if there are none, or not as many of each.
pub fn per_token(model: &[TokenScore], reference: &[TokenScore]) -> Option<Paired> {
    if model.is_empty() || model.len() != reference.len() {
        return None;
    }
    let (mut difference, mut same) = (Moments::default(), 0);
    for (ours, theirs) in model.iter().zip(reference) {
        difference.push(f64::from(theirs.log_probability) - f64::from(ours.log_probability));
        same += usize::from(ours.top == theirs.top);
    }
    let Estimate { mean, standard_error } = difference.estimate();
    let ratio = mean.exp();
    let standard_error = standard_error.map(|error| ratio * error);
    let perplexity_ratio = Estimate { mean: ratio, standard_error };
    Some(Paired { perplexity_ratio, top1_agreement: same as f64 / model.len() as f64 })
}

/// Compares bits per byte, which don't depend on the tokenizer. Returns `None` if a side has no scores.
pub fn per_byte(model: &Evaluation, reference: &Evaluation) -> Option<PerByte> {
    if model.scores.is_empty() || reference.scores.is_empty() {
        return None;
    }
    // The figures of a table, so that the ratio follows from them. The pieces only tell how much it varies.
    let mean = model.bits_per_byte() / reference.bits_per_byte();
    let standard_error = error_per_byte(&model.scores, &reference.scores);
    Some(PerByte { ratio: Estimate { mean, standard_error } })
}

/// Returns the standard error of the ratio of bits per byte. `None` if there are too few pieces.
fn error_per_byte(model: &[TokenScore], reference: &[TokenScore]) -> Option<f64> {
    let (ours, theirs) = (pieces(model), pieces(reference));
    let bytes: usize = theirs.values().map(|piece| piece.bytes).sum();
    let nats: f64 = theirs.values().map(|piece| piece.nats).sum();
    let their_rate = nats / bytes as f64;
    let mut difference = Moments::default();
    for (place, ours) in &ours {
        if let Some(theirs) = theirs.get(place) {
            difference.push(ours.rate() - theirs.rate());
        }
    }
    difference.estimate().standard_error.map(|error| error / their_rate)
}

#[derive(Default)]
struct Piece {
    nats: f64,
    bytes: usize,
}

impl Piece {
    fn rate(&self) -> f64 {
        self.nats / self.bytes.max(1) as f64
    }
}

/// Adds up the scores over pieces of the text, by their number.
fn pieces(scores: &[TokenScore]) -> BTreeMap<usize, Piece> {
    let mut pieces: BTreeMap<usize, Piece> = BTreeMap::new();
    // The start of the first token is unknown. Tokens are short, so it counts as one byte.
    let mut before = scores.first().map_or(0, |first| first.end_byte.saturating_sub(1));
    for score in scores {
        let piece = pieces.entry(score.end_byte.saturating_sub(1) / PIECE_BYTES).or_default();
        piece.nats -= f64::from(score.log_probability);
        piece.bytes += score.end_byte - before;
        before = score.end_byte;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(log_probability: f32, top: u32, end_byte: usize) -> TokenScore {
        TokenScore { log_probability, top, end_byte }
    }

    #[test]
    fn tokens_are_compared_in_pairs() {
        let reference = [score(-1.0, 1, 2), score(-2.0, 2, 4), score(-3.0, 3, 6)];
        let model = [score(-1.5, 1, 2), score(-2.5, 9, 4), score(-3.5, 3, 6)];
        let found = per_token(&model, &reference).unwrap();
        assert!((found.perplexity_ratio.mean - 0.5_f64.exp()).abs() < 1e-12);
        assert!(found.perplexity_ratio.standard_error.unwrap() < 1e-12);
        assert!((found.top1_agreement - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(per_token(&model[1..], &reference), None);
        assert_eq!(per_token(&[], &[]), None);
    }

    /// Scores of tokens that each have this many bytes.
    fn evaluation(log_probability: f32, token_bytes: usize, tokens: usize) -> Evaluation {
        let scores = (1..=tokens).map(|end| score(log_probability, 0, token_bytes * end)).collect();
        let nll = Estimate { mean: -f64::from(log_probability), standard_error: None };
        let bytes = token_bytes * tokens;
        Evaluation { tokens, bytes, windows: 1, nll, comparison: None, scores }
    }

    /// A tokenizer with longer tokens, and the same probability of the text.
    #[test]
    fn other_tokens_of_the_same_text_have_the_same_bits_per_byte() {
        let (fine, coarse) = (evaluation(-0.25, 1, 2048), evaluation(-1.0, 4, 512));
        let found = per_byte(&coarse, &fine).unwrap().ratio;
        assert!((found.mean - 1.0).abs() < 1e-6, "{found:?}");
        let worse = evaluation(-1.1, 4, 512);
        let found = per_byte(&worse, &fine).unwrap().ratio;
        assert!((found.mean - 1.1).abs() < 1e-6 && found.interval()[0] > 1.0, "{found:?}");
        // Long tokens, whose first one weighs much in the pieces: the ratio is that of the figures in the table all the same.
        let long = evaluation(-20.0, 60, 8);
        let found = per_byte(&long, &fine).unwrap().ratio.mean;
        let table = long.bits_per_byte() / fine.bits_per_byte();
        assert!((found - table).abs() < 1e-12, "{found} instead of {table}");
        assert_eq!(per_byte(&evaluation(-1.0, 1, 0), &fine), None);
    }
}
