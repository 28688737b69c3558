//! SmolLM3 (Hugging Face, 2025): Llama with no positions in every fourth layer (Yang et al.,
//! 2025, arXiv:2501.18795).

use super::family::{Architecture, Family};
use super::llama;
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use mlxk_format::gguf::GgufArchitecture;

pub(super) const FAMILY: Family = Family {
    name: "SmolLM3",
    gguf: &[GGUF],
    architectures: &[Architecture::new("smollm3", "SmolLM3", spec)],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    name: "smollm3",
    model_type: "smollm3",
    class: "SmolLM3ForCausalLM",
    exported_types: &[],
    ..llama::GGUF
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let mut spec = llama::spec(config)?;
    let layers = spec.layers.len();
    let interval = config.optional_size("no_rope_layer_interval", limit::LAYERS)?.unwrap_or(4);
    let with_rope: Vec<bool> = match config.get("no_rope_layers") {
        None => (0..layers).map(|layer| !(layer + 1).is_multiple_of(interval)).collect(),
        // Despite the name of the key, 1 stands for a layer with positions.
        Some(list) => list
            .as_array()
            .filter(|list| list.len() == layers)
            .and_then(|list| list.iter().map(|flag| flag.as_u64().map(|flag| flag != 0)).collect())
            .ok_or_else(|| config.bad("no_rope_layers", format!("a list of {layers} numbers")))?,
    };
    for (attention, with_rope) in spec.attentions_mut().zip(with_rope) {
        attention.rope = attention.rope.filter(|_| with_rope);
    }
    Ok(spec)
}
