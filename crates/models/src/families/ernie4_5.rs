//! ERNIE 4.5 (Baidu, 2025), dense and as a mixture of experts: Llama with rotary positions in pairs of
//! neighbours.

use mlxk_ops::{RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, USUAL_EXPERTS};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertsSpec, GroupedSpec, MlpSpec, SharedExpert, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "ERNIE 4.5",
    gguf: &[],
    architectures: &[
        Architecture::new("ernie4_5", "ERNIE 4.5 0.3B", spec),
        Architecture {
            published: &Published {
                place: |_, name| published(name),
                experts: USUAL_EXPERTS,
                ..Published::AS_IN_MLX
            },
            ..Architecture::new("ernie4_5_moe", "ERNIE 4.5 21B-A3B, 300B-A47B", moe_spec)
        },
    ],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("use_bias", false)?;
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let mlp = MlpSpec { bias, ..common.mlp };
    let theta = config.positive_or("rope_theta", 500_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = true;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(common.decoder(vec![rope], layers))
}

fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let dense = spec(config)?;
    let experts = config.size("moe_num_experts", limit::EXPERTS)?;
    let scores = match config.text("moe_gate_act")? {
        Some("softmax") | None => RouteScores::Softmax,
        Some("sigmoid") => RouteScores::Sigmoid,
        Some(other) => {
            return Err(config.unsupported("moe_gate_act", other, "`softmax`, `sigmoid`"));
        }
    };
    let route = RouteSpec {
        normalize: true,
        ..RouteSpec::new(config.size_or("moe_k", 1, experts)?, scores)
    };
    let intermediate = match config.count_or("moe_intermediate_size", 0, limit::WIDTH)? {
        0 => config.size("intermediate_size", limit::WIDTH)?,
        intermediate => intermediate,
    };
    let bias = config.flag_or("use_bias", false)?;
    let shared = config.count_or("moe_num_shared_experts", 0, limit::EXPERTS)?;
    let mixture = ExpertsSpec {
        bias,
        shared: (shared > 0).then(|| {
            let mlp = MlpSpec { bias, ..MlpSpec::gated(shared * intermediate) };
            SharedExpert::plain("shared_experts", mlp)
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    };
    let every = config.size_or("moe_layer_interval", 1, limit::LAYERS)?;
    let first = bound(config, "moe_layer_start_index", Iterator::min)?.unwrap_or(0);
    let last = bound(config, "moe_layer_end_index", Iterator::max)?.unwrap_or(limit::LAYERS);
    Ok(dense.with_experts("mlp", &mixture, |layer| {
        (layer + 1).is_multiple_of(every) && (first..=last).contains(&layer)
    }))
}

/// Returns the index of a layer. Models for images and text have a list of two.
fn bound(
    config: &Config<'_>,
    key: &str,
    of_several: fn(std::vec::IntoIter<u64>) -> Option<u64>,
) -> Result<Option<usize>, ModelError> {
    let Some(value) = config.get(key) else { return Ok(None) };
    let found = match value {
        Value::Array(list) => {
            let list: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
            list.and_then(|list| of_several(list.into_iter()))
        }
        one => one.as_u64(),
    };
    found
        .filter(|&index| index <= limit::LAYERS as u64)
        .map(|index| Some(index as usize))
        .ok_or_else(|| config.bad(key, "the index of a layer"))
}

/// Drops the layers that guess several tokens, and a correction that mlx-lm ignores.
fn published(name: &str) -> Option<mlxk_format::convert::Placement> {
    let unused = ["mtp_block.", "mtp_linear_proj.", "mtp_hidden_norm.", "mtp_emb_norm."];
    let is_unused = unused.iter().any(|part| name.contains(part));
    (is_unused || name.contains("e_score_correction_bias"))
        .then_some(mlxk_format::convert::Placement::Drop)
}
