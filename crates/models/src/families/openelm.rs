//! OpenELM (Mehta et al., 2024, arXiv:2404.14619): layers with numbers of heads and widths of their
//! own.

use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkNorm, QkvLayout,
    scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "OpenELM",
    gguf: &[],
    architectures: &[Architecture::new("openelm", "OpenELM 270M to 3B", spec)],
};

const NAMES: Names = Names {
    embed_tokens: "transformer.token_embeddings",
    layers: "transformer.layers",
    norm: "transformer.norm",
    lm_head: "lm_head",
};

const ATTENTION: AttentionNames = AttentionNames { o: "out_proj", ..AttentionNames::USUAL };

const MLP: MlpKind = MlpKind::Fused { both: "proj_1", down: "proj_2" };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("model_dim", limit::WIDTH)?;
    let layers = config.size("num_transformer_layers", limit::LAYERS)?;
    let head_dim = config.size("head_dim", limit::HEAD_DIM)?;
    let norm = NormSpec::rms(config.positive_or("rms_norm_eps", 1e-6)?);
    if !config.flag_or("ffn_with_glu", true)? {
        return Err(config.unsupported("ffn_with_glu", "false", "`true`"));
    }
    let has_norms = config.flag_or("normalize_qk_projections", true)?;
    let heads = numbers(config, "num_query_heads", layers)?;
    let kv_heads = numbers(config, "num_kv_heads", layers)?;
    let widths = widths(config, hidden, layers)?;
    let common = Common {
        hidden,
        layers,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_context_length", 2048, limit::POSITIONS)?,
        norm,
        mlp: MlpSpec { kind: MLP, ..MlpSpec::gated(widths[0]) },
        tied: Some(config.flag_or("share_input_output_layers", true)?),
    };
    let theta = config.positive_or("rope_freq_constant", 10_000.0)?;
    let rope = scaled_rope(config, None, head_dim, theta)?;
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let mut blocks = Vec::with_capacity(layers);
    for ((heads, kv_heads), width) in heads.into_iter().zip(kv_heads).zip(widths) {
        let sizes = AttentionSizes { heads: heads as usize, kv_heads: kv_heads as usize, head_dim };
        if !sizes.heads.is_multiple_of(sizes.kv_heads) {
            return Err(config.bad("num_kv_heads", "divisors of `num_query_heads`"));
        }
        sizes.check(config)?;
        let attention = GroupedSpec {
            names: ATTENTION,
            qkv: QkvLayout::Rows,
            qk_norm: has_norms.then_some(QkNorm::Heads(norm)),
            ..GroupedSpec::plain(sizes)
        };
        let mlp = MlpSpec { intermediate: width, ..common.mlp };
        blocks.push(vec![
            block("attn_norm", attention.into(), "attn"),
            block("ffn_norm", mlp.into(), "ffn"),
        ]);
    }
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], blocks) })
}

/// Returns a number of heads for each layer.
fn numbers(config: &Config<'_>, key: &str, layers: usize) -> Result<Vec<u64>, ModelError> {
    let list = config.get(key).and_then(Value::as_array).and_then(|list| {
        let fits = |number: &u64| (1..=limit::HEADS as u64).contains(number);
        list.iter().map(|number| number.as_u64().filter(fits)).collect::<Option<Vec<_>>>()
    });
    list.filter(|list| list.len() == layers)
        .ok_or_else(|| config.bad(key, format!("a list of {layers} numbers above 0")))
}

/// Returns the width of the feed-forward part of each layer: multiples of `ffn_dim_divisor` that are
/// nearest to `model_dim` times the layer's factor, and not less than 90 % of it.
fn widths(config: &Config<'_>, hidden: usize, layers: usize) -> Result<Vec<usize>, ModelError> {
    let divisor = config.size("ffn_dim_divisor", limit::WIDTH)?;
    let key = "ffn_multipliers";
    let factors = config.positive_list(key, layers)?;
    let width = |factor: f64| {
        let exact = factor * hidden as f64;
        let step = divisor as f64;
        let nearest = ((exact + step / 2.0) / step).floor() * step;
        let width = nearest.max(step);
        if width < 0.9 * exact { width + step } else { width }
    };
    let widths: Vec<f64> = factors.into_iter().map(width).collect();
    if widths.is_empty() || widths.iter().any(|&width| width > limit::WIDTH as f64) {
        return Err(config.bad(key, format!("factors for widths up to {}", limit::WIDTH)));
    }
    Ok(widths.into_iter().map(|width| width as usize).collect())
}
