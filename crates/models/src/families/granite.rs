//! Granite 3 (IBM, 2024): Llama with factors on embeddings, scores, residual stream and logits.

use super::family::{Architecture, Family};
use super::llama;
use crate::config::Config;
use crate::decoder::DecoderSpec;
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    name: "Granite",
    gguf: None,
    architectures: &[Architecture::new("granite", "Granite 3", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let mut spec = llama::spec(config)?;
    let scale = config.positive("attention_multiplier")? as f32;
    for attention in spec.attentions_mut() {
        attention.scale = scale;
    }
    Ok(DecoderSpec {
        embed_scale: config.positive("embedding_multiplier")? as f32,
        residual_scale: Some(config.positive("residual_multiplier")? as f32),
        logit_scale: Some((1.0 / config.positive("logits_scaling")?) as f32),
        tied: spec.tied.or(Some(true)),
        ..spec
    })
}
