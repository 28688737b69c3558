//! Gemma 3n (Gemma Team, 2025) and its wrapper with vision and sound: several residual streams, inputs for
//! every layer, sparse feed-forward parts, and last layers that read the KV cache of earlier ones.

use mlxk_format::gguf::{
    Extent, GgufArchitecture, GgufSizes, HeadDim, LayerTensor, Window, json_number,
};
use mlxk_ops::Activation;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gemma2::require_gelu_tanh;
use super::gguf;
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AltUpSpec, AttentionSizes, GroupedSpec, LayerInputSpec, LayerInputsSpec, MOST_STREAMS, MlpSpec,
    NormSpec, QkNorm, StreamsSpec, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Gemma 3n",
    gguf: &[GGUF],
    architectures: &[Architecture {
        wrapper: true,
        published: &Published::AS_IN_MLX,
        ..Architecture::new("gemma3n", "Gemma 3n E2B, E4B, text only", spec)
    }],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    layers_path: "model.language_model.layers",
    outside: GGUF_OUTSIDE,
    ignored: &["v.", "a.", "mm."],
    hidden_act: None,
    head_dim: HeadDim::Stated,
    window: Window::Ignored,
    keys: &[
        "altup.active_idx",
        "altup.num_inputs",
        "embedding_length_per_layer_input",
        "attention.shared_kv_layers",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "activation_sparsity_scale",
        "final_logit_softcapping",
    ],
    required: &[
        "altup.num_inputs",
        "embedding_length_per_layer_input",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
    ],
    config: |sizes, _| gguf_config(sizes),
    wrapper: Some(("text_config", "gemma3n")),
    ..gguf::architecture("gemma3n", "gemma3n_text", "Gemma3nForConditionalGeneration", GGUF_LAYER)
};

/// Ranks and limits that no file states. They are the same in all models.
const LAUREL_RANK: usize = 64;
const COEFFICIENT_CLIP: f64 = 120.0;
const LOGIT_CAP: f64 = 30.0;

const STREAMS: Extent = Extent::Key("altup.num_inputs");
const INPUT_WIDTH: Extent = Extent::Key("embedding_length_per_layer_input");
const INPUTS: Extent =
    Extent::Of(|sizes| sizes.layers * sizes.whole("embedding_length_per_layer_input"));
const LAUREL: Extent = Extent::Of(|_| LAUREL_RANK);
const OTHER_STREAMS: Extent = Extent::Of(|sizes| sizes.whole("altup.num_inputs").saturating_sub(1));

const GGUF_OUTSIDE: &[LayerTensor] = &[
    gguf::EMBEDDING.named("model.language_model.embed_tokens"),
    gguf::OUTPUT_NORM.named("model.language_model.norm"),
    LayerTensor::matrix(
        "per_layer_token_embd",
        "model.language_model.embed_tokens_per_layer",
        [Extent::Vocabulary, INPUTS],
    ),
    LayerTensor::matrix(
        "per_layer_model_proj",
        "model.language_model.per_layer_model_projection",
        [INPUTS, Extent::Hidden],
    ),
    LayerTensor::vector(
        "per_layer_proj_norm",
        "model.language_model.per_layer_projection_norm",
        INPUT_WIDTH,
    ),
    LayerTensor::stack(
        "altup_proj",
        "model.language_model.altup_projections.{}",
        [OTHER_STREAMS, Extent::Hidden, Extent::Hidden],
    ),
    LayerTensor::stack(
        "altup_unembd_proj",
        "model.language_model.altup_unembed_projections.{}",
        [OTHER_STREAMS, Extent::Hidden, Extent::Hidden],
    ),
];

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q,
    gguf::K,
    gguf::V,
    gguf::O,
    gguf::Q_NORM,
    gguf::K_NORM,
    LayerTensor::vector("post_attention_norm", "post_attention_layernorm", Extent::Hidden),
    LayerTensor::vector("ffn_norm", "pre_feedforward_layernorm", Extent::Hidden),
    gguf::GATE,
    gguf::UP,
    gguf::DOWN,
    LayerTensor::vector("post_ffw_norm", "post_feedforward_layernorm", Extent::Hidden),
    LayerTensor::matrix("inp_gate", "per_layer_input_gate", [INPUT_WIDTH, Extent::Hidden]),
    LayerTensor::matrix("proj", "per_layer_projection", [Extent::Hidden, INPUT_WIDTH]),
    LayerTensor::vector("post_norm", "post_per_layer_input_norm", Extent::Hidden),
    LayerTensor::matrix("altup_correct_coef", "altup.correction_coefs", [STREAMS, STREAMS]),
    LayerTensor::vector("altup_correct_scale.weight", "altup.correct_output_scale", Extent::Hidden)
        .whole_name(),
    LayerTensor::matrix(
        "altup_predict_coef",
        "altup.prediction_coefs",
        [Extent::Of(|sizes| sizes.whole("altup.num_inputs").pow(2)), STREAMS],
    ),
    LayerTensor::matrix("altup_router", "altup.modality_router", [STREAMS, Extent::Hidden]),
    LayerTensor::vector("altup_router_norm", "altup.router_norm", Extent::Hidden),
    LayerTensor::matrix("laurel_l", "laurel.linear_left", [LAUREL, Extent::Hidden]),
    LayerTensor::matrix("laurel_r", "laurel.linear_right", [Extent::Hidden, LAUREL]),
    LayerTensor::vector("laurel_post_norm", "laurel.post_laurel_norm", Extent::Hidden),
];

fn gguf_config(sizes: &GgufSizes) -> Vec<(&'static str, Value)> {
    let is_windowed = |layer| {
        sizes.of_layer("attention.sliding_window_pattern", layer).is_some_and(|flag| flag > 0.0)
    };
    let kind = |layer| if is_windowed(layer) { "sliding_attention" } else { "full_attention" };
    // llama.cpp keeps the number of deviations instead of the share.
    let share = |layer| {
        let deviations = sizes.of_layer("activation_sparsity_scale", layer);
        normal_share(deviations.unwrap_or(f64::NEG_INFINITY))
    };
    vec![
        ("hidden_activation", "gelu_pytorch_tanh".into()),
        ("rope_local_base_freq", json_number(sizes.rope_theta_local)),
        ("sliding_window", sizes.whole("attention.sliding_window").into()),
        ("layer_types", (0..sizes.layers).map(kind).collect()),
        ("activation_sparsity_pattern", (0..sizes.layers).map(share).collect()),
        ("num_kv_shared_layers", sizes.whole("attention.shared_kv_layers").into()),
        ("hidden_size_per_layer_input", sizes.whole("embedding_length_per_layer_input").into()),
        ("vocab_size_per_layer_input", sizes.vocabulary.into()),
        ("altup_num_inputs", sizes.whole("altup.num_inputs").into()),
        ("altup_active_idx", sizes.whole("altup.active_idx").into()),
        ("altup_coef_clip", COEFFICIENT_CLIP.into()),
        ("altup_correct_scale", true.into()),
        ("laurel_rank", LAUREL_RANK.into()),
        (
            "final_logit_softcapping",
            sizes.number("final_logit_softcapping").unwrap_or(LOGIT_CAP).into(),
        ),
    ]
}

/// Returns the share of a normal distribution that lies below `x`, to six decimals.
fn normal_share(x: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if normal_quantile(middle) < x { low = middle } else { high = middle }
    }
    (low * 1e6).round() / 1e6
}

/// Prefixes of the tensors for images and sound.
const OTHERS: &[&str] =
    &["model.vision_tower.", "model.audio_tower.", "model.embed_audio.", "model.embed_vision."];

/// Paths below the prefix of the language model.
const NAMES: Names =
    Names { embed_tokens: "embed_tokens", layers: "layers", norm: "norm", lm_head: "lm_head" };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    let spec = text_spec(&text)?;
    Ok(DecoderSpec { prefix: "model.language_model.", skipped: OTHERS, ..spec })
}

fn text_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    require_gelu_tanh(config)?;
    let norm = NormSpec::rms(config.positive("rms_norm_eps")?);
    let layers = config.size("num_hidden_layers", limit::LAYERS)?;
    let widths = widths(config, layers)?;
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size("max_position_embeddings", limit::POSITIONS)?,
        norm,
        mlp: MlpSpec { activation: Activation::GeluTanh, ..MlpSpec::gated(widths[0]) },
        tied: Some(true),
    };
    if config.count_or("altup_active_idx", 0, MOST_STREAMS)? != 0 {
        return Err(config.unsupported("altup_active_idx", "another number", "`0`"));
    }
    let streams = StreamsSpec { count: config.size("altup_num_inputs", MOST_STREAMS)? };
    if streams.count < 2 {
        return Err(config.bad("altup_num_inputs", format!("a number from 2 to {MOST_STREAMS}")));
    }
    let inputs = layer_inputs(config, layers, norm)?;
    let cuts = cuts(config, layers)?;
    let mut blocks = Vec::with_capacity(layers);
    for (index, attention) in attentions(config, layers, norm)?.into_iter().enumerate() {
        let part = AltUpSpec {
            streams,
            attention,
            mlp: MlpSpec { intermediate: widths[index], cut: cuts[index], ..common.mlp },
            input: LayerInputSpec { inputs, layer: index },
            norm,
            clip: config.optional_positive("altup_coef_clip")?.map(|clip| clip as f32),
            scales: config.flag_or("altup_correct_scale", true)?,
            laurel_rank: config.size("laurel_rank", limit::WIDTH)?,
        };
        blocks.push(vec![BlockSpec {
            input: Input::Stream,
            part: part.into(),
            path: "",
            norm_out: None,
        }]);
    }
    let head_dim = config.size("head_dim", limit::HEAD_DIM)?;
    let rope =
        |key, default| scaled_rope(config, None, head_dim, config.positive_or(key, default)?);
    let ropes = vec![rope("rope_theta", 1e6)?, rope("rope_local_base_freq", 1e4)?];
    Ok(DecoderSpec {
        names: NAMES,
        embed_scale: (common.hidden as f64).sqrt() as f32,
        layer_inputs: Some(inputs),
        streams: Some(streams),
        logit_cap: config.optional_positive("final_logit_softcapping")?.map(|cap| cap as f32),
        ..common.decoder(ropes, blocks)
    })
}

/// Returns the attention of each layer.
fn attentions(
    config: &Config<'_>,
    layers: usize,
    norm: NormSpec,
) -> Result<Vec<GroupedSpec>, ModelError> {
    let sizes = AttentionSizes::from_config(config)?;
    let kind = |name: &Value| match name.as_str()? {
        "sliding_attention" => Some(true),
        "full_attention" => Some(false),
        _ => None,
    };
    let list = config.get("layer_types").and_then(Value::as_array);
    let list = list.filter(|list| list.len() == layers);
    let windowed: Option<Vec<bool>> = list.and_then(|list| list.iter().map(kind).collect());
    let expected = "`sliding_attention` or `full_attention` for every layer";
    let windowed = windowed.ok_or_else(|| config.bad("layer_types", expected))?;
    let window = config.size("sliding_window", limit::POSITIONS)?;
    let shared = config.count_or("num_kv_shared_layers", 0, layers)?;
    let own = layers - shared;
    let attention = |layer: usize| {
        let is_alike = |&earlier: &usize| windowed[earlier] == windowed[layer];
        let origin = if layer < own {
            None
        } else {
            let expected = "small enough to leave a layer of each kind with keys and values";
            let origin = (0..own).rev().find(is_alike);
            Some(origin.ok_or_else(|| config.bad("num_kv_shared_layers", expected))?)
        };
        Ok(GroupedSpec {
            qk_norm: Some(QkNorm::Heads(norm)),
            value_norm: Some(norm.without_weight()),
            // Norms of queries and keys make factors of the scores unnecessary.
            scale: 1.0,
            shared: origin,
            window: windowed[layer].then_some(window),
            rope: Some(usize::from(windowed[layer])),
            ..GroupedSpec::plain(sizes)
        })
    };
    (0..layers).map(attention).collect()
}

fn layer_inputs(
    config: &Config<'_>,
    layers: usize,
    norm: NormSpec,
) -> Result<LayerInputsSpec, ModelError> {
    let width = config.size("hidden_size_per_layer_input", limit::WIDTH)?;
    if width * layers > limit::WIDTH {
        let expected = format!("{} or less in {layers} layers", limit::WIDTH / layers);
        return Err(config.bad("hidden_size_per_layer_input", expected));
    }
    let vocab_size = config.size("vocab_size_per_layer_input", limit::VOCAB)?;
    Ok(LayerInputsSpec { width, layers, vocab_size, norm, path: "", unknown: 0 })
}

/// Returns the widths of the feed-forward parts: one number, or a list.
fn widths(config: &Config<'_>, layers: usize) -> Result<Vec<usize>, ModelError> {
    let key = "intermediate_size";
    if config.get(key).is_some_and(Value::is_array) {
        let widths = config.optional_counts(key, layers, limit::WIDTH)?.unwrap_or_default();
        if widths.contains(&0) {
            return Err(config.bad(key, "a list of numbers above 0"));
        }
        return Ok(widths);
    }
    Ok(vec![config.size(key, limit::WIDTH)?; layers])
}

/// Returns by how many standard deviations a gate must exceed the mean of its row, for each layer.
fn cuts(config: &Config<'_>, layers: usize) -> Result<Vec<Option<f32>>, ModelError> {
    let key = "activation_sparsity_pattern";
    let Some(list) = config.get(key) else { return Ok(vec![None; layers]) };
    let share = |value: &Value| value.as_f64().filter(|share| (0.0..1.0).contains(share));
    let list = list.as_array().filter(|list| list.len() == layers);
    let shares: Option<Vec<f64>> = list.and_then(|list| list.iter().map(share).collect());
    let expected = || format!("a list of {layers} numbers from 0 to 1");
    let shares = shares.ok_or_else(|| config.bad(key, expected()))?;
    let cut = |share| if share > 0.0 { Some(normal_quantile(share) as f32) } else { None };
    Ok(shares.into_iter().map(cut).collect())
}

/// Returns the number below which the share `p` of a normal distribution lies (Acklam, 2003), with a relative
/// error below 2e-9.
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    /// Below this share and above its counterpart, the distribution has tails.
    const TAIL: f64 = 0.024_25;
    let value = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |share: f64| {
        let q = (-2.0 * share.ln()).sqrt();
        value(&C, q) / value(&D, q)
    };
    if p < TAIL {
        tail(p)
    } else if p > 1.0 - TAIL {
        -tail(1.0 - p)
    } else {
        let (q, r) = (p - 0.5, (p - 0.5) * (p - 0.5));
        value(&A, r) * q / value(&B, r)
    }
}

#[cfg(test)]
mod tests {
    use super::{normal_quantile, normal_share};

    #[test]
    fn quantiles() {
        // From tables of the standard normal distribution.
        for (p, expected) in [(0.95, 1.644_853_627), (0.5, 0.0), (0.01, -2.326_347_874)] {
            assert!((normal_quantile(p) - expected).abs() < 1e-8, "{p}");
            assert!((normal_share(expected) - p).abs() < 1e-6, "{p}");
        }
        assert!(normal_share(f64::NEG_INFINITY).abs() < 1e-9);
    }
}
