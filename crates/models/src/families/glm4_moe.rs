//! GLM-4.5 (GLM Team, 2025, arXiv:2508.06471) and Solar Open (Upstage, 2026): a mixture of many small
//! experts next to a shared one, routed as in DeepSeek-V3. Rotary positions in a part of each head.

use mlxk_format::convert::ModuleRule;
use mlxk_ops::RouteScores;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, USUAL_EXPERTS};
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertsSpec, GroupedSpec, MlpSpec, QkNorm, SharedExpert, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "GLM-4.5",
    gguf: &[],
    architectures: &[
        Architecture {
            published: PUBLISHED,
            ..Architecture::new("glm4_moe", "GLM-4.5, GLM-4.5-Air, GLM-4.6, GLM-4.7", spec)
        },
        Architecture {
            published: PUBLISHED,
            ..Architecture::new("solar_open", "Solar Open 100B", spec)
        },
    ],
};

/// mlx-lm's routers are not modules with a matrix product, so they are never quantized.
pub(super) const PUBLISHED: &Published = &Published {
    experts: USUAL_EXPERTS,
    modules: &[("mlp.gate", ModuleRule::Never)],
    exact: &["e_score_correction_bias"],
    ..Published::AS_IN_MLX
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    config.require("topk_method", "noaux_tc")?;
    config.require("scoring_func", "sigmoid")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let qkv = config.flag_or("attention_bias", false)?;
    let has_norms = config.flag_or("use_qk_norm", false)?;
    let attention = GroupedSpec {
        biases: Biases { qkv, output: false },
        qk_norm: has_norms.then_some(QkNorm::Heads(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    // Like mlx-lm, ignore `rope_scaling`.
    let dims = config.rotary_dims(sizes.head_dim)?;
    let rope = scaled_rope(config, None, dims, config.positive_or("rope_theta", 10_000.0)?)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    let spec = DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) };
    let Some(experts) = config.optional_size("n_routed_experts", limit::EXPERTS)? else {
        return Ok(spec);
    };
    let mixture = corrected_mixture(config, experts)?;
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}

/// Returns a mixture with a corrected choice by sigmoids, and `n_shared_experts` in one.
pub(super) fn corrected_mixture(
    config: &Config<'_>,
    experts: usize,
) -> Result<ExpertsSpec, ModelError> {
    let route = grouped_route(config, experts, RouteScores::Sigmoid, &RouteKeys::USUAL)?;
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.optional_size("n_shared_experts", limit::EXPERTS)?;
    Ok(ExpertsSpec {
        correction: Some("gate.e_score_correction_bias"),
        shared: shared.map(|count| {
            SharedExpert::plain("shared_experts", MlpSpec::gated(count * intermediate))
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}
