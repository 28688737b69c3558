//! Qwen3.5 and its successors, dense and as mixtures: gated delta nets, and attention with a gate in every
//! fourth layer. Also their wrapper with a vision tower.

use mlxk_format::convert::Placement;
use mlxk_format::gguf::{
    Extent, GgufArchitecture, GgufRope, GgufSizes, HeadDim, LayerTensor, Order, json_number,
};
use mlxk_ops::DeltaSizes;
use serde_json::{Map, Value};

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use super::published::{
    FILTERS, Published, PublishedValues, are_unmoved_filters, in_language_model, norms_around_zero,
};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, DeltaNetSpec, DeltaProjections, GroupedSpec, MlpSpec, NormSpec,
    OutputGate, PartSpec, QkNorm, QkvLayout, partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Qwen3.5",
    gguf: &[GGUF, MOE_GGUF],
    architectures: &[Architecture {
        wrapper: true,
        published: &PUBLISHED,
        ..Architecture::new("qwen3_5", "Qwen3.5, Qwen3.6, Qwen3.8, text only", spec)
    }],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    more: &[GGUF_MLP, DELTA, ATTENTION],
    layers_path: "language_model.model.layers",
    outside: &[
        gguf::EMBEDDING.named("language_model.model.embed_tokens"),
        gguf::OUTPUT_NORM.named("language_model.model.norm"),
        gguf::OUTPUT.named("language_model.lm_head"),
    ],
    head_dim: HeadDim::Stated,
    rope: GgufRope::Partial,
    qwen_words: true,
    keys: GGUF_KEYS,
    required: GGUF_REQUIRED,
    config: |sizes, _| gguf_config(sizes),
    ..gguf::architecture("qwen35", "qwen3_5", "Qwen3_5ForConditionalGeneration", GGUF_NORMS)
};

const MOE_GGUF: GgufArchitecture = GgufArchitecture {
    name: "qwen35moe",
    model_type: "qwen3_5_moe",
    class: "Qwen3_5MoeForConditionalGeneration",
    more: &[gguf::MIXTURE, gguf::SHARED_EXPERT, DELTA, ATTENTION],
    keys: &[
        "ssm.conv_kernel",
        "ssm.state_size",
        "ssm.group_count",
        "ssm.time_step_rank",
        "ssm.inner_size",
        "full_attention_interval",
        "attention.recurrent_layers",
        "rope.dimension_sections",
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
        "expert_shared_feed_forward_length",
    ],
    config: |sizes, _| {
        let shared = sizes.whole("expert_shared_feed_forward_length");
        let mut keys = gguf_config(sizes);
        keys.extend(gguf::expert_config(sizes));
        keys.push(("shared_expert_intermediate_size", shared.into()));
        keys.push(("norm_topk_prob", true.into()));
        keys
    },
    ..GGUF
};

/// The sections of positions differ for images only.
const GGUF_KEYS: &[&str] = &[
    "ssm.conv_kernel",
    "ssm.state_size",
    "ssm.group_count",
    "ssm.time_step_rank",
    "ssm.inner_size",
    "full_attention_interval",
    "attention.recurrent_layers",
    "rope.dimension_sections",
];
const GGUF_REQUIRED: &[&str] = &[
    "ssm.conv_kernel",
    "ssm.state_size",
    "ssm.group_count",
    "ssm.time_step_rank",
    "ssm.inner_size",
];

/// The file has a flag for each layer, or the period of attention.
fn has_attention(sizes: &GgufSizes, layer: usize) -> bool {
    if let Some(is_recurrent) = sizes.of_layer("attention.recurrent_layers", layer) {
        return is_recurrent <= 0.0;
    }
    let interval = sizes.number("full_attention_interval").unwrap_or(4.0);
    (layer + 1).is_multiple_of(interval.max(1.0) as usize)
}

/// Returns the period of attention. MLX has no other order of layers.
fn interval(sizes: &GgufSizes) -> usize {
    let first = (0..sizes.layers).find(|&layer| has_attention(sizes, layer));
    first.unwrap_or(sizes.layers) + 1
}

fn has_delta(sizes: &GgufSizes, layer: usize) -> bool {
    !has_attention(sizes, layer)
}

fn gguf_config(sizes: &GgufSizes) -> Vec<(&'static str, Value)> {
    let factor = sizes.rotary_dims as f64 / sizes.head_dim as f64;
    let parameters = Map::from_iter([
        ("rope_type".to_owned(), "default".into()),
        ("rope_theta".to_owned(), json_number(sizes.rope_theta)),
        ("partial_rotary_factor".to_owned(), factor.into()),
    ]);
    vec![
        ("rope_scaling", Value::Null),
        ("rope_parameters", parameters.into()),
        ("full_attention_interval", interval(sizes).into()),
        ("linear_conv_kernel_dim", sizes.whole("ssm.conv_kernel").into()),
        ("linear_key_head_dim", sizes.whole("ssm.state_size").into()),
        ("linear_num_key_heads", sizes.whole("ssm.group_count").into()),
        ("linear_num_value_heads", value_heads(sizes).into()),
        ("linear_value_head_dim", (values(sizes) / value_heads(sizes).max(1)).into()),
    ]
}

fn value_heads(sizes: &GgufSizes) -> usize {
    sizes.whole("ssm.time_step_rank")
}

/// Returns the width of all value heads.
fn values(sizes: &GgufSizes) -> usize {
    sizes.whole("ssm.inner_size")
}

/// Returns the width of all query heads and key heads of a delta net.
fn queries_and_keys(sizes: &GgufSizes) -> usize {
    2 * sizes.whole("ssm.group_count") * sizes.whole("ssm.state_size")
}

/// Returns the head of the file that belongs at a place of the checkpoint. MLX has the value heads of a key head
/// next to each other, llama.cpp those of all key heads in turn.
fn value_head(sizes: &GgufSizes, head: usize) -> usize {
    let groups = sizes.whole("ssm.group_count").max(1);
    let of_group = (value_heads(sizes) / groups).max(1);
    head % of_group * groups + head / of_group
}

/// The same for rows of queries, keys and values together.
fn value_row(sizes: &GgufSizes, row: usize) -> usize {
    let (before, width) = (queries_and_keys(sizes), values(sizes) / value_heads(sizes).max(1));
    match row.checked_sub(before) {
        Some(row) if width > 0 => before + value_head(sizes, row / width) * width + row % width,
        _ => row,
    }
}

const VALUES: Extent = Extent::Of(values);
const VALUE_HEADS: Extent = Extent::Of(value_heads);
const BY_HEAD: Order = Order { pieces: VALUE_HEADS, source: value_head };
const MIXED: Extent = Extent::Of(|sizes| queries_and_keys(sizes) + values(sizes));
const BY_ROW: Order = Order { pieces: MIXED, source: value_row };

const DELTA: &[LayerTensor] = &[
    LayerTensor::matrix("attn_qkv", "linear_attn.in_proj_qkv", [MIXED, Extent::Hidden])
        .with_row_order(BY_ROW)
        .of_layers(has_delta),
    LayerTensor::matrix("attn_gate", "linear_attn.in_proj_z", [VALUES, Extent::Hidden])
        .with_row_order(BY_HEAD)
        .of_layers(has_delta),
    LayerTensor::matrix("ssm_beta", "linear_attn.in_proj_b", [VALUE_HEADS, Extent::Hidden])
        .with_row_order(BY_HEAD)
        .of_layers(has_delta),
    LayerTensor::matrix("ssm_alpha", "linear_attn.in_proj_a", [VALUE_HEADS, Extent::Hidden])
        .with_row_order(BY_HEAD)
        .of_layers(has_delta),
    LayerTensor::matrix(
        "ssm_conv1d",
        "linear_attn.conv1d",
        [MIXED, Extent::Key("ssm.conv_kernel")],
    )
    .with_last_axis()
    .with_row_order(BY_ROW)
    .of_layers(has_delta),
    LayerTensor {
        values: Some(|value| (-value).ln()),
        ..LayerTensor::vector("ssm_a", "linear_attn.A_log", VALUE_HEADS)
    }
    .whole_name()
    .with_row_order(BY_HEAD)
    .of_layers(has_delta),
    LayerTensor::vector("ssm_dt.bias", "linear_attn.dt_bias", VALUE_HEADS)
        .whole_name()
        .with_row_order(BY_HEAD)
        .of_layers(has_delta),
    LayerTensor::vector(
        "ssm_norm",
        "linear_attn.norm",
        Extent::Of(|sizes| values(sizes) / value_heads(sizes).max(1)),
    )
    .of_layers(has_delta),
    LayerTensor {
        column_order: Some(BY_HEAD),
        ..LayerTensor::matrix("ssm_out", "linear_attn.out_proj", [Extent::Hidden, VALUES])
    }
    .of_layers(has_delta),
];
const ATTENTION: &[LayerTensor] = &[
    LayerTensor { rows: Some(Extent::Of(|sizes| 2 * sizes.heads * sizes.head_dim)), ..gguf::Q }
        .of_layers(has_attention),
    gguf::K.of_layers(has_attention),
    gguf::V.of_layers(has_attention),
    gguf::O.of_layers(has_attention),
    gguf::Q_NORM.of_layers(has_attention),
    gguf::K_NORM.of_layers(has_attention),
];
const POST_NORM: LayerTensor = LayerTensor { gguf: "post_attention_norm", ..gguf::MLP_NORM };

const GGUF_NORMS: &[LayerTensor] = &[gguf::INPUT_NORM, POST_NORM];
const GGUF_MLP: &[LayerTensor] = &[gguf::GATE, gguf::UP, gguf::DOWN];

/// Published files have norms around zero, and filters in another shape.
pub(super) const PUBLISHED: Published = Published {
    rename: in_language_model,
    place: |_, name| is_guess(name).then_some(Placement::Drop),
    exact: &["A_log"],
    filters: FILTERS,
    values: Some(PublishedValues {
        sign: are_unmoved_filters,
        arithmetic: |_, name| norms_around_zero(name),
    }),
    ..Published::AS_IN_MLX
};

/// Returns `true` for the tensors of the part that predicts several tokens.
pub(super) fn is_guess(name: &str) -> bool {
    name.contains("mtp.")
}

/// Prefixes of the tensors of the vision part and of the part that predicts several tokens.
const SKIPPED: &[&str] = &["vision_tower.", "model.visual.", "mtp.", "language_model.mtp."];

/// Longest convolution.
pub(super) const KERNEL: usize = 64;

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = text(config)?;
    let intermediate = text.size("intermediate_size", limit::WIDTH)?;
    text_spec(&text, MlpSpec::gated(intermediate))
}

/// Returns the keys of the language model. They are at the top in conversions without the other parts.
pub(super) fn text<'a>(config: &Config<'a>) -> Result<Config<'a>, ModelError> {
    Ok(config.child("text_config")?.unwrap_or_else(|| config.clone()))
}

/// Reads everything but the feed-forward part.
pub(super) fn text_spec(text: &Config<'_>, mlp: MlpSpec) -> Result<DecoderSpec, ModelError> {
    let common = Common {
        hidden: text.size("hidden_size", limit::WIDTH)?,
        layers: text.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: text.size("vocab_size", limit::VOCAB)?,
        max_positions: text
            .optional_size("max_position_embeddings", limit::POSITIONS)?
            .unwrap_or(131_072),
        norm: NormSpec::rms(text.positive("rms_norm_eps")?),
        mlp,
        tied: text.flag("tie_word_embeddings")?,
    };
    let sizes = AttentionSizes::from_config(text)?;
    let parameters = text.child("rope_parameters")?;
    let factor = match &parameters {
        Some(parameters) => parameters.optional_positive("partial_rotary_factor")?,
        None => None,
    };
    let dims = (sizes.head_dim as f64 * factor.unwrap_or(0.25)) as usize;
    if dims > sizes.head_dim || dims < 2 || !dims.is_multiple_of(2) {
        let from = parameters.as_ref().unwrap_or(text);
        return Err(from.bad("partial_rotary_factor", "an even part of a head"));
    }
    let rope = partial_rope_spec(text, dims, 100_000.0)?;
    let layers = hybrid(text, &common, sizes, DeltaProjections::Apart)?;
    let spec = common.decoder(vec![rope], layers);
    Ok(DecoderSpec { prefix: "language_model.", skipped: SKIPPED, ..spec })
}

/// Returns the layers: gated delta nets, and attention in every one whose number is a multiple of
/// `full_attention_interval`.
pub(super) fn hybrid(
    config: &Config<'_>,
    common: &Common,
    sizes: AttentionSizes,
    projections: DeltaProjections,
) -> Result<Vec<Vec<BlockSpec>>, ModelError> {
    config.require("hidden_act", "silu")?;
    if config.flag("attn_output_gate")? == Some(false) {
        return Err(config.unsupported("attn_output_gate", "false", "`true`"));
    }
    let interval = config.optional_size("full_attention_interval", limit::LAYERS)?.unwrap_or(4);
    let attention = GroupedSpec {
        biases: Biases::all(config.flag("attention_bias")?.unwrap_or(false)),
        qk_norm: Some(QkNorm::Heads(common.norm)),
        gate: Some(OutputGate::values("q_proj")),
        qkv: QkvLayout::GateInQueries,
        ..GroupedSpec::plain(sizes)
    };
    let delta = DeltaNetSpec {
        sizes: delta_sizes(config)?,
        kernel: config.size("linear_conv_kernel_dim", KERNEL)?,
        norm: common.norm,
        projections,
    };
    let layer = |number: usize| {
        let (part, path): (PartSpec, _) = if number.is_multiple_of(interval) {
            (attention.into(), "self_attn")
        } else {
            (delta.into(), "linear_attn")
        };
        let block =
            |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
        vec![
            block("input_layernorm", part, path),
            block("post_attention_layernorm", common.mlp.into(), "mlp"),
        ]
    };
    Ok((1..=common.layers).map(layer).collect())
}

/// Reads the heads of a gated delta net.
pub(super) fn delta_sizes(config: &Config<'_>) -> Result<DeltaSizes, ModelError> {
    let sizes = DeltaSizes {
        key_heads: config.size("linear_num_key_heads", limit::HEADS)?,
        value_heads: config.size("linear_num_value_heads", limit::HEADS)?,
        key_dim: config.size("linear_key_head_dim", limit::HEAD_DIM)?,
        value_dim: config.size("linear_value_head_dim", limit::HEAD_DIM)?,
    };
    if sizes.value_heads.is_multiple_of(sizes.key_heads) {
        return Ok(sizes);
    }
    let expected = format!("a multiple of `linear_num_key_heads` ({})", sizes.key_heads);
    Err(config.bad("linear_num_value_heads", expected))
}
