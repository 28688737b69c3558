//! Step 3.5 Flash (StepFun, 2026): a mixture routed by sigmoids, norms on the heads of queries and keys,
//! a gate on each head's result, and clamped gates in some layers. Windows have heads of their own.

use mlxk_ops::{Activation, RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, OutputGate, QkNorm,
    SharedExpert, layer_windows, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Step",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            modules: &[("mlp.gate.gate", ROUTER)],
            exact: &["router_bias"],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("step3p5", "Step 3.5 Flash", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let common = Common { tied: Some(false), ..Common::from_config(config, 262_144)? };
    let count = common.layers;
    let windows = if config.get("layer_types").is_some() {
        layer_windows(config, count, count)?
    } else {
        let window = config.size_or("sliding_window", 512, limit::POSITIONS)?;
        (0..count).map(|layer| layer.is_multiple_of(2).then_some(window)).collect()
    };
    let full = sizes(config, config)?;
    let windowed = match config.child("attention_other_setting")? {
        Some(other) => AttentionSizes { head_dim: full.head_dim, ..sizes(&other, config)? },
        None => full,
    };
    let is_gated = config.flag_or("use_head_wise_attn_gate", true)?;
    let ropes = ropes(config, &windows, full.head_dim)?;
    let expert_limits = limits(config, "swiglu_limits", count)?;
    let shared_limits = limits(config, "swiglu_limits_shared", count)?;
    let sparse = sparse_layers(config, count)?;
    let mixture = mixture(config)?;
    let mut layers: Vec<Vec<BlockSpec>> = Vec::with_capacity(count);
    for (index, window) in windows.into_iter().enumerate() {
        let sizes = if window.is_some() { windowed } else { full };
        let attention = GroupedSpec {
            qk_norm: Some(QkNorm::Heads(common.norm)),
            gate: is_gated.then_some(OutputGate::heads("g_proj", Activation::Sigmoid)),
            window,
            rope: Some(index),
            ..GroupedSpec::plain(sizes)
        };
        let dense = |mlp: MlpSpec| MlpSpec { activation: shared_limits[index], ..mlp };
        layers.push(if sparse.contains(&index) {
            let shared = mixture.shared.map(|it| SharedExpert { mlp: dense(it.mlp), ..it });
            pre_norm(attention, ExpertsSpec { activation: expert_limits[index], shared, ..mixture })
        } else {
            pre_norm(attention, dense(MlpSpec { bias: false, ..common.mlp }))
        });
    }
    Ok(common.decoder(ropes, layers))
}

/// Reads the numbers of heads from `own`, and their width from `config`.
fn sizes(own: &Config<'_>, config: &Config<'_>) -> Result<AttentionSizes, ModelError> {
    let sizes = AttentionSizes {
        heads: own.size("num_attention_heads", limit::HEADS)?,
        kv_heads: own.size("num_attention_groups", limit::HEADS)?,
        head_dim: config.size("head_dim", limit::HEAD_DIM)?,
    };
    if !sizes.heads.is_multiple_of(sizes.kv_heads) {
        let expected = format!("a divisor of `num_attention_heads` ({})", sizes.heads);
        return Err(own.bad("num_attention_groups", expected));
    }
    sizes.check(config)?;
    Ok(sizes)
}

/// Returns the rotary embedding of each layer.
fn ropes(
    config: &Config<'_>,
    windows: &[Option<usize>],
    head_dim: usize,
) -> Result<Vec<mlxk_ops::RopeSpec>, ModelError> {
    let thetas = match config.get("rope_theta") {
        Some(Value::Array(_)) => config.positive_list("rope_theta", windows.len())?,
        _ => vec![config.positive_or("rope_theta", 10_000.0)?; windows.len()],
    };
    let key = "partial_rotary_factors";
    let factors = match config.get(key) {
        Some(_) => config.positive_list(key, windows.len())?,
        None => vec![1.0; windows.len()],
    };
    let only = config.get("yarn_only_types").and_then(Value::as_array);
    let scaling = config.child("rope_scaling")?;
    let is_listed = config.get("layer_types").is_some();
    let mut ropes = Vec::with_capacity(windows.len());
    for ((window, theta), factor) in windows.iter().zip(thetas).zip(factors) {
        let dims = (head_dim as f64 * factor) as usize;
        if factor > 1.0 || dims < 2 || !dims.is_multiple_of(2) {
            return Err(config.bad(key, "even parts of a head"));
        }
        let kind =
            if is_listed && window.is_some() { "sliding_attention" } else { "full_attention" };
        let is_scaled = only.is_none_or(|only| only.is_empty() || only.iter().any(|it| it == kind));
        let scaling = scaling.as_ref().filter(|_| is_scaled);
        ropes.push(scaled_rope(config, scaling, dims, theta)?);
    }
    Ok(ropes)
}

fn mixture(config: &Config<'_>) -> Result<ExpertsSpec, ModelError> {
    let experts = config.size_or("moe_num_experts", 288, limit::EXPERTS)?;
    let route = RouteSpec {
        normalize: config.flag_or("norm_expert_weight", true)?,
        scale: config.positive_or("moe_router_scaling_factor", 3.0)? as f32,
        ..RouteSpec::new(config.size_or("moe_top_k", 8, experts)?, RouteScores::Sigmoid)
    };
    let intermediate = config.size_or("moe_intermediate_size", 1280, limit::WIDTH)?;
    let shared = config.size_or("share_expert_dim", 1280, limit::WIDTH)?;
    Ok(ExpertsSpec {
        names: ExpertNames { router: "gate.gate", ..ExpertNames::USUAL },
        correction: Some("gate.router_bias"),
        shared: Some(SharedExpert::plain("share_expert", MlpSpec::gated(shared))),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}

/// Returns the activation of each layer, of its experts or of its shared part. A limit of 0 or null stands for none.
fn limits(config: &Config<'_>, key: &str, layers: usize) -> Result<Vec<Activation>, ModelError> {
    let list = match config.get(key) {
        None => &[],
        Some(value) => {
            value.as_array().ok_or_else(|| config.bad(key, "a list of numbers"))?.as_slice()
        }
    };
    (0..layers)
        .map(|layer| match list.get(layer) {
            None | Some(Value::Null) => Ok(Activation::Silu),
            Some(value) => match value.as_f64() {
                Some(limit) if limit > 0.0 => Ok(Activation::ClampedSwiglu { limit: limit as f32 }),
                Some(_) => Ok(Activation::Silu),
                None => Err(config.bad(key, "a list of numbers")),
            },
        })
        .collect()
}

/// Returns the layers with experts; all but the first if there is no list.
fn sparse_layers(config: &Config<'_>, layers: usize) -> Result<Vec<usize>, ModelError> {
    let key = "moe_layers_enum";
    match config.text(key)?.map(str::trim).filter(|list| !list.is_empty()) {
        None => Ok((1..layers).collect()),
        Some(list) => {
            let layers: Option<Vec<usize>> =
                list.split(',').map(|index| index.trim().parse().ok()).collect();
            layers.ok_or_else(|| config.bad(key, "numbers of layers, separated by commas"))
        }
    }
}
