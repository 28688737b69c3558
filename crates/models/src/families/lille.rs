//! Lille (Nikity, 2025): Llama with one matrix for queries, keys and values, and rotary positions in
//! pairs of neighbours.

use mlxk_format::convert::Placement;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, MlpSpec, NormSpec, QkvLayout, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Lille",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            place: |_, name| name.contains("rotary_emb").then_some(Placement::Drop),
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("lille-130m", "Lille 130M", spec)
    }],
};

const NAMES: Names = Names {
    embed_tokens: "transformer.tok_embeddings",
    layers: "transformer.layers",
    norm: "transformer.norm",
    lm_head: "lm_head",
};

const ATTENTION: AttentionNames = AttentionNames { o: "out_proj", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("n_embd", limit::WIDTH)?;
    let heads = config.size("n_head", limit::HEADS)?;
    let kv_heads = config.size("n_kv_heads", limit::HEADS)?;
    if !heads.is_multiple_of(kv_heads) {
        return Err(config.bad("n_kv_heads", format!("a divisor of `n_head` ({heads})")));
    }
    let keys = ["n_embd", "n_head"];
    let sizes = AttentionSizes::parts_of(config, keys, hidden, [heads, kv_heads])?;
    // The multiple of 256 that is nearest to 8/3 of the width.
    let intermediate = 256 * ((8 * hidden / 3) as f64 / 256.0).round_ties_even() as usize;
    if intermediate == 0 {
        return Err(config.bad("n_embd", "48 or more"));
    }
    let common = Common {
        hidden,
        layers: config.size("n_layer", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size("block_size", limit::POSITIONS)?,
        norm: NormSpec::rms(config.positive("layer_norm_eps")?),
        mlp: MlpSpec::gated(intermediate),
        tied: Some(true),
    };
    let attention =
        GroupedSpec { names: ATTENTION, qkv: QkvLayout::Rows, ..GroupedSpec::plain(sizes) };
    let theta = config.positive("rope_theta")?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = true;
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |_| {
        vec![
            block("attention.norm", attention.into(), "attention"),
            block("feed_forward.norm", common.mlp.into(), "feed_forward"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) })
}
