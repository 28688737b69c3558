//! Llama 4 (Meta, 2025) and its wrapper with a vision tower: attention within chunks in three of four layers,
//! attention without positions in the others, and mixtures with one expert per token.

use mlxk_ops::{RouteScores, RouteSpec, ScoreGrowth};

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, NormSpec, QkNorm,
    SharedExpert, partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Llama 4",
    gguf: &[],
    architectures: &[Architecture {
        wrapper: true,
        ..Architecture::new("llama4", "Llama 4 Scout and Maverick, text only", spec)
    }],
};

/// Prefixes of the tensors of the vision part.
const VISION: &[&str] = &["vision_model.", "multi_modal_projector."];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    let spec = text_spec(&text)?;
    Ok(DecoderSpec { prefix: "language_model.", skipped: VISION, ..spec })
}

fn text_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let mut common = Common::from_config(config, 131_072)?;
    common.mlp.bias = false;
    let [global, chunked] = attentions(config)?;
    let wide = MlpSpec::gated(config.size("intermediate_size_mlp", limit::WIDTH)?);
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |number: usize| {
        let attention = if number.is_multiple_of(4) { global } else { chunked };
        vec![
            block("input_layernorm", attention.into(), "self_attn"),
            block("post_attention_layernorm", wide.into(), "feed_forward"),
        ]
    };
    let layers = (1..=common.layers).map(layer).collect();
    let mut rope = partial_rope_spec(config, global.sizes.head_dim, 500_000.0)?;
    rope.interleaved = true;
    let experts = config.size("num_local_experts", limit::EXPERTS)?;
    if config.size("num_experts_per_tok", experts)? != 1 {
        let found = config.get("num_experts_per_tok").map(ToString::to_string);
        return Err(config.unsupported("num_experts_per_tok", &found.unwrap_or_default(), "`1`"));
    }
    let mixture = ExpertsSpec {
        names: ExpertNames { router: "router", experts: "experts" },
        scales_inputs: true,
        shared: Some(SharedExpert::plain("shared_expert", common.mlp)),
        ..ExpertsSpec::usual(
            experts,
            common.mlp.intermediate,
            RouteSpec::new(1, RouteScores::Sigmoid),
        )
    };
    let every = config.size("interleave_moe_layer_step", limit::LAYERS)?;
    let spec = DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) };
    Ok(spec.with_experts("feed_forward", &mixture, |layer| layer % every == every - 1))
}

/// Returns attention without positions, and attention within chunks.
fn attentions(config: &Config<'_>) -> Result<[GroupedSpec; 2], ModelError> {
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    // A number in some files and a boolean in others.
    let is_off = config.get("attn_temperature_tuning").is_some_and(|value| {
        value.as_bool() == Some(false) || value.as_f64().is_some_and(|number| number == 0.0)
    });
    let growth = ScoreGrowth {
        beta: config.number_or("attn_scale", 0.1)? as f32,
        first: 1,
        step: config.size_or("floor_scale", 8192, limit::POSITIONS)?,
    };
    let norm = NormSpec::rms(1e-6).without_weight();
    let has_norms = config.flag_or("use_qk_norm", false)?;
    Ok([
        GroupedSpec { rope: None, growth: (!is_off).then_some(growth), ..attention },
        GroupedSpec {
            window: Some(config.size("attention_chunk_size", limit::POSITIONS)?),
            chunked: true,
            qk_norm: has_norms.then_some(QkNorm::Heads(norm)),
            rope_first: true,
            ..attention
        },
    ])
}
