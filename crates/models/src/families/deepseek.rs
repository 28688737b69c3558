//! DeepSeek-V2 (2024, arXiv:2405.04434) and V3 (2024, arXiv:2412.19437): latent attention, a mixture
//! of many small experts beside shared ones.

use mlxk_ops::{Activation, RouteGroups, RouteScores, RouteSpec};

use super::{Architecture, Common, Family};
use crate::ModelError;
use crate::config::{Config, limit};
use crate::decoder::{AttentionKind, DecoderSpec};
use crate::parts::{
    AttentionSizes, ExpertNames, ExpertsSpec, GroupedSpec, LatentSpec, MlpSpec, scaled_rope,
    yarn_score_scale,
};

pub(super) const FAMILY: Family = Family {
    name: "DeepSeek",
    architectures: &[
        Architecture::new("deepseek_v2", "DeepSeek-V2-Lite, DeepSeek-Coder-V2-Lite", v2_spec),
        Architecture::new("deepseek_v3", "DeepSeek-V3, DeepSeek-R1, Moonlight", v3_spec),
    ],
};

fn v2_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let groups = match config.text("topk_method")? {
        Some("group_limited_greedy") => Some(groups(config, 1)?),
        Some("greedy" | "gready") | None => None,
        Some(other) => {
            return Err(config.unsupported(
                "topk_method",
                other,
                "`greedy`, `group_limited_greedy`",
            ));
        }
    };
    let route = RouteSpec {
        experts_per_row: 1,
        scores: RouteScores::Softmax,
        correction: None,
        groups,
        normalize: false,
        scale: config.number_or("routed_scaling_factor", 1.0)? as f32,
    };
    spec(config, false, route)
}

fn v3_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("topk_method", "noaux_tc")?;
    config.require("scoring_func", "sigmoid")?;
    let count = config.optional_size("n_group", limit::EXPERTS)?.unwrap_or(1);
    let normalize = config.flag("norm_topk_prob")?.unwrap_or(true);
    let route = RouteSpec {
        experts_per_row: 1,
        scores: RouteScores::Sigmoid,
        correction: None,
        groups: if count > 1 { Some(groups(config, 2)?) } else { None },
        normalize: normalize
            && config.optional_size("num_experts_per_tok", limit::EXPERTS)? > Some(1),
        scale: config.number_or("routed_scaling_factor", 1.0)? as f32,
    };
    spec(config, true, route)
}

fn groups(config: &Config<'_>, best: usize) -> Result<RouteGroups, ModelError> {
    let count = config.size("n_group", limit::EXPERTS)?;
    Ok(RouteGroups { count, keep: config.size("topk_group", count)?, best })
}

fn spec(config: &Config<'_>, absorbed: bool, route: RouteSpec) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let Common { layers, vocab_size, max_positions, norm, mlp, .. } =
        Common::from_config(config, 2048)?;
    let latent = latent_spec(config, absorbed)?;
    let scaling = config.child("rope_scaling")?;
    let theta = config.optional_positive("rope_theta")?.unwrap_or(10_000.0);
    let mut rope = scaled_rope(config, scaling.as_ref(), latent.rope, theta)?;
    rope.interleaved = true;
    rope.offset = latent.kv(1).head_dim - latent.rope;
    let sizes = AttentionSizes { hidden: latent.hidden, heads: 1, kv_heads: 1, head_dim: 2 };
    let spec = DecoderSpec::plain(
        GroupedSpec::plain(sizes),
        (norm, mlp),
        layers,
        rope,
        (vocab_size, max_positions),
    );
    let spec = DecoderSpec { attention: AttentionKind::Latent(latent), tied: Some(false), ..spec };
    let Some(experts) = config.optional_size("n_routed_experts", limit::EXPERTS)? else {
        return Ok(spec);
    };
    if let Some(groups) = route.groups
        && !(experts.is_multiple_of(groups.count) && experts / groups.count >= groups.best)
    {
        return Err(config.bad(
            "n_group",
            format!(
                "a divisor of `n_routed_experts` ({experts}) that leaves {} or more",
                groups.best
            ),
        ));
    }
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.optional_size("n_shared_experts", limit::EXPERTS)?;
    let mixture = ExpertsSpec {
        names: ExpertNames::USUAL,
        experts,
        intermediate,
        route: RouteSpec { experts_per_row: config.size("num_experts_per_tok", experts)?, ..route },
        has_correction: absorbed,
        bias: false,
        activation: Activation::Silu,
        shared: shared.map(|count| MlpSpec::gated(count * intermediate)),
    };
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    let every = config.optional_size("moe_layer_freq", limit::LAYERS)?.unwrap_or(1);
    Ok(spec.with_experts(&mixture, |layer| layer >= first && layer.is_multiple_of(every)))
}

fn latent_spec(config: &Config<'_>, absorbed: bool) -> Result<LatentSpec, ModelError> {
    let width = |key| config.size(key, limit::HEAD_DIM * 4);
    let (nope, rope) = (width("qk_nope_head_dim")?, width("qk_rope_head_dim")?);
    if !rope.is_multiple_of(2) {
        return Err(config.bad("qk_rope_head_dim", "an even number"));
    }
    let scale = yarn_score_scale(config.child("rope_scaling")?.as_ref())?;
    Ok(LatentSpec {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        heads: config.size("num_attention_heads", limit::HEADS)?,
        q_rank: config.optional_size("q_lora_rank", limit::WIDTH)?,
        kv_rank: width("kv_lora_rank")?,
        nope,
        rope,
        value: width("v_head_dim")?,
        bias: config.flag("attention_bias")?.unwrap_or(false),
        scale: (scale / ((nope + rope) as f64).sqrt()) as f32,
        absorbed,
    })
}
