//! Qwen2 and Qwen2.5 (Yang et al., 2024, arXiv:2407.10671, arXiv:2412.15115): Llama with biases on
//! queries, keys and values, and an optional window in the upper layers.

use mlxk_format::gguf::{Bias, GgufArchitecture, HeadDim, LayerTensor};

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use super::published::{Published, USUAL_EXPERTS};
use super::routing::softmax_route;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertsSpec, GroupedSpec, MlpSpec, SharedExpert, SharedWeight,
    layer_windows, rope_spec, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Qwen2",
    gguf: &[GGUF, MOE_GGUF],
    architectures: &[
        Architecture::new("qwen2", "Qwen2, Qwen2.5, Qwen2.5-Coder, QwQ", spec),
        Architecture {
            published: &Published { experts: USUAL_EXPERTS, ..Published::AS_IN_MLX },
            ..Architecture::new("qwen2_moe", "Qwen1.5-MoE-A2.7B, Qwen2-57B-A14B", moe_spec)
        },
    ],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    more: &[gguf::MLP],
    head_dim: HeadDim::Derived,
    qwen_words: true,
    config: |_, _| vec![("use_sliding_window", false.into())],
    exported_types: &["qwen2"],
    ..gguf::architecture("qwen2", "qwen2", "Qwen2ForCausalLM", GGUF_ATTENTION)
};

const GGUF_ATTENTION: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q.with_bias(Bias::Required),
    gguf::K.with_bias(Bias::Required),
    gguf::V.with_bias(Bias::Required),
    gguf::O,
];

const MOE_GGUF: GgufArchitecture = GgufArchitecture {
    name: "qwen2moe",
    model_type: "qwen2_moe",
    class: "Qwen2MoeForCausalLM",
    more: &[&[gguf::MLP_NORM], gguf::MIXTURE, gguf::SHARED_EXPERT],
    keys: MOE_GGUF_KEYS,
    required: MOE_GGUF_KEYS,
    config: |sizes, _| {
        let shared = sizes.whole("expert_shared_feed_forward_length");
        let mut keys = gguf::expert_config(sizes);
        keys.push(("shared_expert_intermediate_size", shared.into()));
        keys
    },
    exported_types: &[],
    ..GGUF
};

const MOE_GGUF_KEYS: &[&str] = &[
    "expert_count",
    "expert_used_count",
    "expert_feed_forward_length",
    "expert_shared_feed_forward_length",
];

pub(super) fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let windows = windows(config, common.layers)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { biases: Biases { qkv: true, output: false }, ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let layer = |window| pre_norm(GroupedSpec { window, ..attention }, common.mlp);
    Ok(common.decoder(vec![rope], windows.into_iter().map(layer).collect()))
}

/// Like mlx-lm, use experts in every layer, and ignore scalings of the rotary frequencies.
fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention =
        GroupedSpec { biases: Biases { qkv: true, output: false }, ..GroupedSpec::plain(sizes) };
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let route = softmax_route(config.size("num_experts_per_tok", experts)?, false);
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.size("shared_expert_intermediate_size", limit::WIDTH)?;
    let mixture = ExpertsSpec {
        shared: Some(SharedExpert {
            name: "shared_expert",
            mlp: MlpSpec::gated(shared),
            weight: SharedWeight::Gate("shared_expert_gate"),
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    };
    let theta = config.positive_or("rope_theta", 1_000_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = config.flag_or("rope_traditional", false)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mixture)).collect();
    Ok(DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) })
}

/// Returns the windows of the layers. If windows are enabled, they start at layer `max_window_layers`.
pub(super) fn windows(
    config: &Config<'_>,
    layers: usize,
) -> Result<Vec<Option<usize>>, ModelError> {
    let first_windowed = match config.flag("use_sliding_window")? {
        Some(true) => config.count_or("max_window_layers", 28, limit::LAYERS)?,
        _ => layers,
    };
    layer_windows(config, layers, first_windowed)
}
