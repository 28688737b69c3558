//! Qwen3, dense and as a mixture of experts (Yang et al., 2025, arXiv:2505.09388): Qwen2 with
//! norms on the heads of queries and keys instead of biases.

use mlxk_format::gguf::{GgufArchitecture, HeadDim};
use mlxk_ops::{RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use super::published::{Published, ROUTER, USUAL_EXPERTS};
use super::qwen2;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, ExpertsSpec, GroupedSpec, QkNorm, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Qwen3",
    gguf: &[GGUF, MOE_GGUF],
    architectures: &[
        Architecture::new("qwen3", "Qwen3", spec),
        Architecture {
            published: &Published {
                experts: USUAL_EXPERTS,
                modules: &[("mlp.gate", ROUTER)],
                ..Published::AS_IN_MLX
            },
            ..Architecture::new("qwen3_moe", "Qwen3-30B-A3B, Qwen3-Coder", moe_spec)
        },
    ],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    more: &[gguf::MLP, gguf::QK_NORMS],
    head_dim: HeadDim::Stated,
    qwen_words: true,
    config: |_, _| vec![("use_sliding_window", false.into())],
    exported_types: &["qwen3"],
    ..gguf::architecture("qwen3", "qwen3", "Qwen3ForCausalLM", gguf::ATTENTION)
};

const MOE_GGUF: GgufArchitecture = GgufArchitecture {
    name: "qwen3moe",
    model_type: "qwen3_moe",
    class: "Qwen3MoeForCausalLM",
    more: &[&[gguf::MLP_NORM], gguf::MIXTURE, gguf::QK_NORMS],
    keys: gguf::EXPERT_KEYS,
    required: gguf::EXPERT_KEYS,
    config: |sizes, _| {
        let mut keys = gguf::expert_config(sizes);
        keys.extend([
            ("norm_topk_prob", true.into()),
            ("decoder_sparse_step", 1.into()),
            ("mlp_only_layers", Value::Array(vec![])),
        ]);
        keys
    },
    exported_types: &["qwen3_moe"],
    exported_sizes: &[
        ("num_experts", "expert_count"),
        ("num_experts_per_tok", "expert_used_count"),
        ("moe_intermediate_size", "expert_feed_forward_length"),
    ],
    ..GGUF
};

pub(super) fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let windows = qwen2::windows(config, common.layers)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec {
        biases: Biases::all(bias),
        qk_norm: Some(QkNorm::Heads(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let layer = |window| pre_norm(GroupedSpec { window, ..attention }, common.mlp);
    Ok(common.decoder(vec![rope], windows.into_iter().map(layer).collect()))
}

pub(super) fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let dense = spec(config)?;
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let route = RouteSpec {
        normalize: config.flag("norm_topk_prob")?.unwrap_or(false),
        ..RouteSpec::new(config.size("num_experts_per_tok", experts)?, RouteScores::Softmax)
    };
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let mixture = ExpertsSpec::usual(experts, intermediate, route);
    Ok(dense.with_experts("mlp", &mixture, mixture_layers(config)?))
}

/// Returns which layers are mixtures, by `decoder_sparse_step` and `mlp_only_layers`.
pub(super) fn mixture_layers(config: &Config<'_>) -> Result<impl Fn(usize) -> bool, ModelError> {
    let step = config.optional_size("decoder_sparse_step", limit::LAYERS)?.unwrap_or(1);
    let dense_layers: Vec<usize> = match config.get("mlp_only_layers") {
        None => vec![],
        Some(list) => list
            .as_array()
            .and_then(|list| list.iter().map(|index| index.as_u64().map(|i| i as usize)).collect())
            .ok_or_else(|| config.bad("mlp_only_layers", "a list of layers"))?,
    };
    Ok(move |layer| !dense_layers.contains(&layer) && (layer + 1).is_multiple_of(step))
}
