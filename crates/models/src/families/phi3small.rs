//! Phi-3-small (Abdin et al., 2024, arXiv:2404.14219): attention to blocks of positions that differ from head to head, and
//! matrices of gate and up whose rows alternate.

use mlxk_ops::{Activation, BlockMask, Mask};

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Names, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkvLayout,
    scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Phi-3-small",
    gguf: &[],
    architectures: &[Architecture::new("phi3small", "Phi-3-small 8K, 128K", spec)],
};

/// Steepness of the sigmoid of the gate.
const GATE_ALPHA: f32 = 1.702;
/// Tokens that the tokenizer does not have, from the first to one behind the last.
const NO_TOKENS: [(usize, usize); 4] =
    [(100_256, 100_257), (100_258, 100_261), (100_264, 100_266), (100_267, 100_352)];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let limit_of_gate = config.positive("gegelu_limit")? as f32;
    let mlp = MlpSpec {
        kind: MlpKind::Alternating { both: "up_proj", down: "down_proj" },
        bias: true,
        activation: Activation::ClippedSwiglu { alpha: GATE_ALPHA, limit: limit_of_gate },
        ..MlpSpec::gated(config.size("ff_intermediate_size", limit::WIDTH)?)
    };
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 8192, limit::POSITIONS)?,
        norm: NormSpec::layer(config.positive("layer_norm_epsilon")?),
        mlp,
        tied: Some(true),
    };
    if config.get("num_key_value_heads").is_none() {
        return Err(config.missing("num_key_value_heads"));
    }
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec {
        biases: Biases::all(true),
        names: AttentionNames { qkv: "query_key_value", o: "dense", ..AttentionNames::USUAL },
        qkv: QkvLayout::Groups,
        scale: score_scale(config, sizes.head_dim)?,
        ..GroupedSpec::plain(sizes)
    };
    let sparse = GroupedSpec { mask: Mask::Blocks(blocks(config)?), ..attention };
    let every = config.size("dense_attention_every_n_layers", limit::LAYERS)?;
    let layer =
        |index: usize| pre_norm(if index.is_multiple_of(every) { sparse } else { attention }, mlp);
    let theta = config.positive_or("rope_embedding_base", 1_000_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    let pace = config.positive_or("rope_position_scale", 1.0)? as f32;
    rope.frequencies.iter_mut().for_each(|frequency| *frequency *= pace);
    let divisor = factor(config, "mup_width_multiplier", 8.0)?;
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec {
        names: Names { norm: "model.final_layernorm", ..Names::USUAL },
        embed_scale: factor(config, "mup_embedding_multiplier", 10.0)?.unwrap_or(1.0),
        logit_scale: divisor.map(|divisor| 1.0 / divisor),
        banned: NO_TOKENS.map(|(first, end)| first..end).to_vec(),
        ..common.decoder(vec![rope], layers)
    })
}

/// Reads a factor. As in mlx-lm, 0 stands for none.
fn factor(config: &Config<'_>, key: &str, default: f64) -> Result<Option<f32>, ModelError> {
    match config.number_or(key, default)? {
        factor if factor < 0.0 => Err(config.bad(key, "a number of at least 0")),
        factor => Ok((factor > 0.0).then_some(factor as f32)),
    }
}

fn score_scale(config: &Config<'_>, head_dim: usize) -> Result<f32, ModelError> {
    let width = head_dim as f64;
    let multiplier = config.positive_or("mup_attn_multiplier", 1.0)?;
    let divisor =
        if config.flag_or("mup_use_scaling", true)? { width / multiplier } else { width.sqrt() };
    Ok((1.0 / divisor) as f32)
}

fn blocks(config: &Config<'_>) -> Result<BlockMask, ModelError> {
    let size = config.size_or("blocksparse_block_size", 64, limit::POSITIONS)?;
    if size != 32 && size != 64 {
        return Err(config.bad("blocksparse_block_size", "32 or 64"));
    }
    Ok(BlockMask {
        size,
        local: config.size_or("blocksparse_num_local_blocks", 16, limit::POSITIONS)?,
        stride: config.size_or("blocksparse_vert_stride", 8, limit::POSITIONS)?,
    })
}
