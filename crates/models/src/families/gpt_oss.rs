//! gpt-oss (OpenAI, 2025, arXiv:2508.10925): a mixture of experts with clipped gates, attention
//! with sinks (Xiao et al., 2023, arXiv:2309.17453), and a window in every other layer.

use mlxk_format::convert::Placement;
use mlxk_format::gguf::{
    Bias, Extent, GgufArchitecture, GgufRope, GgufSizes, HeadDim, LayerTensor, Window,
};
use mlxk_ops::{Activation, RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertNames, ExpertsSpec, GroupedSpec, layer_windows, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "gpt-oss",
    gguf: &[GGUF, OLLAMA_GGUF],
    architectures: &[Architecture {
        published: PUBLISHED,
        ..Architecture::new("gpt_oss", "gpt-oss 20B, 120B", spec)
    }],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    hidden_act: None,
    head_dim: HeadDim::Stated,
    window: Window::Ignored,
    rope: GgufRope::Yarn,
    keys: &[
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "attention.sliding_window",
        "rope.scaling.type",
        "rope.scaling.factor",
        "rope.scaling.original_context_length",
        "rope.scaling.yarn_beta_fast",
        "rope.scaling.yarn_beta_slow",
    ],
    required: &["expert_count", "expert_used_count", "attention.sliding_window"],
    config: |sizes, _| gguf_config(sizes),
    ..gguf::architecture("gpt-oss", "gpt_oss", "GptOssForCausalLM", GGUF_LAYER)
};

/// Older files of Ollama's library, with other names.
const OLLAMA_GGUF: GgufArchitecture =
    GgufArchitecture { name: "gptoss", layer: OLLAMA_GGUF_LAYER, ..GGUF };

fn gguf_config(sizes: &GgufSizes) -> Vec<(&'static str, Value)> {
    // Windows alternate, beginning with the first layer.
    let kinds = ["sliding_attention", "full_attention"];
    let mut keys = vec![
        ("intermediate_size", expert_width(sizes).into()),
        ("num_local_experts", sizes.whole("expert_count").into()),
        ("num_experts_per_tok", sizes.whole("expert_used_count").into()),
        ("sliding_window", sizes.whole("attention.sliding_window").into()),
        ("layer_types", (0..sizes.layers).map(|layer| kinds[layer % 2]).collect()),
    ];
    if let Some(mut scaling) = gguf::yarn(sizes) {
        scaling.insert("truncate".to_owned(), false.into());
        keys.push(("rope_scaling", scaling.into()));
    }
    keys
}

/// Some files state only the width of all feed-forward parts.
fn expert_width(sizes: &GgufSizes) -> usize {
    match sizes.whole("expert_feed_forward_length") {
        0 => sizes.intermediate,
        width => width,
    }
}

const WIDTH: Extent = Extent::Of(expert_width);
const SINKS: LayerTensor =
    LayerTensor::vector("attn_sinks.weight", "self_attn.sinks", Extent::Of(|sizes| sizes.heads))
        .whole_name();
const GATE_EXPERTS: LayerTensor = LayerTensor { rows: Some(WIDTH), ..gguf::GATE_EXPERTS }
    .named("mlp.experts.gate_proj")
    .with_bias(Bias::Required);
const UP_EXPERTS: LayerTensor = LayerTensor { rows: Some(WIDTH), ..gguf::UP_EXPERTS }
    .named("mlp.experts.up_proj")
    .with_bias(Bias::Required);
const DOWN_EXPERTS: LayerTensor = LayerTensor { cols: WIDTH, ..gguf::DOWN_EXPERTS }
    .named("mlp.experts.down_proj")
    .with_bias(Bias::Required);

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q.with_bias(Bias::Required),
    gguf::K.with_bias(Bias::Required),
    gguf::V.with_bias(Bias::Required),
    gguf::O.with_bias(Bias::Required),
    SINKS,
    LayerTensor { gguf: "post_attention_norm", ..gguf::MLP_NORM },
    gguf::ROUTER.named("mlp.router").with_bias(Bias::Required),
    GATE_EXPERTS,
    UP_EXPERTS,
    DOWN_EXPERTS,
];

const OLLAMA_GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q.with_bias(Bias::Required),
    gguf::K.with_bias(Bias::Required),
    gguf::V.with_bias(Bias::Required),
    LayerTensor { gguf: "attn_out", ..gguf::O }.with_bias(Bias::Required),
    LayerTensor { gguf: "attn_sinks", ..SINKS },
    gguf::MLP_NORM,
    gguf::ROUTER.named("mlp.router").with_bias(Bias::Required),
    GATE_EXPERTS,
    UP_EXPERTS,
    DOWN_EXPERTS,
];

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
