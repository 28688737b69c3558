//! Nomic's BERT (Nussbaum et al., 2024, arXiv:2402.01613): BERT with rotary positions and gated feed-forward parts,
//! without biases.

use mlxk_ops::{Activation, Mask};

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, EmbedNorm, Input, Names, Table};
use crate::error::ModelError;
use crate::model::Output;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkvLayout,
    rope_spec, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Nomic BERT",
    gguf: &[],
    architectures: &[Architecture::new("nomic_bert", "nomic-embed-text", spec)],
};

const NAMES: Names = Names {
    embed_tokens: "embeddings.word_embeddings",
    layers: "encoder.layers",
    norm: "",
    lm_head: "",
};

const ATTENTION: AttentionNames =
    AttentionNames { qkv: "Wqkv", o: "out_proj", ..AttentionNames::USUAL };

/// Tensors of the masked language model.
const SKIPPED: &[&str] = &["cls.", "pooler.", "nomic_bert.pooler."];

/// Sizes and settings, which files name in two ways: as Nomic does, and as Transformers does.
struct Settings {
    hidden: usize,
    layers: usize,
    heads: usize,
    intermediate: usize,
    max_positions: usize,
    eps: f64,
    biases: Biases,
    mlp_bias: bool,
    rope: mlxk_ops::RopeSpec,
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let settings = match config.get("n_embd") {
        Some(_) => nomic_settings(config)?,
        None => usual_settings(config)?,
    };
    let norm = NormSpec::layer(settings.eps);
    let mlp = MlpSpec {
        kind: MlpKind::Gated { gate: "fc12", up: "fc11", down: "fc2" },
        bias: settings.mlp_bias,
        activation: Activation::Silu,
        ..MlpSpec::gated(settings.intermediate)
    };
    let common = Common {
        hidden: settings.hidden,
        layers: settings.layers,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: settings.max_positions,
        norm,
        mlp,
        tied: None,
    };
    let attention = GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Rows,
        biases: settings.biases,
        mask: Mask::Full,
        ..GroupedSpec::plain(sizes(config, &settings)?)
    };
    let block = |part, path, norm_out| BlockSpec {
        input: Input::Stream,
        part,
        path,
        norm_out: Some(norm_out),
    };
    let layer =
        |_| vec![block(attention.into(), "attn", "norm1"), block(mlp.into(), "mlp", "norm2")];
    let layers = (0..common.layers).map(layer).collect();
    let types = config.size_or("type_vocab_size", 2, limit::VOCAB)?;
    Ok(DecoderSpec {
        names: NAMES,
        other_prefixes: &["nomic_bert.", "bert."],
        skipped: SKIPPED,
        token_types: Some(Table { path: "embeddings.token_type_embeddings", count: types }),
        embed_norm: Some(EmbedNorm { path: "emb_ln", norm }),
        norm_stream: true,
        has_last_norm: false,
        output: Output::States,
        ..common.decoder(vec![settings.rope], layers)
    })
}

fn sizes(config: &Config<'_>, settings: &Settings) -> Result<AttentionSizes, ModelError> {
    let keys = ["n_embd", "n_head"];
    AttentionSizes::parts_of(config, keys, settings.hidden, [settings.heads; 2])
}

fn nomic_settings(config: &Config<'_>) -> Result<Settings, ModelError> {
    config.require("activation_function", "swiglu")?;
    for (key, only) in
        [("prenorm", false), ("parallel_block", false), ("rotary_emb_interleaved", false)]
    {
        if config.flag_or(key, only)? != only {
            return Err(config.unsupported(key, "true", "`false`"));
        }
    }
    let hidden = config.size("n_embd", limit::WIDTH)?;
    let heads = config.size("n_head", limit::HEADS)?;
    let fraction = config.positive_or("rotary_emb_fraction", 1.0)?;
    if (fraction - 1.0).abs() > f64::EPSILON {
        return Err(config.unsupported("rotary_emb_fraction", &fraction.to_string(), "`1`"));
    }
    // Beyond the trained length, frequencies would depend on the length of the text.
    let positions = config.size_or("n_positions", 2048, limit::POSITIONS)?;
    let trained = config.size_or("max_trained_positions", 2048, limit::POSITIONS)?;
    let theta = config.positive_or("rotary_emb_base", 1000.0)?;
    let bias = config.flag_or("qkv_proj_bias", false)?;
    let mlp_bias = config.flag_or("mlp_fc1_bias", false)?;
    if mlp_bias != config.flag_or("mlp_fc2_bias", false)? {
        return Err(config.bad("mlp_fc2_bias", "the same as `mlp_fc1_bias`"));
    }
    Ok(Settings {
        hidden,
        layers: config.size("n_layer", limit::LAYERS)?,
        heads,
        intermediate: config.size("n_inner", limit::WIDTH)?,
        max_positions: positions.min(trained),
        eps: config.positive_or("layer_norm_epsilon", 1e-12)?,
        biases: Biases::all(bias),
        mlp_bias,
        rope: scaled_rope(config, None, hidden / heads, theta)?,
    })
}

fn usual_settings(config: &Config<'_>) -> Result<Settings, ModelError> {
    config.require("hidden_act", "silu")?;
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    Ok(Settings {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        heads,
        intermediate: config.size("intermediate_size", limit::WIDTH)?,
        max_positions: config.size_or("max_position_embeddings", 2048, limit::POSITIONS)?,
        eps: config.positive_or("layer_norm_eps", 1e-12)?,
        biases: Biases::all(false),
        mlp_bias: false,
        rope: rope_spec(config, hidden / heads, 1000.0)?,
    })
}
