//! The part of an engine that embeddings need.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use mlxk_format::Checkpoint;
use mlxk_models::{Head, Shape};
use mlxk_ops::Weights;
use mlxk_text::Tokenizer;

use super::settings::name_of;
use super::{EmbedSettings, Pooling};
use crate::error::EngineError;

/// Token that ends a text of Qwen3-Embedding. Its state is the vector.
const QWEN_END: &str = "<|endoftext|>";

/// Settings of embeddings, and what belongs to them.
pub(crate) struct EmbedSide {
    pub(crate) settings: EmbedSettings,
    /// Heads behind that of the model, from folders of their own.
    pub(crate) dense: Arc<[Head]>,
    /// Pooling of a model that scores pairs.
    pub(crate) score_pooling: Pooling,
    /// `true` for a decoder that ranks documents.
    pub(crate) asks_yes_or_no: bool,
    /// Token at the end of a text, if the tokenizer has lost it.
    pub(crate) end: Option<u32>,
    /// `true` for Qwen3-Embedding.
    is_qwen: bool,
}

impl EmbedSide {
    /// Reads the files next to `checkpoint`, and loads the dense modules.
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        shape: &Shape,
        context: usize,
        ops: &mut dyn Weights,
    ) -> Result<Self, EngineError> {
        let (folder, config) = (checkpoint.path(), checkpoint.config());
        let mut settings = EmbedSettings::read(folder, config, shape, context)?;
        let mut dense = Vec::with_capacity(settings.dense.len());
        for folder in &settings.dense {
            let head = open(folder, ops)?;
            settings.dimensions = head.width();
            dense.push(head);
        }
        let name = name_of(folder, config).to_lowercase();
        let means = config.get("classifier_pooling").is_some_and(|pooling| pooling == "mean");
        Ok(Self {
            settings,
            dense: dense.into(),
            score_pooling: if means { Pooling::Mean } else { Pooling::First },
            asks_yes_or_no: name.contains("rerank"),
            end: None,
            is_qwen: name.contains("qwen3-embedding"),
        })
    }

    /// Restores what the tokenizer of a conversion has lost.
    pub(crate) fn complete(&mut self, tokenizer: &Tokenizer) -> Result<(), EngineError> {
        if self.is_qwen && tokenizer.marks()?.1.is_empty() {
            self.end = tokenizer.id_of(QWEN_END);
        }
        Ok(())
    }
}

/// Loads the dense module in a folder.
fn open(folder: &Path, ops: &mut dyn Weights) -> Result<Head, EngineError> {
    let checkpoint = Checkpoint::open(folder)?;
    Ok(Head::open_dense(&checkpoint, ops, &mut |_, _| ControlFlow::Continue(()))?)
}
