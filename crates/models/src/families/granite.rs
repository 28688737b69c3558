//! Granite 3 (IBM, 2024), dense and as a mixture of experts: Llama with factors on embeddings, scores,
//! residual stream and logits.

use mlxk_format::gguf::{
    Bias, Extent, GgufArchitecture, GgufBiases, GgufSizes, Heads, LayerTensor,
};
use mlxk_ops::{RouteScores, RouteSpec};
use serde_json::Value;

use super::family::{Architecture, Family};
use super::gguf;
use super::llama;
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use crate::parts::{ExpertNames, ExpertsSpec};

pub(super) const FAMILY: Family = Family {
    name: "Granite",
    gguf: &[GGUF, MOE_GGUF],
    architectures: &[
        Architecture::new("granite", "Granite 3", spec),
        Architecture {
            published: &Published {
                modules: &[
                    ("block_sparse_moe.router.layer", ROUTER),
                    ("self_attn.o_proj", ROUTER),
                    ("lm_head", ROUTER),
                ],
                ..Published::AS_IN_MLX
            },
            ..Architecture::new("granitemoe", "Granite 3 1B-A400M, 3B-A800M", moe_spec)
        },
    ],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    name: "granite",
    model_type: "granite",
    class: "GraniteForCausalLM",
    keys: GGUF_FACTORS,
    required: GGUF_FACTORS,
    config: gguf_config,
    exported_types: &[],
    ..llama::GGUF
};

const GGUF_FACTORS: &[&str] =
    &["attention.scale", "embedding_scale", "residual_scale", "logit_scale"];

fn gguf_config(sizes: &GgufSizes, biases: GgufBiases) -> Vec<(&'static str, Value)> {
    vec![
        ("attention_bias", biases.attention.into()),
        ("mlp_bias", biases.mlp.into()),
        ("attention_multiplier", gguf::number(sizes, "attention.scale")),
        ("embedding_multiplier", gguf::number(sizes, "embedding_scale")),
        ("residual_multiplier", gguf::number(sizes, "residual_scale")),
        ("logits_scaling", gguf::number(sizes, "logit_scale")),
    ]
}

const MOE_GGUF: GgufArchitecture = GgufArchitecture {
    name: "granitemoe",
    model_type: "granitemoe",
    class: "GraniteMoeForCausalLM",
    layer: MOE_GGUF_LAYER,
    keys: &[
        "attention.scale",
        "embedding_scale",
        "residual_scale",
        "logit_scale",
        "expert_count",
        "expert_used_count",
    ],
    config: |sizes, biases| {
        let mut keys = gguf_config(sizes, biases);
        keys.push(("num_local_experts", sizes.whole("expert_count").into()));
        keys.push(("num_experts_per_tok", sizes.whole("expert_used_count").into()));
        keys
    },
    ..GGUF
};

const MOE_GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q.with_bias(Bias::Attention).interleaved(Heads::Query),
    gguf::K.with_bias(Bias::Attention).interleaved(Heads::KeyValue),
    gguf::V.with_bias(Bias::Attention),
    gguf::O.with_bias(Bias::Attention),
    gguf::MLP_NORM,
    gguf::ROUTER.named("block_sparse_moe.router.layer"),
    LayerTensor { rows: Some(Extent::Intermediate), ..gguf::GATE_EXPERTS }
        .named("block_sparse_moe.switch_mlp.gate_proj"),
    LayerTensor { rows: Some(Extent::Intermediate), ..gguf::UP_EXPERTS }
        .named("block_sparse_moe.switch_mlp.up_proj"),
    LayerTensor { cols: Extent::Intermediate, ..gguf::DOWN_EXPERTS }
        .named("block_sparse_moe.switch_mlp.down_proj"),
];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let mut spec = llama::spec(config)?;
    let scale = config.positive("attention_multiplier")? as f32;
    for attention in spec.attentions_mut() {
        attention.scale = scale;
    }
    Ok(DecoderSpec {
        embed_scale: config.positive("embedding_multiplier")? as f32,
        residual_scale: Some(config.positive("residual_multiplier")? as f32),
        logit_scale: Some((1.0 / config.positive("logits_scaling")?) as f32),
        tied: spec.tied.or(Some(true)),
        ..spec
    })
}

fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let experts = config.size("num_local_experts", limit::EXPERTS)?;
    let route =
        RouteSpec::new(config.size("num_experts_per_tok", experts)?, RouteScores::SoftmaxOfChosen);
    let mixture = ExpertsSpec {
        names: ExpertNames { router: "router.layer", ..ExpertNames::USUAL },
        ..ExpertsSpec::usual(experts, config.size("intermediate_size", limit::WIDTH)?, route)
    };
    Ok(spec(config)?.with_experts("block_sparse_moe", &mixture, |_| true))
}
