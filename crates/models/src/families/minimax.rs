//! MiniMax-M2 (MiniMax, 2025): a mixture in every layer, one norm over all heads of queries, and of
//! keys. Rotary positions in a part of each head.

use mlxk_ops::{RouteScores, RouteSpec};

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, ExpertsSpec, GroupedSpec, QkNorm, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "MiniMax",
    gguf: &[],
    architectures: &[
        Architecture {
            published: PUBLISHED,
            ..Architecture::new("minimax", "MiniMax-M2 in early conversions", spec)
        },
        Architecture {
            published: PUBLISHED,
            ..Architecture::new("minimax_m2", "MiniMax-M2, M2.1, M2.5", spec)
        },
    ],
};

const PUBLISHED: &Published = &Published {
    experts: &[("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")],
    modules: &[("block_sparse_moe.gate", ROUTER)],
    exact: &["e_score_correction_bias"],
    ..Published::AS_IN_MLX
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    config.require("scoring_func", "sigmoid")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let has_norms = config.flag_or("use_qk_norm", true)?;
    let attention = GroupedSpec {
        qk_norm: has_norms.then_some(QkNorm::Rows(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    let dims = config.size("rotary_dim", sizes.head_dim)?;
    if !dims.is_multiple_of(2) {
        return Err(config.bad("rotary_dim", "an even number"));
    }
    let rope = scaled_rope(config, None, dims, config.positive_or("rope_theta", 10_000.0)?)?;
    let experts = config.size("num_local_experts", limit::EXPERTS)?;
    let route = RouteSpec {
        normalize: true,
        ..RouteSpec::new(config.size("num_experts_per_tok", experts)?, RouteScores::Sigmoid)
    };
    let mixture = ExpertsSpec {
        correction: Some("e_score_correction_bias"),
        ..ExpertsSpec::usual(experts, common.mlp.intermediate, route)
    };
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |_| {
        vec![
            block("input_layernorm", attention.into(), "self_attn"),
            block("post_attention_layernorm", mixture.into(), "block_sparse_moe"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(common.decoder(vec![rope], layers))
}
