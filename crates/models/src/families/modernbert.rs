//! ModernBERT (Warner et al., 2024, arXiv:2412.13663): an encoder with rotary positions, windows in two of three
//! layers, and gated feed-forward parts.

use mlxk_ops::{Activation, Mask};

use super::common::Common;
use super::encoder::{self, Task};
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, EmbedNorm, Input, Names};
use crate::error::ModelError;
use crate::head::{HeadActivation, HeadSpec, HeadStep};
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkvLayout,
    scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "ModernBERT",
    gguf: &[],
    architectures: &[Architecture::new(
        "modernbert",
        "modernbert-embed, gte-modernbert, gte-reranker-modernbert",
        spec,
    )],
};

const NAMES: Names = Names {
    embed_tokens: "model.embeddings.tok_embeddings",
    layers: "model.layers",
    norm: "model.final_norm",
    lm_head: "",
};

const ATTENTION: AttentionNames = AttentionNames { qkv: "Wqkv", o: "Wo", ..AttentionNames::USUAL };

/// Tensors of the masked language model.
const MASKED: &[&str] = &["head.", "decoder."];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_activation", "gelu")?;
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let norm = NormSpec {
        bias: config.flag_or("norm_bias", false)?,
        ..NormSpec::layer(config.positive_or("norm_eps", 1e-5)?)
    };
    let mlp = MlpSpec {
        kind: MlpKind::Fused { both: "Wi", down: "Wo" },
        bias: config.flag_or("mlp_bias", false)?,
        activation: Activation::Gelu,
        ..MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?)
    };
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 8192, limit::POSITIONS)?,
        norm,
        mlp,
        tied: None,
    };
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let keys = ["hidden_size", "num_attention_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, hidden, [heads; 2])?;
    let attention = GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Rows,
        biases: Biases::all(config.flag_or("attention_bias", false)?),
        mask: Mask::Full,
        ..GroupedSpec::plain(sizes)
    };
    let local = GroupedSpec { window: Some(window(config)?), rope: Some(1), ..attention };
    let every = config.size_or("global_attn_every_n_layers", 3, limit::LAYERS)?;
    let is_global = is_global(config, common.layers, every)?;
    let layers = is_global.into_iter().enumerate().map(|(index, is_global)| {
        let attention = if is_global { attention } else { local };
        // The embeddings are normalized already.
        let input = if index == 0 { Input::Stream } else { Input::Norm("attn_norm") };
        let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
        vec![
            block(input, attention.into(), "attn"),
            block(Input::Norm("mlp_norm"), mlp.into(), "mlp"),
        ]
    });
    let layers = layers.collect();
    let task = encoder::task(config)?;
    let steps = if task == Task::Score { classifier(config, hidden, norm)? } else { Vec::new() };
    Ok(DecoderSpec {
        names: NAMES,
        skipped: if task == Task::Score { &[] } else { MASKED },
        embed_norm: Some(EmbedNorm { path: "model.embeddings.norm", norm }),
        output: task.output(),
        head: HeadSpec { steps },
        ..common.decoder(vec![rope(config, sizes, true)?, rope(config, sizes, false)?], layers)
    })
}

/// Returns the number of positions that a row of a layer with a window sees in each direction, itself included.
fn window(config: &Config<'_>) -> Result<usize, ModelError> {
    Ok(config.size_or("local_attention", 128, limit::POSITIONS)? / 2 + 1)
}

/// Returns, for each layer, `true` if it sees all positions.
fn is_global(config: &Config<'_>, layers: usize, every: usize) -> Result<Vec<bool>, ModelError> {
    let Some(types) = config.get("layer_types") else {
        return Ok((0..layers).map(|layer| layer.is_multiple_of(every)).collect());
    };
    let types = types.as_array().filter(|types| types.len() == layers);
    let types = types.and_then(|types| {
        let each = types.iter().map(|name| match name.as_str() {
            Some("full_attention") => Some(true),
            Some("sliding_attention") => Some(false),
            _ => None,
        });
        each.collect()
    });
    types.ok_or_else(|| {
        let words = "`full_attention` or `sliding_attention`";
        config.bad("layer_types", format!("a list of {layers} names, each {words}"))
    })
}

fn rope(
    config: &Config<'_>,
    sizes: AttentionSizes,
    is_global: bool,
) -> Result<mlxk_ops::RopeSpec, ModelError> {
    let (kind, key, default) = if is_global {
        ("full_attention", "global_rope_theta", 160_000.0)
    } else {
        ("sliding_attention", "local_rope_theta", 10_000.0)
    };
    // Newer files have one object per kind of layer instead of the older keys.
    if let Some(parameters) = config.child("rope_parameters")?
        && let Some(own) = parameters.child(kind)?
    {
        let theta = own.positive_or("rope_theta", default)?;
        return scaled_rope(config, Some(&own), sizes.head_dim, theta);
    }
    scaled_rope(config, None, sizes.head_dim, config.positive_or(key, default)?)
}

fn classifier(
    config: &Config<'_>,
    hidden: usize,
    norm: NormSpec,
) -> Result<Vec<HeadStep>, ModelError> {
    config.require("classifier_activation", "gelu")?;
    let bias = config.flag_or("classifier_bias", false)?;
    Ok(vec![
        HeadStep::Dense { path: "head.dense", rows: hidden, bias },
        HeadStep::Activate(HeadActivation::Of(Activation::Gelu)),
        HeadStep::Norm { path: "head.norm", norm },
        HeadStep::Dense { path: "classifier", rows: 1, bias: true },
    ])
}
