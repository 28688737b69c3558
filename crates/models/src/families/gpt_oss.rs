//! gpt-oss (OpenAI, 2025, arXiv:2508.10925): a mixture of experts with clipped gates, attention
//! with sinks (Xiao et al., 2023, arXiv:2309.17453), and a window in every other layer.

use mlxk_format::convert::Placement;
use mlxk_ops::{Activation, RouteScores, RouteSpec};

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertNames, ExpertsSpec, GroupedSpec, layer_windows, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "gpt-oss",
    gguf: None,
    architectures: &[Architecture {
        published: PUBLISHED,
        ..Architecture::new("gpt_oss", "gpt-oss 20B, 120B", spec)
    }],
};

const PUBLISHED: &Published = &Published {
    place: |_, name| published_experts(name),
    modules: &[("router", ROUTER)],
    ..Published::AS_IN_MLX
};

const NAMES: ExpertNames = ExpertNames { router: "router", experts: "experts" };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { biases: Biases::all(true), sinks: true, ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 150_000.0)?;
    let window = config.optional_size("sliding_window", limit::POSITIONS)?.unwrap_or(128);
    let windows = match config.get("layer_types") {
        Some(_) => layer_windows(config, common.layers, common.layers)?,
        None => (0..common.layers).map(|layer| (layer % 2 == 0).then_some(window)).collect(),
    };
    let experts = config.optional_size("num_local_experts", limit::EXPERTS)?.unwrap_or(128);
    let route = RouteSpec::new(
        config.optional_size("num_experts_per_tok", experts)?.unwrap_or(4),
        RouteScores::SoftmaxOfChosen,
    );
    let mixture = ExpertsSpec {
        names: NAMES,
        router_bias: true,
        bias: true,
        activation: Activation::ClippedSwiglu { alpha: 1.702, limit: 7.0 },
        ..ExpertsSpec::usual(experts, common.mlp.intermediate, route)
    };
    let layer = |window| pre_norm(GroupedSpec { window, ..attention }, mixture);
    let layers = windows.into_iter().map(layer).collect();
    Ok(DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) })
}

/// Returns the place of an expert's tensor. Published files alternate rows of gate and up.
fn published_experts(name: &str) -> Option<Placement> {
    let (before, tensor) = name.rsplit_once('.')?;
    let (module, part) = tensor.rsplit_once('_')?;
    let part = match part {
        "blocks" => "weight",
        "scales" | "bias" => part,
        _ => return None,
    };
    let place = |module: &str| format!("{before}.{module}.{part}");
    match module {
        "gate_up_proj" => Some(Placement::ByTurns([place("gate_proj"), place("up_proj")])),
        "down_proj" => Some(Placement::As(place("down_proj"))),
        _ => None,
    }
}
