//! Everything of a model that deals with text: the other half of an engine than model and device.

use mlxk_text::{ChatTemplate, Tokenizer};

use crate::grammar::Grammars;
use crate::sampling::SamplingDefaults;

/// Turns requests into tokens and tokens into answers.
pub(crate) struct TextSide {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: Option<ChatTemplate>,
    pub(crate) grammars: Grammars,
    pub(crate) defaults: SamplingDefaults,
    /// Most tokens of prompt and answer together.
    pub(crate) context: usize,
    /// Number of the model's token ids.
    pub(crate) vocab_size: usize,
}
