//! Laguna (Poolside, 2026): a mixture routed by sigmoids, norms on the heads of queries and keys, a gate
//! on each head's result, and windows with rotary frequencies and heads of their own.

use mlxk_ops::{Activation, RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, USUAL_EXPERTS};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, OutputGate, QkNorm,
    SharedExpert, layer_windows, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Laguna",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            rename: published_name,
            experts: USUAL_EXPERTS,
            modules: &[("mlp.gate.proj", ROUTER)],
            exact: &["e_score_correction_bias"],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("laguna", "Laguna XS.2", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let common = Common::from_config(config, 262_144)?;
    let sizes = AttentionSizes::from_config(config)?;
    let windows = layer_windows(config, common.layers, common.layers)?;
    let heads = config
        .optional_counts("num_attention_heads_per_layer", common.layers, limit::HEADS)?
        .unwrap_or_else(|| vec![sizes.heads; common.layers]);
    if heads.iter().any(|&heads| heads == 0 || !heads.is_multiple_of(sizes.kv_heads)) {
        let expected = format!("multiples of `num_key_value_heads` ({})", sizes.kv_heads);
        return Err(config.bad("num_attention_heads_per_layer", expected));
    }
    let is_gated = config.flag_or("gating", true)?;
    let attention = |heads| GroupedSpec {
        qk_norm: Some(QkNorm::Heads(common.norm)),
        gate: is_gated.then_some(OutputGate::heads("g_proj", Activation::Softplus)),
        ..GroupedSpec::plain(AttentionSizes { heads, ..sizes })
    };
    let biases = Biases {
        qkv: config.flag_or("qkv_bias", false)?,
        output: config.flag_or("attention_bias", false)?,
    };
    let parameters = config.child("rope_parameters")?;
    let rope = |kind: &str| {
        let own = match &parameters {
            Some(parameters) => parameters.child(kind)?,
            None => None,
        };
        let Some(own) = own else {
            return scaled_rope(config, None, config.rotary_dims(sizes.head_dim)?, 10_000.0);
        };
        let dims = match own.get("partial_rotary_factor") {
            Some(_) => own.rotary_dims(sizes.head_dim)?,
            None => config.rotary_dims(sizes.head_dim)?,
        };
        scaled_rope(config, Some(&own), dims, own.positive_or("rope_theta", 10_000.0)?)
    };
    let ropes = vec![rope("full_attention")?, rope("sliding_attention")?];
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let layers = windows.into_iter().zip(heads).map(|(window, heads)| {
        let rope = Some(usize::from(window.is_some()));
        pre_norm(GroupedSpec { biases, window, rope, ..attention(heads) }, mlp)
    });
    let layers = layers.collect();
    let sparse = sparse_layers(config, common.layers)?;
    let spec = common.decoder(ropes, layers);
    Ok(spec.with_experts("mlp", &mixture(config)?, |layer| sparse[layer]))
}

fn mixture(config: &Config<'_>) -> Result<ExpertsSpec, ModelError> {
    config.require("moe_router_score_func", "sigmoid")?;
    let cap = config.number_or("moe_router_logit_softcapping", 0.0)?;
    if cap > 0.0 {
        return Err(config.unsupported("moe_router_logit_softcapping", &cap.to_string(), "`0`"));
    }
    let experts = config.size_or("num_experts", 256, limit::EXPERTS)?;
    let route = RouteSpec {
        normalize: true,
        scale: config.positive_or("moe_routed_scaling_factor", 1.0)? as f32,
        ..RouteSpec::new(config.size_or("num_experts_per_tok", 8, experts)?, RouteScores::Sigmoid)
    };
    let intermediate = config.size_or("moe_intermediate_size", 512, limit::WIDTH)?;
    let shared = config.size_or("shared_expert_intermediate_size", 512, limit::WIDTH)?;
    Ok(ExpertsSpec {
        names: ExpertNames { router: "gate.proj", ..ExpertNames::USUAL },
        correction: Some("gate.e_score_correction_bias"),
        shared: Some(SharedExpert::plain("shared_expert", MlpSpec::gated(shared))),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}

/// Returns which layers have experts; all but the first if there is no list.
fn sparse_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    let key = "mlp_layer_types";
    let Some(types) = config.get(key) else {
        return Ok((0..layers).map(|layer| layer > 0).collect());
    };
    let types = types.as_array().filter(|types| types.len() == layers);
    let is_sparse = |name: &Value| match name.as_str() {
        Some("sparse") => Some(true),
        Some("dense") => Some(false),
        _ => None,
    };
    types
        .and_then(|types| types.iter().map(is_sparse).collect())
        .ok_or_else(|| config.bad(key, format!("a list of {layers} times `dense` or `sparse`")))
}

fn published_name(name: &str) -> String {
    let name = name.strip_prefix("language_model.").unwrap_or(name);
    if let Some(before) = name.strip_suffix(".mlp.gate.weight") {
        return format!("{before}.mlp.gate.proj.weight");
    }
    name.replace(".mlp.experts.e_score_correction_bias", ".mlp.gate.e_score_correction_bias")
}
