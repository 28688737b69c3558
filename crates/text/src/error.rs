//! The crate's error type.

use std::path::PathBuf;

/// Failure of a tokenizer or a chat template. Messages say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named after their content")]
pub enum TextError {
    /// A required file does not exist.
    #[error("`{}` is missing; pull the model again", path.display())]
    Missing { path: PathBuf },
    /// A file exists, but cannot be read.
    #[error("`{}` cannot be read: {source}; check its permissions, or pull the model again", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A file is not valid JSON, or has unexpected fields.
    #[error("`{}` is damaged: {source}; pull the model again", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    /// `tokenizer.json` is JSON, but not a usable tokenizer.
    #[error("`{}` is not a usable tokenizer: {reason}; pull the model again, or use another conversion", path.display())]
    Tokenizer { path: PathBuf, reason: String },
    /// The tokenizer failed on a text.
    #[error("Cannot encode the text: {reason}; please report this with the name of the model")]
    Encode { reason: String },
    /// The tokenizer failed on a list of tokens.
    #[error("Cannot decode the tokens: {reason}; please report this with the name of the model")]
    Decode { reason: String },
    /// The chat template does not compile.
    #[error("The chat template in `{}` has an error: {reason}; use another conversion of the model", path.display())]
    TemplateSyntax { path: PathBuf, reason: String },
    /// The chat template called `raise_exception`, because the conversation is invalid.
    #[error("The model's chat template refuses this conversation: {message}")]
    TemplateRaised { message: String },
    /// The chat template failed while rendering.
    #[error("The chat template in `{}` failed on this conversation: {reason}; check the order and fields of the messages", path.display())]
    Template { path: PathBuf, reason: String },
    /// The chat template ran too long or its output is too long.
    #[error("The chat template in `{}` exceeds its limits: {bound}; shorten the conversation, or use another conversion of the model", path.display())]
    TemplateBound { path: PathBuf, bound: String },
    /// A message contains a part that is not text.
    #[error("A message contains content of type `{kind}`, but this model only reads text")]
    Content { kind: String },
}
