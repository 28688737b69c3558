//! Errors of scoring.

use std::path::PathBuf;

use crate::error::EngineError;

/// Failure of scoring a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named after their content")]
pub enum PerplexityError {
    /// The model failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A size of the windows is out of its range.
    #[error("`--{option}` is {value}, but {expected} is needed")]
    BadWindow { option: &'static str, value: usize, expected: String },
    /// The window is longer than the context.
    #[error("The window of {window} tokens is too long: the context has at most {context}")]
    WindowTooLong { window: usize, context: usize },
    /// The text is too short to score a token.
    #[error(
        "The text is too short: at least {needed} tokens are needed to score one, but it has {tokens}"
    )]
    TooShort {
        tokens: usize,
        /// Number of tokens with which one can be scored.
        needed: usize,
    },
    /// The models have vocabularies of different sizes.
    #[error(
        "Cannot compare models with different tokenizers: one has a vocabulary of {ours} tokens, the \
         other of {theirs}"
    )]
    OtherVocabulary {
        /// Size of the model's vocabulary.
        ours: usize,
        /// Size of the reference's vocabulary.
        theirs: usize,
    },
    /// The models encode the text differently.
    #[error(
        "Cannot compare models with different tokenizers: they encode the text differently from token \
         {position} on"
    )]
    OtherTokens {
        /// Number of leading tokens that are the same.
        position: usize,
    },
    /// A file of saved logits cannot be read or written.
    #[error("Cannot {action} `{}`: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// A file of saved logits is damaged, or belongs to another text or model.
    #[error("`{}` {reason}", path.display())]
    Saved { path: PathBuf, reason: String },
    /// The observer cancelled.
    #[error("Scoring was cancelled")]
    Cancelled,
}
