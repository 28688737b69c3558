//! Phi-3.5-MoE (Abdin et al., 2024, arXiv:2404.14219): LongRoPE, norms by mean and variance, and a
//! router that compares each expert only with those near it (Liu et al., 2024, arXiv:2409.12136).

use mlxk_ops::{RopeSpec, RouteScores, RouteSpec};

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, ExpertsSpec, GroupedSpec, NormSpec, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "Phi-MoE",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            experts: &[("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("phimoe", "Phi-3.5-MoE, Phi-mini-MoE", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let norm = NormSpec::layer(config.positive_or("rms_norm_eps", 1e-6)?);
    let common = Common::with_norm(config, 131_072, norm)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec { biases: Biases::all(true), ..GroupedSpec::plain(sizes) };
    let experts = config.size_or("num_local_experts", 16, limit::EXPERTS)?;
    let jitter = config.number_or("router_jitter_noise", 0.01)? as f32;
    let route = RouteSpec::new(
        config.size_or("num_experts_per_tok", 2, experts)?,
        RouteScores::SparseMixer { band: 2.0 * jitter },
    );
    let mixture = ExpertsSpec::usual(experts, common.mlp.intermediate, route);
    let rope = rope(config, sizes.head_dim)?;
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |_| {
        vec![
            block("input_layernorm", attention.into(), "self_attn"),
            block("post_attention_layernorm", mixture.into(), "block_sparse_moe"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    let spec = common.decoder(vec![rope], layers);
    Ok(DecoderSpec { tied: Some(false), head_bias: true, ..spec })
}

/// Returns the frequencies. Like mlx-lm, use the long factors and their scale for all lengths.
fn rope(config: &Config<'_>, dims: usize) -> Result<RopeSpec, ModelError> {
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let mut rope = scaled_rope(config, None, dims, theta)?;
    if let Some(scaling) = config.child("rope_scaling")? {
        let factors = scaling.positive_list("long_factor", dims / 2)?;
        for (frequency, factor) in rope.frequencies.iter_mut().zip(factors) {
            *frequency = (f64::from(*frequency) / factor) as f32;
        }
        rope.scale = scaling.positive("long_mscale")? as f32;
    }
    Ok(rope)
}
