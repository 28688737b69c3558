//! The one error type of the crate.

use std::path::PathBuf;

/// What can go wrong between text and tokens. Each message is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file that has to be there is not.
    #[error("`{}` is missing, so text cannot be turned into tokens; pull the model again", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file exists and cannot be read.
    #[error("`{}` cannot be read ({source}); check its permissions or pull the model again", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not the JSON that it should be.
    #[error("`{}` is damaged ({source}); pull the model again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// `tokenizer.json` is JSON, but describes no tokenizer that can work.
    #[error("`{}` describes no usable tokenizer ({reason}); pull the model again or use another conversion of it", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer failed on a text.
    #[error(
        "The text cannot be turned into tokens ({reason}); report this with the name of the model"
    )]
    Encode {
        /// What the tokenizer said.
        reason: String,
    },
    /// The tokenizer failed on a list of tokens.
    #[error(
        "The tokens cannot be turned into text ({reason}); report this with the name of the model"
    )]
    Decode {
        /// What the decoder said.
        reason: String,
    },
    /// The chat template does not compile.
    #[error("The chat template in `{}` has an error ({reason}); use another conversion of the model", path.display())]
    TemplateSyntax {
        /// The file that holds the template.
        path: PathBuf,
        /// What the template engine said.
        reason: String,
    },
    /// The chat template refused the conversation through `raise_exception`: the caller's mistake.
    #[error("The model's chat template refuses this conversation: {message}")]
    TemplateRaised {
        /// The template's own words.
        message: String,
    },
    /// The chat template failed while it ran.
    #[error("The chat template in `{}` fails on this conversation ({reason}); check the order and fields of the messages", path.display())]
    Template {
        /// The file that holds the template.
        path: PathBuf,
        /// What the template engine said.
        reason: String,
    },
    /// The chat template ran too long or wrote too much.
    #[error("The chat template in `{}` does not come to an end within its bounds ({bound}); shorten the conversation or use another conversion of the model", path.display())]
    TemplateBound {
        /// The file that holds the template.
        path: PathBuf,
        /// Which bound was met.
        bound: String,
    },
    /// A message holds a part that is not text.
    #[error(
        "A message holds content of type `{kind}`, which this model cannot take; send text only"
    )]
    Content {
        /// The part's `type`.
        kind: String,
    },
}
