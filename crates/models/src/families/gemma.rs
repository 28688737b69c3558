//! Gemma (Gemma Team, 2024, arXiv:2403.08295): Llama with GELU gates, scaled embeddings, and norms
//! with a factor of one plus the weight.

use mlxk_format::gguf::{GgufArchitecture, HeadDim};
use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gemma2::require_gelu_tanh;
use super::gguf;
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, MlpSpec, NormSpec, NormWeight, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Gemma",
    gguf: &[GGUF],
    architectures: &[Architecture::new("gemma", "Gemma 2B, 7B, CodeGemma", spec)],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    more: &[gguf::MLP],
    hidden_act: None,
    head_dim: HeadDim::Stated,
    norms_plus_one: true,
    config: |_, _| vec![("hidden_activation", "gelu_pytorch_tanh".into())],
    ..gguf::architecture("gemma", "gemma", "GemmaForCausalLM", gguf::ATTENTION)
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    require_gelu_tanh(config)?;
    let common = Common::from_config(config, 8192)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec::plain(sizes);
    // Like mlx-lm, use the exact GELU, although the original has the approximation by tanh.
    let mlp = MlpSpec { activation: Activation::Gelu, ..common.mlp };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(DecoderSpec {
        tied: Some(true),
        embed_scale: (common.hidden as f64).sqrt() as f32,
        norm: NormSpec { weight: NormWeight::PlusOne, ..common.norm },
        ..common.decoder(vec![rope], layers)
    })
}
