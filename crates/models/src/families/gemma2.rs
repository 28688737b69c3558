//! Gemma 2 (Gemma Team, 2024, arXiv:2408.00118): norms before and after attention and the
//! feed-forward part, capped scores and logits.

use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, sandwich};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, MlpSpec, NormSpec, NormWeight, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Gemma 2",
    gguf: None,
    architectures: &[Architecture::new("gemma2", "Gemma 2", spec)],
};

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
