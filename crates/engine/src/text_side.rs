//! Everything of a model that deals with text: the other half of an engine than model and device.

use std::sync::OnceLock;

use mlxk_text::tools::{ToolHints, ToolSupport, WireForm, detect};
use mlxk_text::{ChatTemplate, Tokenizer};

use crate::error::EngineError;
use crate::grammar::Grammars;
use crate::sampling::SamplingDefaults;

/// Turns requests into tokens and tokens into answers.
pub(crate) struct TextSide {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: Option<ChatTemplate>,
    /// Settings of the tokenizer about tool calls.
    pub(crate) tool_hints: ToolHints,
    /// Support of the model for tools, found out on first use.
    pub(crate) tool_support: OnceLock<ToolSupport>,
    pub(crate) grammars: Grammars,
    pub(crate) defaults: SamplingDefaults,
    /// Most tokens of prompt and answer together.
    pub(crate) context: usize,
    /// Number of the model's token ids.
    pub(crate) vocab_size: usize,
}

impl TextSide {
    /// Returns how the model supports tools.
    pub(crate) fn tool_support(&self) -> ToolSupport {
        let Some(template) = &self.template else { return ToolSupport::default() };
        let has_token = |token: &str| self.tokenizer.id_of(token).is_some();
        *self.tool_support.get_or_init(|| detect(template, &self.tool_hints, &has_token))
    }

    /// Returns the form of the model's tool calls.
    pub(crate) fn tool_form(&self) -> Result<WireForm, EngineError> {
        let support = self.tool_support();
        if !support.renders_tools {
            let reason = "its chat template does not mention them";
            return Err(EngineError::NoTools { reason });
        }
        let reason = "its chat template shows no known form of calls";
        support.form.map(|(form, _)| form).ok_or(EngineError::NoTools { reason })
    }
}
