//! OLMo (Groeneveld et al., 2024, arXiv:2402.00838): Llama with norms by mean and variance that have
//! no tensors. mlx-lm reads the checkpoints of the first release, which name everything differently.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkvLayout, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "OLMo",
    gguf: &[],
    architectures: &[Architecture::new("olmo", "OLMo 1B, 7B", spec)],
};

const NAMES: Names = Names {
    embed_tokens: "model.transformer.wte",
    layers: "model.transformer.blocks",
    norm: "model.transformer.norm",
    lm_head: "model.transformer.ff_out",
};

const ATTENTION: AttentionNames =
    AttentionNames { qkv: "att_proj", o: "attn_out", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("d_model", limit::WIDTH)?;
    let heads = config.size("n_heads", limit::HEADS)?;
    let sizes = AttentionSizes::parts_of(config, ["d_model", "n_heads"], hidden, [heads; 2])?;
    // `mlp_hidden_size` counts both gate and up.
    let both = match config.optional_size("mlp_hidden_size", limit::WIDTH)? {
        Some(both) => both,
        None => config.size_or("mlp_ratio", 4, limit::HEADS)? * hidden,
    };
    if !both.is_multiple_of(2) {
        return Err(config.bad("mlp_hidden_size", "an even number"));
    }
    let common = Common {
        hidden,
        layers: config.size("n_layers", limit::LAYERS)?,
        vocab_size: config.size("embedding_size", limit::VOCAB)?,
        max_positions: config.size_or("max_sequence_length", 2048, limit::POSITIONS)?,
        norm: NormSpec::layer(1e-5).without_weight(),
        mlp: MlpSpec {
            kind: MlpKind::FusedUpFirst { both: "ff_proj", down: "ff_out" },
            ..MlpSpec::gated(both / 2)
        },
        tied: Some(config.flag_or("weight_tying", false)?),
    };
    let attention =
        GroupedSpec { names: ATTENTION, qkv: QkvLayout::Rows, ..GroupedSpec::plain(sizes) };
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = config.flag_or("rope_traditional", false)?;
    let block = |part, path| BlockSpec { input: Input::Norm(""), part, path, norm_out: None };
    let layer = |_| vec![block(attention.into(), ""), block(common.mlp.into(), "")];
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) })
}
