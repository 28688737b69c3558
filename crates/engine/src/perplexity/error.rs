//! What can go wrong while a text is scored.

use std::path::PathBuf;

use crate::EngineError;

/// Any failure of scoring a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PerplexityError {
    /// The model could not be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A size of the windows that cannot be.
    #[error("`--{option}` is {value}, but {expected} is needed")]
    BadWindow {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        value: usize,
        /// What would do.
        expected: String,
    },
    /// A window longer than the model can see.
    #[error("The window has {window} tokens, but the model's context holds at most {context}")]
    WindowTooLong {
        /// Tokens of a window.
        window: usize,
        /// Tokens that model and memory allow.
        context: usize,
    },
    /// No token has enough tokens before it.
    #[error(
        "The text has {tokens} tokens, too few to score one; at least {needed} are needed, because \
         a token is scored by what stands before it"
    )]
    TooShort {
        /// Tokens of the text.
        tokens: usize,
        /// Tokens with which one is scored.
        needed: usize,
    },
    /// Models with vocabularies of different sizes.
    #[error(
        "The two models have different tokenizers and cannot be compared: one has a vocabulary of \
         {ours} tokens, the other of {theirs}"
    )]
    OtherVocabulary {
        /// Size of the model's.
        ours: usize,
        /// Size of the reference's.
        theirs: usize,
    },
    /// Models that split the text differently.
    #[error(
        "The two models have different tokenizers and cannot be compared: they split the text \
         differently from token {position} on"
    )]
    OtherTokens {
        /// Number of leading tokens that are the same.
        position: usize,
    },
    /// A file of saved logits that cannot be read or written.
    #[error("Cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of saved logits that is not what it should be, or belongs to something else.
    #[error("`{}` {reason}", path.display())]
    Saved {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The observer asked to stop.
    #[error("Scoring was cancelled")]
    Cancelled,
}
