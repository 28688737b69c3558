//! Gemma 3 (Gemma Team, 2025, arXiv:2503.19786): windows with a rotary base of their own in five of
//! six layers, and norms on the heads of queries and keys. Also its wrapper with a vision tower.

use mlxk_format::gguf::{GgufArchitecture, GgufBiases, GgufSizes, HeadDim, Window, json_number};
use mlxk_ops::{Activation, Mask, RopeSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gemma2::{self, require_gelu_tanh};
use super::gguf;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, sandwich};
use crate::error::ModelError;
use crate::head::{HeadSpec, HeadStep};
use crate::model::Output;
use crate::parts::{
    AttentionSizes, GroupedSpec, MlpSpec, NormSpec, NormWeight, QkNorm, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Gemma 3",
    gguf: &[GGUF],
    architectures: &[
        Architecture {
            wrapper: true,
            ..Architecture::new("gemma3", "Gemma 3 4B to 27B, text only", wrapper_spec)
        },
        Architecture::new("gemma3_text", "Gemma 3 270M, 1B, EmbeddingGemma", spec),
    ],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    more: &[gguf::QK_NORMS],
    hidden_act: None,
    head_dim: HeadDim::Stated,
    window: Window::AllButEvery { default: 6 },
    norms_plus_one: true,
    // Ollama keeps the vision part in the same file.
    ignored: &["v.", "mm."],
    usual_eps: Some(1e-6),
    config: gguf_config,
    ..gguf::architecture("gemma3", "gemma3_text", "Gemma3ForCausalLM", gemma2::GGUF_LAYER)
};

fn gguf_config(sizes: &GgufSizes, _: GgufBiases) -> Vec<(&'static str, Value)> {
    // Only the 27B model scales scores by another number than the width of a head. Like llama.cpp,
    // recognize it by its number of layers.
    let scalar = if sizes.layers == 62 { sizes.hidden / sizes.heads } else { sizes.head_dim };
    let mut keys = vec![
        ("hidden_activation", "gelu_pytorch_tanh".into()),
        ("query_pre_attn_scalar", scalar.into()),
        ("rope_local_base_freq", json_number(sizes.rope_theta_local)),
    ];
    if let Some((window, pattern)) = sizes.window {
        keys.push(("sliding_window", window.into()));
        keys.push(("sliding_window_pattern", pattern.into()));
    }
    keys
}

/// Prefixes of the tensors of the vision part.
const VISION: &[&str] = &["vision_tower.", "multi_modal_projector."];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    text_spec(config, config.optional_size("vocab_size", limit::VOCAB)?.unwrap_or(262_144))
}

/// Reads `gemma3`: the language model and a vision tower, which is not loaded.
fn wrapper_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    // Like mlx-lm, use the vocabulary of the wrapper, or its default, and ignore the text part's.
    let vocab_size = config.optional_size("vocab_size", limit::VOCAB)?.unwrap_or(262_208);
    let spec = text_spec(&text, vocab_size)?;
    Ok(DecoderSpec { prefix: "language_model.", skipped: VISION, ..spec })
}

fn text_spec(config: &Config<'_>, vocab_size: usize) -> Result<DecoderSpec, ModelError> {
    require_gelu_tanh(config)?;
    let size =
        |key, max, default| config.optional_size(key, max).map(|found| found.unwrap_or(default));
    let sizes = AttentionSizes {
        heads: size("num_attention_heads", limit::HEADS, 8)?,
        kv_heads: size("num_key_value_heads", limit::HEADS, 4)?,
        head_dim: size("head_dim", limit::HEAD_DIM, 256)?,
    };
    sizes.check(config)?;
    let norm = NormSpec {
        weight: NormWeight::PlusOne,
        ..NormSpec::rms(config.optional_positive("rms_norm_eps")?.unwrap_or(1e-6))
    };
    let scalar = config.optional_positive("query_pre_attn_scalar")?.unwrap_or(256.0);
    let attention = GroupedSpec {
        qk_norm: Some(QkNorm::Heads(norm)),
        scale: (1.0 / scalar.sqrt()) as f32,
        ..GroupedSpec::plain(sizes)
    };
    let mlp = MlpSpec {
        activation: Activation::GeluTanh,
        ..MlpSpec::gated(size("intermediate_size", limit::WIDTH, 6912)?)
    };
    let common = Common {
        hidden: size("hidden_size", limit::WIDTH, 1152)?,
        layers: size("num_hidden_layers", limit::LAYERS, 26)?,
        vocab_size,
        max_positions: size("max_position_embeddings", limit::POSITIONS, 32_768)?,
        norm,
        mlp,
        tied: None,
    };
    let ropes = ropes(config, sizes.head_dim)?;
    let mut window = size("sliding_window", limit::POSITIONS, 512)?;
    // EmbeddingGemma sees both directions, half of the window in each.
    let is_encoder = config.flag_or("use_bidirectional_attention", false)?;
    let mut attention = attention;
    if is_encoder {
        attention.mask = Mask::Full;
        window = window / 2 + 1;
    }
    let pattern = size("sliding_window_pattern", limit::LAYERS, 6)?;
    let layers = (1..=common.layers).map(|number| {
        let attention = if number.is_multiple_of(pattern) {
            attention
        } else {
            GroupedSpec { window: Some(window), rope: Some(1), ..attention }
        };
        sandwich(attention, mlp)
    });
    let layers = layers.collect();
    let (output, steps) = if is_encoder {
        let dense = |path| HeadStep::DenseIfPresent { path };
        (Output::States, vec![dense("dense.0"), dense("dense.1")])
    } else {
        (Output::Logits, Vec::new())
    };
    Ok(DecoderSpec {
        output,
        head: HeadSpec { steps },
        skipped: if is_encoder { &["lm_head."] } else { &[] },
        // mlx-lm rounds the factor to bfloat16, regardless of the type that it computes in.
        embed_scale: half::bf16::from_f64((common.hidden as f64).sqrt()).to_f32(),
        ..common.decoder(ropes.into(), layers)
    })
}

/// Returns the rotary embeddings of layers without and with a window.
fn ropes(config: &Config<'_>, head_dim: usize) -> Result<[RopeSpec; 2], ModelError> {
    let parameters = config.child("rope_parameters")?;
    let of = |kind: &str, theta_key: &str, default| -> Result<RopeSpec, ModelError> {
        // Newer files have one object per kind of layer instead of the older keys.
        if let Some(parameters) = &parameters
            && let Some(own) = parameters.child(kind)?
        {
            let theta = own.optional_positive("rope_theta")?.unwrap_or(default);
            return scaled_rope(config, Some(&own), head_dim, theta);
        }
        let theta = config.optional_positive(theta_key)?.unwrap_or(default);
        let scaling = if kind == "full_attention" { config.child("rope_scaling")? } else { None };
        scaled_rope(config, scaling.as_ref(), head_dim, theta)
    };
    Ok([
        of("full_attention", "rope_theta", 1_000_000.0)?,
        of("sliding_attention", "rope_local_base_freq", 10_000.0)?,
    ])
}
