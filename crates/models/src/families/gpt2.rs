//! GPT-2 (Radford et al., 2019) and its descendants for code, SantaCoder and StarCoder (Li et al., 2023,
//! arXiv:2305.06161): learned vectors of positions, norms by mean and variance, biases everywhere.

use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names, Positions, Table};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkvLayout,
};

pub(super) const FAMILY: Family = Family {
    name: "GPT-2",
    gguf: &[],
    architectures: &[
        Architecture::new("gpt2", "GPT-2, DistilGPT-2", gpt2_spec),
        Architecture::new("gpt_bigcode", "SantaCoder, StarCoder", bigcode_spec),
    ],
};

const ATTENTION: AttentionNames =
    AttentionNames { qkv: "c_attn", o: "c_proj", ..AttentionNames::USUAL };

fn gpt2_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("n_embd", limit::WIDTH)?;
    let mlp = MlpSpec {
        kind: MlpKind::PLAIN,
        bias: true,
        activation: Activation::GeluTanh,
        ..MlpSpec::gated(4 * hidden)
    };
    let names = Names {
        embed_tokens: "model.wte",
        layers: "model.h",
        norm: "model.ln_f",
        lm_head: "lm_head",
    };
    let heads = config.size("n_head", limit::HEADS)?;
    spec(config, mlp, [heads; 2], DecoderNames { names, positions: "model.wpe" })
}

fn bigcode_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let heads = config.size("n_head", limit::HEADS)?;
    let kv_heads = if config.flag_or("multi_query", true)? { 1 } else { heads };
    // Like mlx-lm, use the exact GELU, although files name its approximation by tanh.
    let mlp = MlpSpec {
        kind: MlpKind::PLAIN,
        bias: config.flag_or("mlp_bias", true)?,
        activation: Activation::Gelu,
        ..MlpSpec::gated(config.size("n_inner", limit::WIDTH)?)
    };
    let names = Names {
        embed_tokens: "transformer.wte",
        layers: "transformer.h",
        norm: "transformer.ln_f",
        lm_head: "lm_head",
    };
    let names = DecoderNames { names, positions: "transformer.wpe" };
    let mut spec = spec(config, mlp, [heads, kv_heads], names)?;
    let bias = config.flag_or("attention_bias", true)?;
    for attention in spec.attentions_mut() {
        attention.biases = Biases::all(bias);
    }
    Ok(DecoderSpec { tied: Some(config.flag_or("tie_word_embeddings", true)?), ..spec })
}

#[derive(Clone, Copy)]
struct DecoderNames {
    names: Names,
    positions: &'static str,
}

fn spec(
    config: &Config<'_>,
    mlp: MlpSpec,
    heads: [usize; 2],
    names: DecoderNames,
) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("n_embd", limit::WIDTH)?;
    let sizes = AttentionSizes::parts_of(config, ["n_embd", "n_head"], hidden, heads)?;
    let count = config.size("n_positions", limit::POSITIONS)?;
    let common = Common {
        hidden,
        layers: config.size("n_layer", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: count,
        norm: NormSpec::layer(config.positive("layer_norm_epsilon")?),
        mlp,
        tied: Some(true),
    };
    let attention = GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Rows,
        biases: Biases::all(true),
        rope: None,
        ..GroupedSpec::plain(sizes)
    };
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer =
        |_| vec![block("ln_1", attention.into(), "attn"), block("ln_2", common.mlp.into(), "mlp")];
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec {
        names: names.names,
        positions: Some(Positions { table: Table { path: names.positions, count }, first: 0 }),
        ..common.decoder(vec![], layers)
    })
}
