//! Ranks documents by a query.
//!
//! An encoder reads query and document as a pair and gives a logit. A decoder (Qwen3-Reranker) is asked if the
//! document answers the query, and the probabilities of `yes` and `no` are compared.

use mlxk_models::Output;

use super::Tokens;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::generation::CancelHandle;

const INSTRUCTION: &str =
    "Given a web search query, retrieve relevant passages that answer the query";
/// The conversation before the instruction.
const BEFORE: &str = "<|im_start|>system\nJudge whether the Document meets the requirements based \
                      on the Query and the Instruct provided. Note that the answer can only be \
                      \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
/// The conversation after the document, with an empty thought.
const AFTER: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

/// Documents to rank.
#[derive(Clone, Debug, Default)]
pub struct RerankRequest {
    /// Text to compare with.
    pub query: String,
    /// The documents.
    pub documents: Vec<String>,
    /// Task of a decoder, in words.
    pub instruction: Option<String>,
    /// Most tokens of a document; longer ones are cut.
    pub max_document_tokens: Option<usize>,
    /// `true` to cut pairs that are too long. Otherwise, they are an error.
    pub truncate: bool,
}

/// Scores of documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// One logit for each document; its sigmoid is the probability that the document answers the query.
    pub logits: Vec<f32>,
    /// Number of tokens of all pairs.
    pub tokens: usize,
}

impl Ranking {
    /// Returns the scores from 0 to 1, in the order of the documents.
    pub fn scores(&self) -> Vec<f32> {
        self.logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
    }
}

impl Engine {
    /// Returns `true` if the model ranks documents.
    pub fn reranks(&self) -> bool {
        self.output() == Output::Score || self.embed_side().asks_yes_or_no
    }

    /// Scores documents by a query, and waits for it. Takes turns with running requests. `cancel` ends it from
    /// another thread with [`EngineError::Stopped`].
    pub fn rerank(
        &self,
        request: &RerankRequest,
        cancel: &CancelHandle,
    ) -> Result<Ranking, EngineError> {
        if self.output() == Output::Score {
            return self.score_pairs(request, cancel);
        }
        if !self.embed_side().asks_yes_or_no {
            return Err(EngineError::NotAReranker);
        }
        self.ask(request, cancel)
    }

    /// Reads query and document as a pair.
    fn score_pairs(
        &self,
        request: &RerankRequest,
        cancel: &CancelHandle,
    ) -> Result<Ranking, EngineError> {
        let tokenizer = self.tokenizer();
        let marks = tokenizer.pair_marks()?;
        let maximum = self.embed_settings().max_tokens;
        let marked = marks.before.len() + marks.between.len() + marks.after.len();
        let query = tokenizer.encode(&request.query, false)?;
        let mut texts = Vec::with_capacity(request.documents.len());
        for (index, document) in request.documents.iter().enumerate() {
            let mut document = tokenizer.encode(document, false)?;
            document.truncate(request.max_document_tokens.unwrap_or(usize::MAX));
            let (mut first, mut second) = (query.len(), document.len());
            if first + second + marked > maximum {
                if !request.truncate {
                    let tokens = first + second + marked;
                    return Err(EngineError::InputTooLong { index, tokens, maximum });
                }
                (first, second) = fit([first, second], maximum.saturating_sub(marked));
            }
            let mut ids = [&marks.before, &query[..first], &marks.between].concat();
            let start = ids.len();
            ids.extend_from_slice(&document[..second]);
            ids.extend_from_slice(&marks.after);
            self.check_input(index, &ids)?;
            texts.push(Tokens { ids, second: Some((start, marks.second_type)) });
        }
        let tokens = texts.iter().map(|text| text.ids.len()).sum();
        let pooling = self.embed_side().score_pooling;
        let logits = self.pooled(texts, pooling, cancel)?;
        Ok(Ranking { logits: logits.into_iter().map(|logit| logit[0]).collect(), tokens })
    }

    /// Asks a decoder about each document. All questions begin alike, so that the query is computed once.
    fn ask(&self, request: &RerankRequest, cancel: &CancelHandle) -> Result<Ranking, EngineError> {
        let tokenizer = self.tokenizer();
        let word = |word: &'static str| tokenizer.id_of(word).ok_or(EngineError::NotAReranker);
        let choices = vec![vec![word("yes")?], vec![word("no")?]];
        let instruction = request.instruction.as_deref().unwrap_or(INSTRUCTION);
        let query = &request.query;
        let before = format!("{BEFORE}<Instruct>: {instruction}\n<Query>: {query}\n<Document>: ");
        let before = tokenizer.encode(&before, false)?;
        let after = tokenizer.encode(AFTER, false)?;
        let maximum = self.embed_settings().max_tokens;
        let (mut logits, mut tokens) = (Vec::with_capacity(request.documents.len()), 0);
        for (index, document) in request.documents.iter().enumerate() {
            let mut document = tokenizer.encode(document, false)?;
            document.truncate(request.max_document_tokens.unwrap_or(usize::MAX));
            let total = before.len() + document.len() + after.len();
            let room = maximum.saturating_sub(before.len() + after.len());
            if total > maximum && (!request.truncate || room == 0) {
                return Err(EngineError::InputTooLong { index, tokens: total, maximum });
            }
            document.truncate(room);
            let text = [before.as_slice(), &document, &after].concat();
            tokens += text.len();
            let result = self.score_choices(text, choices.clone(), cancel.clone())?;
            let found = result.recv().map_err(|_| EngineError::Stopped)??;
            logits.push((found[0] - found[1]) as f32);
        }
        Ok(Ranking { logits, tokens })
    }
}

/// Returns the lengths of two texts that fit in `room` together, by cutting the longer one as long as it is.
fn fit([first, second]: [usize; 2], room: usize) -> (usize, usize) {
    let half = room / 2;
    if first <= half {
        (first, room - first)
    } else if second <= half {
        (room - second, second)
    } else {
        // Of two texts that are too long, the first keeps the odd token.
        (room - half, half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_text_is_cut() {
        assert_eq!(fit([3, 100], 10), (3, 7));
        assert_eq!(fit([100, 3], 10), (7, 3));
        assert_eq!(fit([100, 100], 11), (6, 5));
        assert_eq!(fit([5, 100], 0), (0, 0));
    }

    #[test]
    fn scores_are_probabilities() {
        let ranking = Ranking { logits: vec![0.0, 100.0, -100.0], tokens: 1 };
        assert_eq!(ranking.scores(), [0.5, 1.0, 0.0]);
    }
}
