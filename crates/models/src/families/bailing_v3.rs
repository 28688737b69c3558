//! Ling 3 (Ling Team, 2026): Kimi Delta Attention, and latent attention with a gate in one layer of each
//! group.

use mlxk_format::convert::ModuleRule;
use mlxk_ops::{Activation, DeltaDecay, DeltaSizes, RouteScores};
use serde_json::Value;

use super::bailing_hybrid::{is_global, latent, layers};
use super::bailing_moe::NAMES;
use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba::KERNEL;
use super::mamba2;
use super::published::{Published, USUAL_EXPERTS};
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use crate::parts::{
    ALog, ExpertsSpec, LatentSpec, MlpSpec, PartSpec, Projection, SharedExpert, SplitDeltaSpec,
    partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Ling",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            experts: USUAL_EXPERTS,
            modules: &[
                ("word_embeddings", ModuleRule::Never),
                ("lm_head", ModuleRule::Never),
                ("attention.q_a_proj", ModuleRule::Never),
                ("attention.q_b_proj", ModuleRule::Never),
                ("attention.kv_a_proj_with_mqa", ModuleRule::Never),
                ("attention.embed_q", ModuleRule::Never),
                ("attention.unembed_out", ModuleRule::Never),
                ("attention.b_proj", ModuleRule::Never),
                ("mlp.gate", ModuleRule::Never),
            ],
            never: of_latent_attention,
            ..mamba2::PUBLISHED
        },
        ..Architecture::new("bailing_moe_v3", "Ling 3.0", spec)
    }],
};

/// Returns `true` for projections of latent attention that have the names of others.
fn of_latent_attention(config: &Value, path: &str) -> bool {
    let ends = ["attention.q_proj", "attention.g_proj"];
    let layer = path.strip_prefix("model.layers.").and_then(|rest| rest.split('.').next());
    let layer = layer.and_then(|layer| layer.parse::<usize>().ok());
    let (true, Some(layer)) = (ends.iter().any(|end| path.ends_with(end)), layer) else {
        return false;
    };
    let config = Config::new(config);
    let layers = config.size_or("num_hidden_layers", 24, limit::LAYERS);
    layers.and_then(|layers| is_global(&config, layers)).is_ok_and(|is_global| is_global(layer))
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    for key in ["no_kda_lora", "kda_safe_gate", "rope_interleave"] {
        if !config.flag_or(key, true)? {
            return Err(config.unsupported(key, "false", "`true`"));
        }
    }
    let common = Common::from_config(config, 131_072)?;
    let latent = LatentSpec { bias: false, gate: Some("g_proj"), ..latent(config, &common)? };
    let heads = latent.heads;
    let head_dim = config.size_or("head_dim", 128, limit::HEAD_DIM)?;
    let delta = SplitDeltaSpec {
        sizes: DeltaSizes {
            key_heads: heads,
            value_heads: heads,
            key_dim: head_dim,
            value_dim: head_dim,
        },
        kernel: config.size_or("short_conv_kernel_size", 4, KERNEL)?,
        norm: common.norm,
        convs: ["q_conv1d", "k_conv1d", "v_conv1d"],
        decay: DeltaDecay::BoundedKeys(config.number_or("kda_lower_bound", -5.0)? as f32),
        decay_proj: Projection::Direct("f_proj"),
        gate_proj: Projection::Direct("g_proj"),
        gate: Activation::Sigmoid,
        a_log: ALog::Vector,
        rate_scale: 1.0,
    };
    let is_global = is_global(config, common.layers)?;
    let part =
        |layer: usize| -> PartSpec { if is_global(layer) { latent.into() } else { delta.into() } };
    let layers = layers(common.layers, common.mlp, part);
    let mut rope = partial_rope_spec(config, latent.rope, 6_000_000.0)?;
    rope.interleaved = true;
    rope.offset = latent.kv_widths().head_dim - latent.rope;
    let mixture = mixture(config)?;
    let first = config.count_or("first_k_dense_replace", 1, limit::LAYERS)?;
    let tied = common.tied.or(Some(false));
    let spec = DecoderSpec { names: NAMES, tied, ..common.decoder(vec![rope], layers) };
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}

fn mixture(config: &Config<'_>) -> Result<ExpertsSpec, ModelError> {
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let keys = RouteKeys { groups_default: 8, scale_default: 2.5, ..RouteKeys::USUAL };
    let mut route = grouped_route(config, experts, RouteScores::Sigmoid, &keys)?;
    route.normalize = true;
    if let Some(groups) = &mut route.groups {
        groups.excluded = true;
    }
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.size("moe_shared_expert_intermediate_size", limit::WIDTH)?;
    let count = config.size_or("num_shared_experts", 1, limit::EXPERTS)?;
    Ok(ExpertsSpec {
        correction: Some("gate.expert_bias"),
        shared: Some(SharedExpert::plain("shared_experts", MlpSpec::gated(count * shared))),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}
