//! Apple's on-device model (2025, arXiv:2507.13575): the last layers read the keys and values of the last layer that has
//! its own, which are rounded to 8 bits.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Names, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, MlpSpec, NormSpec, QkNorm, QkvLayout, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "AFM",
    gguf: &[],
    architectures: &[Architecture::new("afm7", "Apple's on-device model", spec)],
};

/// Epsilon of the norms of queries and keys, whatever that of the others is.
const HEAD_EPS: f64 = 1e-5;

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("hidden_dim", limit::WIDTH)?;
    let layers = config.size("num_layers", limit::LAYERS)?;
    let reuse = config.get("num_kv_reuse_layers");
    if reuse.is_none() {
        return Err(config.missing("num_kv_reuse_layers"));
    }
    let own = layers - config.count_or("num_kv_reuse_layers", 0, layers - 1)?;
    let common = Common {
        hidden,
        layers,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 65_536, limit::POSITIONS)?,
        norm: NormSpec::rms(config.positive_or("rms_norm_eps", 1e-5)?),
        mlp: MlpSpec::gated(intermediate(config, hidden)?),
        tied: Some(true),
    };
    let sizes = sizes(config, hidden)?;
    let attention = GroupedSpec {
        names: AttentionNames { o: "out_proj", ..AttentionNames::USUAL },
        qkv: QkvLayout::Rows,
        qk_norm: Some(QkNorm::Heads(NormSpec::rms(HEAD_EPS))),
        rope_first: true,
        steps: Some(["quant_key_scale", "quant_value_scale"]),
        ..GroupedSpec::plain(sizes)
    };
    let reading = GroupedSpec { shared: Some(own - 1), ..attention };
    let layer = |index| pre_norm(if index < own { attention } else { reading }, common.mlp);
    let mut rope =
        scaled_rope(config, None, sizes.head_dim, config.positive_or("rope_theta", 50_000.0)?)?;
    rope.interleaved = true;
    Ok(DecoderSpec {
        names: Names { embed_tokens: "model.embedding", norm: "model.output_norm", ..Names::USUAL },
        later_layers: Some((own, "model.kv_reuse_layers")),
        ..common.decoder(vec![rope], (0..layers).map(layer).collect())
    })
}

fn sizes(config: &Config<'_>, hidden: usize) -> Result<AttentionSizes, ModelError> {
    let heads = config.size("num_heads", limit::HEADS)?;
    let kv_heads = config.size("num_kv_heads", limit::HEADS)?;
    if !heads.is_multiple_of(kv_heads) {
        return Err(config.bad("num_kv_heads", format!("a divisor of `num_heads` ({heads})")));
    }
    AttentionSizes::parts_of(config, ["hidden_dim", "num_heads"], hidden, [heads, kv_heads])
}

/// Returns the width of the feed-forward parts.
fn intermediate(config: &Config<'_>, hidden: usize) -> Result<usize, ModelError> {
    let key = "hidden_dim_scale_factor";
    let width = hidden as f64 * config.positive_or(key, 3.25)?;
    if (1.0..=limit::WIDTH as f64).contains(&width) {
        return Ok(width as usize);
    }
    Err(config.bad(key, format!("a factor that makes `hidden_dim` a width up to {}", limit::WIDTH)))
}
