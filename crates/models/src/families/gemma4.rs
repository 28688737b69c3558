//! Gemma 4 (Gemma Team, 2026) and its wrappers with vision and sound: Gemma 3 with heads of two widths,
//! normalized values, inputs for every layer, and last layers that read the KV cache of earlier ones.

use mlxk_format::convert::Placement;
use mlxk_ops::{Activation, RopeSpec, RouteScores, RouteSpec};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gemma2::require_gelu_tanh;
use super::published::{Published, ROUTER, fused_experts};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, sandwich};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, ExpertNames, ExpertsSpec, GroupedSpec, LayerInputSpec, LayerInputsSpec,
    MlpSpec, NormSpec, QkNorm, SideBySideSpec, Values, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Gemma 4",
    gguf: &[],
    architectures: &[
        Architecture {
            wrapper: true,
            published: PUBLISHED,
            ..Architecture::new("gemma4", "Gemma 4 E2B, E4B, 26B-A4B, 31B, text only", wrapper_spec)
        },
        Architecture {
            published: &Published { rename: str::to_owned, ..*PUBLISHED },
            ..Architecture::new("gemma4_text", "Gemma 4 text models", text_spec)
        },
        Architecture {
            wrapper: true,
            published: PUBLISHED,
            ..Architecture::new("gemma4_unified", "Gemma 4 12B, text only", wrapper_spec)
        },
    ],
};

const PUBLISHED: &Published = &Published {
    rename: published_name,
    place: published,
    modules: &[("router.proj", ROUTER)],
    ..Published::AS_IN_MLX
};

/// Prefixes of the tensors for images and sound.
const OTHERS: &[&str] = &[
    "vision_tower.",
    "multi_modal_projector.",
    "audio_tower.",
    "embed_audio.",
    "embed_vision.",
    "vision_embedder.",
];

fn text_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let vocab_size = config.size_or("vocab_size", 262_144, limit::VOCAB)?;
    spec(config, vocab_size)
}

fn wrapper_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    // Like mlx-lm, use the vocabulary of the wrapper, or its default, and ignore the text part's.
    let vocab_size = config.size_or("vocab_size", 262_144, limit::VOCAB)?;
    let spec = spec(&text, vocab_size)?;
    Ok(DecoderSpec { prefix: "language_model.", skipped: OTHERS, ..spec })
}

/// Sizes and settings of all layers.
struct Layers {
    /// `true` for each layer with a window.
    windowed: Vec<bool>,
    window: usize,
    /// Number of layers with keys and values of their own.
    own: usize,
}

fn spec(config: &Config<'_>, vocab_size: usize) -> Result<DecoderSpec, ModelError> {
    require_gelu_tanh(config)?;
    let norm = NormSpec::rms(config.positive_or("rms_norm_eps", 1e-6)?);
    let mlp = MlpSpec {
        activation: Activation::GeluTanh,
        ..MlpSpec::gated(config.size_or("intermediate_size", 6144, limit::WIDTH)?)
    };
    let common = Common {
        hidden: config.size_or("hidden_size", 1536, limit::WIDTH)?,
        layers: config.size_or("num_hidden_layers", 35, limit::LAYERS)?,
        vocab_size,
        max_positions: config.size_or("max_position_embeddings", 131_072, limit::POSITIONS)?,
        norm,
        mlp,
        tied: Some(config.flag_or("tie_word_embeddings", true)?),
    };
    let layers = layers(config, common.layers)?;
    let [full, windowed] = attentions(config, norm, layers.window)?;
    let inputs = layer_inputs(config, common.layers, norm)?;
    let mixture = mixture(config)?;
    let is_wide = config.flag_or("use_double_wide_mlp", true)?;
    let mut blocks = Vec::with_capacity(common.layers);
    for (index, &is_windowed) in layers.windowed.iter().enumerate() {
        let attention = if is_windowed { windowed } else { full };
        let is_shared = index >= layers.own;
        let shared = if is_shared { Some(layers.origin(config, index)?) } else { None };
        let factor = if is_wide && is_shared && layers.own > 0 { 2 } else { 1 };
        let mlp = MlpSpec { intermediate: factor * mlp.intermediate, ..mlp };
        let mut layer = sandwich(GroupedSpec { shared, ..attention }, mlp);
        if let (Some(experts), Some(block)) = (mixture, layer.last_mut()) {
            block.input = Input::Stream;
            block.part = SideBySideSpec { mlp, experts, norm }.into();
            block.path = "";
        }
        layer.extend(inputs.map(|inputs| BlockSpec {
            input: Input::Stream,
            part: LayerInputSpec { inputs, layer: index }.into(),
            path: "",
            norm_out: Some("post_per_layer_input_norm"),
        }));
        blocks.push(layer);
    }
    let ropes = ropes(config, [full.sizes.head_dim, windowed.sizes.head_dim])?;
    Ok(DecoderSpec {
        embed_scale: (common.hidden as f64).sqrt() as f32,
        layer_inputs: inputs,
        layer_scalar: Some("layer_scalar"),
        logit_cap: Some(config.positive_or("final_logit_softcapping", 30.0)? as f32),
        ..common.decoder(ropes.into(), blocks)
    })
}

impl Layers {
    /// Returns the last layer of the same kind that has keys and values.
    fn origin(&self, config: &Config<'_>, layer: usize) -> Result<usize, ModelError> {
        let is_alike = |&earlier: &usize| self.windowed[earlier] == self.windowed[layer];
        (0..self.own).rev().find(is_alike).ok_or_else(|| {
            let expected = "small enough to leave a layer of each kind with keys and values";
            config.bad("num_kv_shared_layers", expected)
        })
    }
}

fn layers(config: &Config<'_>, count: usize) -> Result<Layers, ModelError> {
    let key = "layer_types";
    let windowed = match config.get(key) {
        None => {
            let pattern = config.size_or("sliding_window_pattern", 5, limit::LAYERS)?;
            (1..=count).map(|number| !number.is_multiple_of(pattern)).collect()
        }
        Some(list) => {
            let is_windowed = |name: &Value| match name.as_str() {
                Some("sliding_attention") => Some(true),
                Some("full_attention") => Some(false),
                _ => None,
            };
            let list = list.as_array().filter(|list| list.len() == count);
            let flags: Option<Vec<bool>> =
                list.and_then(|list| list.iter().map(is_windowed).collect());
            let expected = "`sliding_attention` or `full_attention` for every layer";
            flags.ok_or_else(|| config.bad(key, expected))?
        }
    };
    let shared = config.count_or("num_kv_shared_layers", 20, count)?;
    let window = config.size_or("sliding_window", 512, limit::POSITIONS)?;
    Ok(Layers { windowed, window, own: count - shared.min(count) })
}

/// Returns the attentions of layers without and with a window.
fn attentions(
    config: &Config<'_>,
    norm: NormSpec,
    window: usize,
) -> Result<[GroupedSpec; 2], ModelError> {
    let windowed = AttentionSizes {
        heads: config.size_or("num_attention_heads", 8, limit::HEADS)?,
        kv_heads: config.size_or("num_key_value_heads", 1, limit::HEADS)?,
        head_dim: config.size_or("head_dim", 256, limit::HEAD_DIM)?,
    };
    windowed.check(config)?;
    let has_key_values = config.flag_or("attention_k_eq_v", false)?;
    let kv_heads = match config.optional_size("num_global_key_value_heads", limit::HEADS)? {
        Some(kv_heads) if has_key_values => kv_heads,
        _ => windowed.kv_heads,
    };
    let head_dim = config.size_or("global_head_dim", 512, limit::HEAD_DIM)?;
    if !windowed.heads.is_multiple_of(kv_heads) {
        let expected = format!("a divisor of `num_attention_heads` ({})", windowed.heads);
        return Err(config.bad("num_global_key_value_heads", expected));
    }
    if !head_dim.is_multiple_of(2) {
        return Err(config.bad("global_head_dim", "an even number"));
    }
    // Norms of queries and keys make factors of the scores unnecessary.
    let attention = |sizes| GroupedSpec {
        qk_norm: Some(QkNorm::Heads(norm)),
        value_norm: Some(norm.without_weight()),
        scale: 1.0,
        ..GroupedSpec::plain(sizes)
    };
    let values = if has_key_values { Values::Keys } else { Values::Projection };
    let full = AttentionSizes { kv_heads, head_dim, ..windowed };
    Ok([
        GroupedSpec { values, ..attention(full) },
        GroupedSpec { window: Some(window), rope: Some(1), ..attention(windowed) },
    ])
}

/// Returns the experts of the layers, which only some models have.
fn mixture(config: &Config<'_>) -> Result<Option<ExpertsSpec>, ModelError> {
    if !config.flag_or("enable_moe_block", false)? {
        return Ok(None);
    }
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let experts_per_row = config.size("top_k_experts", experts)?;
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let route = RouteSpec::new(experts_per_row, RouteScores::SoftmaxOfChosen);
    Ok(Some(ExpertsSpec {
        names: ExpertNames { router: "router.proj", experts: "experts.switch_glu" },
        factors: Some("router.per_expert_scale"),
        activation: Activation::GeluTanh,
        ..ExpertsSpec::usual(experts, intermediate, route)
    }))
}

/// Returns the inputs of the layers, which large models do not have.
fn layer_inputs(
    config: &Config<'_>,
    layers: usize,
    norm: NormSpec,
) -> Result<Option<LayerInputsSpec>, ModelError> {
    let width = config.count_or("hidden_size_per_layer_input", 256, limit::WIDTH)?;
    let vocab_size = config.size_or("vocab_size_per_layer_input", 262_144, limit::VOCAB)?;
    if width * layers > limit::WIDTH {
        let expected = format!("{} or less in {layers} layers", limit::WIDTH / layers);
        return Err(config.bad("hidden_size_per_layer_input", expected));
    }
    Ok((width > 0).then_some(LayerInputsSpec {
        width,
        layers,
        vocab_size,
        norm,
        path: "model.",
        unknown: vocab_size as u32 - 1,
    }))
}

/// Returns the rotary embeddings of layers without and with a window.
fn ropes(config: &Config<'_>, widths: [usize; 2]) -> Result<[RopeSpec; 2], ModelError> {
    let default = serde_json::json!({
        "full_attention": {
            "partial_rotary_factor": 0.25, "rope_theta": 1e6, "rope_type": "proportional"
        },
        "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"}
    });
    let default = Config::new(&default);
    let own = config.child("rope_parameters")?;
    let parameters = own.as_ref().unwrap_or(&default);
    let of = |kind: &str, width| {
        let scaling = parameters.child(kind)?;
        let theta = match &scaling {
            Some(own) => own.positive_or("rope_theta", 10_000.0)?,
            None => 10_000.0,
        };
        scaled_rope(config, scaling.as_ref(), width, theta)
    };
    Ok([of("full_attention", widths[0])?, of("sliding_attention", widths[1])?])
}

/// Drops limits of other modalities, and the keys and values that the last layers don't compute. Experts have
/// gate and up in one tensor.
fn published(config: &Value, name: &str) -> Option<Placement> {
    let unused = ["rotary_emb", "input_max", "input_min", "output_max", "output_min"];
    if unused.iter().any(|part| name.contains(part)) {
        return Some(Placement::Drop);
    }
    let number = |key: &str, default| config.get(key).and_then(Value::as_u64).unwrap_or(default);
    let own = number("num_hidden_layers", 35).saturating_sub(number("num_kv_shared_layers", 20));
    let parts = [".self_attn.k_proj", ".self_attn.v_proj", ".self_attn.k_norm"];
    if parts.iter().any(|part| name.contains(part)) {
        let layer = name.split_once("layers.").and_then(|(_, rest)| rest.split_once('.'));
        let layer = layer.and_then(|(layer, _)| layer.parse::<u64>().ok());
        if layer.is_some_and(|layer| layer >= own) {
            return Some(Placement::Drop);
        }
    }
    fused_experts(name, [".experts", ".experts.switch_glu"])
}

/// Returns the name below MLX's prefix.
fn published_name(name: &str) -> String {
    match name.strip_prefix("model.language_model.") {
        Some(rest) => format!("language_model.model.{rest}"),
        None => name.strip_prefix("model.").unwrap_or(name).to_owned(),
    }
}
