//! RWKV-7 "Goose" (Peng et al., 2025, arXiv:2503.14456): no attention; tokens are mixed by a state per head,
//! and with the token before.

use mlxk_format::convert::ModuleRule;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, EmbedNorm, Input, Names};
use crate::error::ModelError;
use crate::parts::{ChannelMixSpec, MlpSpec, NormSpec, Ranks, TimeMixSpec};

pub(super) const FAMILY: Family = Family {
    name: "RWKV",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published { modules: EIGHT_BITS, ..Published::AS_IN_MLX },
        ..Architecture::new("rwkv7", "RWKV-7 Goose 0.1B to 2.9B", spec)
    }],
};

const EIGHT_BITS: &[(&str, ModuleRule)] = &[("lora.2", ROUTER), ("embeddings", ROUTER)];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let norm = NormSpec::layer(config.positive("norm_eps")?);
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let head_dim = config.size("head_dim", limit::HEAD_DIM)?;
    if !hidden.is_multiple_of(head_dim) || hidden / head_dim > limit::HEADS {
        let expected = format!("a divisor of `hidden_size` ({hidden})");
        return Err(config.bad("head_dim", expected));
    }
    let rank = |key| config.size(key, limit::WIDTH);
    let time = TimeMixSpec {
        heads: hidden / head_dim,
        head_dim,
        ranks: Ranks {
            decay: rank("decay_low_rank_dim")?,
            rate: rank("a_low_rank_dim")?,
            values: rank("v_low_rank_dim")?,
            gate: rank("gate_low_rank_dim")?,
        },
        is_first: false,
    };
    let channel = ChannelMixSpec { intermediate: config.size("intermediate_size", limit::WIDTH)? };
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 1 << 20, limit::POSITIONS)?,
        norm,
        mlp: MlpSpec::gated(1),
        tied: Some(config.flag_or("tie_word_embeddings", false)?),
    };
    let layer = |index| {
        let block =
            |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
        let time = TimeMixSpec { is_first: index == 0, ..time };
        vec![block("attn_norm", time.into(), "attn"), block("ffn_norm", channel.into(), "ffn")]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec {
        names: Names { embed_tokens: "model.embeddings", ..Names::USUAL },
        embed_norm: Some(EmbedNorm { path: "model.layers.0.pre_norm", norm }),
        ..common.decoder(vec![], layers)
    })
}
