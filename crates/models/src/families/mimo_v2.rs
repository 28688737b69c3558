//! MiMo-V2-Flash (Xiaomi, 2026, arXiv:2601.02780): a mixture routed as in DeepSeek-V3, values that are
//! narrower than keys, and windows with sinks, heads and a rotary base of their own.

use mlxk_format::convert::Placement;
use mlxk_ops::RouteScores;

use super::common::Common;
use super::family::{Architecture, Family};
use super::glm4_moe;
use super::published::Published;
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, ExpertsSpec, GroupedSpec, MlpSpec, NormSpec, SharedExpert,
    scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "MiMo V2",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            place: |_, name| name.starts_with("model.mtp").then_some(Placement::Drop),
            ..*glm4_moe::PUBLISHED
        },
        ..Architecture::new("mimo_v2_flash", "MiMo-V2-Flash", spec)
    }],
};

const NAMES: AttentionNames =
    AttentionNames { sinks: "attention_sink_bias", ..AttentionNames::USUAL };

/// Keys of the layers with and without a window.
struct Keys {
    heads: &'static str,
    kv_heads: &'static str,
    head_dim: &'static str,
    value_dim: &'static str,
    theta: &'static str,
    sinks: &'static str,
}

const FULL: Keys = Keys {
    heads: "num_attention_heads",
    kv_heads: "num_key_value_heads",
    head_dim: "head_dim",
    value_dim: "v_head_dim",
    theta: "rope_theta",
    sinks: "add_full_attention_sink_bias",
};

const WINDOWED: Keys = Keys {
    heads: "swa_num_attention_heads",
    kv_heads: "swa_num_key_value_heads",
    head_dim: "swa_head_dim",
    value_dim: "swa_v_head_dim",
    theta: "swa_rope_theta",
    sinks: "add_swa_attention_sink_bias",
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    config.require("topk_method", "noaux_tc")?;
    config.require("scoring_func", "sigmoid")?;
    let norm = NormSpec::rms(config.positive("layernorm_epsilon")?);
    let common = Common::with_norm(config, 262_144, norm)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let kinds = [attention(config, &FULL)?, attention(config, &WINDOWED)?];
    let window = config.size("sliding_window_size", limit::POSITIONS)?;
    let mut ropes = Vec::with_capacity(2);
    for (kind, keys) in kinds.iter().zip([&FULL, &WINDOWED]) {
        let dims = config.rotary_dims(kind.sizes.head_dim)?;
        ropes.push(scaled_rope(config, None, dims, config.positive(keys.theta)?)?);
    }
    let flags = |key| {
        let list = config.optional_counts(key, common.layers, 1)?;
        list.ok_or_else(|| config.missing(key))
    };
    let layers = flags("hybrid_layer_pattern")?.into_iter().map(|kind| {
        let window = (kind == 1).then_some(window);
        pre_norm(GroupedSpec { window, rope: Some(kind), ..kinds[kind] }, mlp)
    });
    let layers = layers.collect();
    let spec = DecoderSpec { tied: Some(false), ..common.decoder(ropes, layers) };
    let Some(experts) = config.optional_size("n_routed_experts", limit::EXPERTS)? else {
        return Ok(spec);
    };
    let route = grouped_route(config, experts, RouteScores::Sigmoid, &RouteKeys::USUAL)?;
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.optional_size("n_shared_experts", limit::EXPERTS)?;
    let mixture = ExpertsSpec {
        correction: Some("gate.e_score_correction_bias"),
        shared: shared.map(|count| {
            SharedExpert::plain("shared_experts", MlpSpec::gated(count * intermediate))
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    };
    let sparse = flags("moe_layer_freq")?;
    Ok(spec.with_experts("mlp", &mixture, |layer| sparse[layer] == 1))
}

/// Reads the attention of one kind of layer.
fn attention(config: &Config<'_>, keys: &Keys) -> Result<GroupedSpec, ModelError> {
    let sizes = AttentionSizes {
        heads: config.size(keys.heads, limit::HEADS)?,
        kv_heads: config.size(keys.kv_heads, limit::HEADS)?,
        head_dim: config.size(keys.head_dim, limit::HEAD_DIM)?,
    };
    if !sizes.heads.is_multiple_of(sizes.kv_heads) {
        let expected = format!("a divisor of `{}` ({})", keys.heads, sizes.heads);
        return Err(config.bad(keys.kv_heads, expected));
    }
    if !sizes.head_dim.is_multiple_of(2) {
        return Err(config.bad(keys.head_dim, "an even number"));
    }
    let value_scale = config.optional_positive("attention_value_scale")?;
    Ok(GroupedSpec {
        names: NAMES,
        sinks: config.flag_or(keys.sinks, false)?,
        value_dim: Some(config.size(keys.value_dim, limit::HEAD_DIM)?),
        value_scale: value_scale.map(|scale| scale as f32),
        ..GroupedSpec::plain(sizes)
    })
}
