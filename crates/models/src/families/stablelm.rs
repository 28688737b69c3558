//! StableLM 2 (Bellagente et al., 2024, arXiv:2402.17834): norms by mean and variance, and rotary
//! positions in a quarter of each head. The 12B model runs attention and the feed-forward part in
//! parallel, and has a norm of its own for each head.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, PARALLEL, layer, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, HeadWeights, NormSpec, QkNorm, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "StableLM",
    gguf: &[],
    architectures: &[Architecture::new("stablelm", "StableLM 2 1.6B, 12B, Zephyr 3B", spec)],
};

const NAMES: AttentionNames =
    AttentionNames { q_norm: "q_layernorm", k_norm: "k_layernorm", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let norm = NormSpec::layer(config.positive("layer_norm_eps")?);
    let common = Common::with_norm(config, 4096, norm)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let qkv = config.flag("use_qkv_bias")?.unwrap_or(false);
    let has_norms = config.flag("qk_layernorm")?.unwrap_or(false);
    let attention = GroupedSpec {
        names: NAMES,
        biases: Biases { qkv, output: false },
        qk_norm: has_norms.then_some(QkNorm::EachHead(norm, HeadWeights::List)),
        ..GroupedSpec::plain(sizes)
    };
    // Like mlx-lm, ignore `rope_scaling`.
    let dims = config.rotary_dims(sizes.head_dim)?;
    let rope = scaled_rope(config, None, dims, config.positive_or("rope_theta", 10_000.0)?)?;
    let is_parallel = config.flag("use_parallel_residual")?.unwrap_or(false);
    let layers = (0..common.layers).map(|_| {
        if is_parallel {
            layer(attention, common.mlp, PARALLEL)
        } else {
            pre_norm(attention, common.mlp)
        }
    });
    let layers = layers.collect();
    // Like mlx-lm, never use the embedding as the output projection.
    Ok(DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) })
}
