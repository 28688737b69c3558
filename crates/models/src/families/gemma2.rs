//! Gemma 2 (Gemma Team, 2024, arXiv:2408.00118): norms before and after attention and the
//! feed-forward part, capped scores and logits.

use mlxk_format::gguf::{Extent, GgufArchitecture, GgufSizes, HeadDim, LayerTensor, Window};
use mlxk_ops::Activation;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::Config;
use crate::decoder::{DecoderSpec, sandwich};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, MlpSpec, NormSpec, NormWeight, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Gemma 2",
    gguf: &[GGUF],
    architectures: &[Architecture::new("gemma2", "Gemma 2", spec)],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    hidden_act: None,
    head_dim: HeadDim::Stated,
    // mlx-lm has no windows for this architecture.
    window: Window::Ignored,
    norms_plus_one: true,
    keys: GGUF_CAPS,
    required: GGUF_CAPS,
    config: |sizes, _| gguf_config(sizes),
    ..gguf::architecture("gemma2", "gemma2", "Gemma2ForCausalLM", GGUF_LAYER)
};

const GGUF_CAPS: &[&str] = &["attn_logit_softcapping", "final_logit_softcapping"];

pub(super) const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q,
    gguf::K,
    gguf::V,
    gguf::O,
    LayerTensor::vector("ffn_norm", "pre_feedforward_layernorm", Extent::Hidden),
    gguf::GATE,
    gguf::UP,
    gguf::DOWN,
    LayerTensor::vector("post_attention_norm", "post_attention_layernorm", Extent::Hidden),
    LayerTensor::vector("post_ffw_norm", "post_feedforward_layernorm", Extent::Hidden),
];

fn gguf_config(sizes: &GgufSizes) -> Vec<(&'static str, Value)> {
    // Only the 27B model scales scores by another number than the width of a head. Like llama.cpp,
    // recognize it by its number of layers.
    let scalar = if sizes.layers == 46 { sizes.hidden / sizes.heads } else { sizes.head_dim };
    vec![
        ("hidden_activation", "gelu_pytorch_tanh".into()),
        ("query_pre_attn_scalar", scalar.into()),
        ("attn_logit_softcapping", gguf::number(sizes, "attn_logit_softcapping")),
        ("final_logit_softcapping", gguf::number(sizes, "final_logit_softcapping")),
    ]
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    require_gelu_tanh(config)?;
    let common = Common::from_config(config, 8192)?;
    let sizes = AttentionSizes::from_config(config)?;
    let scalar = config.optional_positive("query_pre_attn_scalar")?.unwrap_or(144.0);
    let cap = config.optional_positive("attn_logit_softcapping")?.unwrap_or(50.0);
    let attention = GroupedSpec {
        scale: (1.0 / scalar.sqrt()) as f32,
        soft_cap: Some(cap as f32),
        ..GroupedSpec::plain(sizes)
    };
    let norm = NormSpec { weight: NormWeight::PlusOne, ..common.norm };
    let mlp = MlpSpec { activation: Activation::GeluTanh, ..common.mlp };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| sandwich(attention, mlp)).collect();
    let cap = config.optional_positive("final_logit_softcapping")?.unwrap_or(30.0);
    Ok(DecoderSpec {
        tied: Some(true),
        embed_scale: (common.hidden as f64).sqrt() as f32,
        logit_cap: Some(cap as f32),
        norm,
        ..common.decoder(vec![rope], layers)
    })
}

/// Refuses activations other than Gemma's, which files name in two ways.
pub(super) fn require_gelu_tanh(config: &Config<'_>) -> Result<(), ModelError> {
    for key in ["hidden_activation", "hidden_act"] {
        match config.text(key)? {
            None | Some("gelu_pytorch_tanh" | "gelu") => {}
            Some(other) => return Err(config.unsupported(key, other, "`gelu_pytorch_tanh`")),
        }
    }
    Ok(())
}
