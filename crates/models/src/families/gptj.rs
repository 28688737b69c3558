//! GPT-J (Wang and Komatsuzaki, 2021): attention and the feed-forward part run in parallel. Rotary
//! positions in a part of each head, in pairs of neighbours.

use mlxk_format::convert::Placement;
use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, MlpKind, MlpSpec, NormSpec, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "GPT-J",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            rename: |name| name.replace("transformer.", "model."),
            place: |_, name| published(name),
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("gptj", "GPT-J 6B", spec)
    }],
};

const NAMES: Names =
    Names { embed_tokens: "model.wte", layers: "model.h", norm: "model.ln_f", lm_head: "lm_head" };

const ATTENTION: AttentionNames = AttentionNames { o: "out_proj", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("n_embd", limit::WIDTH)?;
    let heads = config.size("n_head", limit::HEADS)?;
    let sizes = AttentionSizes::parts_of(config, ["n_embd", "n_head"], hidden, [heads; 2])?;
    let common = Common {
        hidden,
        layers: config.size("n_layer", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("n_positions", 2048, limit::POSITIONS)?,
        norm: NormSpec::layer(config.positive_or("layer_norm_epsilon", 1e-5)?),
        mlp: MlpSpec {
            kind: MlpKind::Plain { up: "fc_in", down: "fc_out" },
            bias: true,
            activation: Activation::GeluTanh,
            ..MlpSpec::gated(4 * hidden)
        },
        tied: Some(false),
    };
    let attention = GroupedSpec { names: ATTENTION, ..GroupedSpec::plain(sizes) };
    let default = if config.is_null("rotary_dim") { sizes.head_dim } else { 64 };
    let dims = config.size_or("rotary_dim", default, sizes.head_dim)?;
    if !dims.is_multiple_of(2) {
        return Err(config.bad("rotary_dim", "an even number"));
    }
    let mut rope = scaled_rope(config, None, dims, 10_000.0)?;
    rope.interleaved = true;
    let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
    let layer = |_| {
        vec![
            block(Input::Norm("ln_1"), attention.into(), "attn"),
            block(Input::Previous, common.mlp.into(), "mlp"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, head_bias: true, ..common.decoder(vec![rope], layers) })
}

/// Drops masks, which old files store.
fn published(name: &str) -> Option<Placement> {
    let ends = [".attn.bias", ".attn.masked_bias"];
    ends.iter().any(|end| name.ends_with(end)).then_some(Placement::Drop)
}
