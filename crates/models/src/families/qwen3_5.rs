//! Qwen3.5 and its successors, dense and as mixtures: gated delta nets, and attention with a gate in every
//! fourth layer. Also their wrapper with a vision tower.

use mlxk_format::convert::Placement;
use mlxk_ops::DeltaSizes;

use super::common::Common;
use super::family::{Architecture, Family};
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
    gguf: None,
    architectures: &[Architecture {
        wrapper: true,
        published: &PUBLISHED,
        ..Architecture::new("qwen3_5", "Qwen3.5, Qwen3.6, Qwen3.8, text only", spec)
    }],
};

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
