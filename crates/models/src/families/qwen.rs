//! Qwen (Bai et al., 2023, arXiv:2309.16609): Llama with one matrix for queries, keys and values, and
//! biases on them.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkvLayout,
    scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Qwen",
    gguf: &[],
    architectures: &[Architecture::new("qwen", "Qwen 1.8B to 72B, first version", spec)],
};

const NAMES: Names = Names {
    embed_tokens: "transformer.wte",
    layers: "transformer.h",
    norm: "transformer.ln_f",
    lm_head: "lm_head",
};

const ATTENTION: AttentionNames =
    AttentionNames { qkv: "c_attn", o: "c_proj", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let keys = ["hidden_size", "num_attention_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, hidden, [heads; 2])?;
    if config.size_or("kv_channels", 128, limit::HEAD_DIM)? != sizes.head_dim {
        return Err(config.bad("kv_channels", format!("the width of a head ({})", sizes.head_dim)));
    }
    let bias = !config.flag_or("no_bias", true)?;
    // `intermediate_size` counts both gate and up.
    let both = config.size_or("intermediate_size", 11_008, limit::WIDTH)?;
    if !both.is_multiple_of(2) {
        return Err(config.bad("intermediate_size", "an even number"));
    }
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 8192, limit::POSITIONS)?,
        norm: NormSpec::rms(config.positive_or("layer_norm_epsilon", 1e-6)?),
        mlp: MlpSpec {
            kind: MlpKind::Gated { gate: "w2", up: "w1", down: "c_proj" },
            bias,
            ..MlpSpec::gated(both / 2)
        },
        tied: Some(false),
    };
    let attention = GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Rows,
        biases: Biases { qkv: true, output: bias },
        ..GroupedSpec::plain(sizes)
    };
    let rope = scaled_rope(config, None, sizes.head_dim, 10_000.0)?;
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer =
        |_| vec![block("ln_1", attention.into(), "attn"), block("ln_2", common.mlp.into(), "mlp")];
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, head_bias: bias, ..common.decoder(vec![rope], layers) })
}
