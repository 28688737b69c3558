//! LFM2 and LFM2.5 (Liquid AI, 2025, arXiv:2511.23404): gated convolutions over the last few tokens, and
//! a few attention layers between them.

use mlxk_format::gguf::{Extent, GgufArchitecture, GgufSizes, HeadDim, LayerTensor};
use mlxk_ops::{RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use super::published::{Published, ROUTER, USUAL_EXPERTS, in_language_model};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, ExpertsSpec, GroupedSpec, MlpKind, MlpSpec, NormSpec, PartSpec,
    QkNorm, ShortConvSpec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "LFM2",
    gguf: &[GGUF, MOE_GGUF],
    architectures: &[
        Architecture {
            published: &PUBLISHED,
            ..Architecture::new("lfm2", "LFM2, LFM2.5 230M to 2.6B", spec)
        },
        Architecture {
            wrapper: true,
            published: &Published { rename: in_language_model, ..PUBLISHED },
            ..Architecture::new("lfm2-vl", "LFM2-VL, text only", wrapper_spec)
        },
        Architecture {
            published: &Published {
                rename: published_name,
                experts: USUAL_EXPERTS,
                modules: &[("feed_forward.gate", ROUTER)],
                exact: &["expert_bias"],
                ..PUBLISHED
            },
            ..Architecture::new("lfm2_moe", "LFM2-8B-A1B, LFM2-24B-A2B", moe_spec)
        },
    ],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    more: &[GGUF_MIXERS],
    head_dim: HeadDim::Derived,
    outside: &[
        gguf::EMBEDDING,
        LayerTensor::vector("token_embd_norm", "model.embedding_norm", Extent::Hidden),
    ],
    norm_eps: "norm_eps",
    keys: &["attention.head_count_kv", "shortconv.l_cache"],
    required: &["attention.head_count_kv", "shortconv.l_cache"],
    config: |sizes, _| {
        let mut keys = gguf_config(sizes);
        keys.push(("block_ff_dim", sizes.intermediate.into()));
        keys.push(("block_auto_adjust_ff_dim", false.into()));
        keys
    },
    ..gguf::architecture("lfm2", "lfm2", "Lfm2ForCausalLM", GGUF_LAYER)
};

/// A layer without key/value heads is a convolution.
fn has_attention(sizes: &GgufSizes, layer: usize) -> bool {
    sizes.of_layer("attention.head_count_kv", layer).is_some_and(|heads| heads > 0.0)
}

fn has_conv(sizes: &GgufSizes, layer: usize) -> bool {
    !has_attention(sizes, layer)
}

fn gguf_config(sizes: &GgufSizes) -> Vec<(&'static str, Value)> {
    let kind = |layer| if has_attention(sizes, layer) { "full_attention" } else { "conv" };
    vec![
        ("layer_types", (0..sizes.layers).map(kind).collect()),
        ("conv_L_cache", sizes.whole("shortconv.l_cache").into()),
        ("conv_bias", false.into()),
    ]
}

const GGUF_MIXERS: &[LayerTensor] = &[
    gguf::INPUT_NORM.named("operator_norm"),
    LayerTensor::matrix(
        "shortconv.conv",
        "conv.conv",
        [Extent::Hidden, Extent::Key("shortconv.l_cache")],
    )
    .with_last_axis()
    .of_layers(has_conv),
    LayerTensor::matrix(
        "shortconv.in_proj",
        "conv.in_proj",
        [Extent::Of(|sizes| 3 * sizes.hidden), Extent::Hidden],
    )
    .of_layers(has_conv),
    LayerTensor::matrix("shortconv.out_proj", "conv.out_proj", [Extent::Hidden, Extent::Hidden])
        .of_layers(has_conv),
    gguf::Q.of_layers(has_attention),
    gguf::K.of_layers(has_attention),
    gguf::V.of_layers(has_attention),
    gguf::O.named("self_attn.out_proj").of_layers(has_attention),
    gguf::Q_NORM.named("self_attn.q_layernorm").of_layers(has_attention),
    gguf::K_NORM.named("self_attn.k_layernorm").of_layers(has_attention),
    gguf::MLP_NORM.named("ffn_norm"),
];

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::GATE.named("feed_forward.w1"),
    gguf::UP.named("feed_forward.w3"),
    gguf::DOWN.named("feed_forward.w2"),
];

const MOE_GGUF: GgufArchitecture = GgufArchitecture {
    name: "lfm2moe",
    model_type: "lfm2_moe",
    class: "Lfm2MoeForCausalLM",
    layer: MOE_GGUF_LAYER,
    keys: &[
        "attention.head_count_kv",
        "shortconv.l_cache",
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "expert_gating_func",
        "leading_dense_block_count",
    ],
    required: gguf::EXPERT_KEYS,
    config: |sizes, _| {
        let mut keys = gguf_config(sizes);
        keys.extend(gguf::expert_config(sizes));
        keys.extend([
            ("num_dense_layers", sizes.whole("leading_dense_block_count").into()),
            ("norm_topk_prob", true.into()),
            ("use_expert_bias", true.into()),
        ]);
        keys
    },
    ..GGUF
};

fn is_dense(sizes: &GgufSizes, layer: usize) -> bool {
    layer < sizes.whole("leading_dense_block_count")
}

fn is_mixture(sizes: &GgufSizes, layer: usize) -> bool {
    !is_dense(sizes, layer)
}

const MOE_GGUF_LAYER: &[LayerTensor] = &[
    gguf::GATE.named("feed_forward.gate_proj").of_layers(is_dense),
    gguf::UP.named("feed_forward.up_proj").of_layers(is_dense),
    gguf::DOWN.named("feed_forward.down_proj").of_layers(is_dense),
    gguf::ROUTER.named("feed_forward.gate").of_layers(is_mixture),
    gguf::GATE_EXPERTS.named("feed_forward.switch_mlp.gate_proj").of_layers(is_mixture),
    gguf::UP_EXPERTS.named("feed_forward.switch_mlp.up_proj").of_layers(is_mixture),
    gguf::DOWN_EXPERTS.named("feed_forward.switch_mlp.down_proj").of_layers(is_mixture),
    LayerTensor::vector("exp_probs_b.bias", "feed_forward.expert_bias", gguf::EXPERTS)
        .whole_name()
        .of_layers(is_mixture),
];

const PUBLISHED: Published = Published { filters: &["conv.weight"], ..Published::AS_IN_MLX };

/// Returns the name of a module of a mixture in MLX. Published files number the matrices of a feed-forward
/// part.
fn published_name(name: &str) -> String {
    let names = [("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")];
    let renamed = names.into_iter().find_map(|(published, in_mlx)| {
        let path = name.strip_suffix(".weight")?.strip_suffix(published)?;
        Some(format!("{path}{in_mlx}.weight"))
    });
    renamed.unwrap_or_else(|| name.to_owned())
}

/// Longest convolution.
const KERNEL: usize = 64;

fn wrapper_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    let skipped = &["vision_tower.", "multi_modal_projector."];
    Ok(DecoderSpec { prefix: "language_model.", skipped, ..spec(&text)? })
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let kind = MlpKind::Gated { gate: "w1", up: "w3", down: "w2" };
    let mlp = MlpSpec { kind, ..MlpSpec::gated(intermediate(config)?) };
    hybrid(config, mlp)
}

fn moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let intermediate = config.size("intermediate_size", limit::WIDTH)?;
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let route = RouteSpec {
        // mlx-lm adds 1e-6 to the sum, which is as much as f32 rounds it by.
        normalize: config.flag_or("norm_topk_prob", false)?,
        scale: config.number_or("routed_scaling_factor", 1.0)? as f32,
        ..RouteSpec::new(config.size("num_experts_per_tok", experts)?, RouteScores::Sigmoid)
    };
    let expert = config.size("moe_intermediate_size", limit::WIDTH)?;
    let mixture = ExpertsSpec {
        correction: config.flag_or("use_expert_bias", false)?.then_some("expert_bias"),
        ..ExpertsSpec::usual(experts, expert, route)
    };
    let dense = config.count_or("num_dense_layers", 0, limit::LAYERS)?;
    let spec = hybrid(config, MlpSpec::gated(intermediate))?;
    Ok(spec.with_experts("feed_forward", &mixture, |layer| layer >= dense))
}

/// Reads everything but the feed-forward part.
fn hybrid(config: &Config<'_>, mlp: MlpSpec) -> Result<DecoderSpec, ModelError> {
    let norm = NormSpec::rms(config.positive("norm_eps")?);
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config
            .optional_size("max_position_embeddings", limit::POSITIONS)?
            .unwrap_or(128_000),
        norm,
        mlp,
        tied: Some(true),
    };
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec {
        names: AttentionNames {
            o: "out_proj",
            q_norm: "q_layernorm",
            k_norm: "k_layernorm",
            ..AttentionNames::USUAL
        },
        qk_norm: Some(QkNorm::Heads(norm)),
        ..GroupedSpec::plain(sizes)
    };
    let conv = ShortConvSpec {
        kernel: config.size("conv_L_cache", KERNEL)?,
        bias: config.flag("conv_bias")?.unwrap_or(false),
    };
    let layers = attention_layers(config, common.layers)?.into_iter().map(|is_attention| {
        let (part, path): (PartSpec, _) =
            if is_attention { (attention.into(), "self_attn") } else { (conv.into(), "conv") };
        let block =
            |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
        vec![block("operator_norm", part, path), block("ffn_norm", mlp.into(), "feed_forward")]
    });
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    Ok(DecoderSpec {
        names: Names { norm: "model.embedding_norm", ..Names::USUAL },
        ..common.decoder(vec![rope], layers.collect())
    })
}

/// Returns for each layer whether it is attention, by `full_attn_idxs` or by `layer_types`.
fn attention_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    let key = if config.get("full_attn_idxs").is_some() { "full_attn_idxs" } else { "layer_types" };
    let list = config.get(key).ok_or_else(|| config.missing("layer_types"))?.as_array();
    let found = list.and_then(|list| {
        if key == "layer_types" {
            let types: Option<Vec<bool>> = list
                .iter()
                .map(|name| match name.as_str()? {
                    "full_attention" => Some(true),
                    "conv" => Some(false),
                    _ => None,
                })
                .collect();
            return types.filter(|types| types.len() == layers);
        }
        let mut found = vec![false; layers];
        for index in list {
            *found.get_mut(usize::try_from(index.as_u64()?).ok()?)? = true;
        }
        Some(found)
    });
    found.ok_or_else(|| {
        let expected = match key {
            "layer_types" => format!("a list of {layers} times `full_attention` or `conv`"),
            _ => format!("a list of layers below {layers}"),
        };
        config.bad(key, expected)
    })
}

/// Returns the width of the feed-forward part.
fn intermediate(config: &Config<'_>) -> Result<usize, ModelError> {
    let width = match config.optional_size("block_ff_dim", limit::WIDTH)? {
        Some(width) => width,
        None => config.size("intermediate_size", limit::WIDTH)?,
    };
    if !config.flag("block_auto_adjust_ff_dim")?.unwrap_or(false) {
        return Ok(width);
    }
    let factor = config.optional_positive("block_ffn_dim_multiplier")?.unwrap_or(1.0);
    let multiple = config.size("block_multiple_of", limit::WIDTH)?;
    let wanted = (2 * width / 3) as f64 * factor;
    let most = limit::WIDTH as f64;
    if (1.0..=most).contains(&wanted) {
        let width = (wanted as usize).next_multiple_of(multiple);
        if width <= limit::WIDTH {
            return Ok(width);
        }
    }
    let expected = format!("a factor that leaves a width from 1 to {}", limit::WIDTH);
    Err(config.bad("block_ffn_dim_multiplier", expected))
}
