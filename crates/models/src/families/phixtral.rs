//! Phixtral (Labonne, 2024): experts made of several Phi-2, next to their attention.

use mlxk_ops::{Activation, RouteScores, RouteSpec};

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpSpec, NormSpec, PlainExpertsSpec,
    QkvLayout, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Phixtral",
    gguf: &[],
    architectures: &[
        Architecture::new("phixtral", "Phixtral 2x2.8B, 4x2.8B", spec),
        Architecture::new("phi-msft", "Phixtral 2x2.8B, 4x2.8B", spec),
    ],
};

const NAMES: Names = Names {
    embed_tokens: "transformer.embd.wte",
    layers: "transformer.h",
    norm: "lm_head.ln",
    lm_head: "lm_head.linear",
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size_or("model_dim", 2560, limit::WIDTH / 4)?;
    let norm = NormSpec::layer(1e-5);
    let common = Common {
        hidden,
        layers: config.size_or("num_layers", 32, limit::LAYERS)?,
        vocab_size: config.size_or("num_vocab", 51_200, limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 2048, limit::POSITIONS)?,
        norm,
        mlp: MlpSpec::gated(4 * hidden),
        tied: Some(false),
    };
    let heads = config.size_or("num_heads", 32, limit::HEADS)?;
    let keys = ["model_dim", "num_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, hidden, [heads, heads])?;
    let attention = GroupedSpec {
        names: AttentionNames { qkv: "Wqkv", o: "out_proj", ..AttentionNames::USUAL },
        qkv: QkvLayout::Rows,
        biases: Biases::all(true),
        ..GroupedSpec::plain(sizes)
    };
    let dims = config.size_or("rotary_dim", 32, sizes.head_dim)?;
    if !dims.is_multiple_of(2) {
        return Err(config.bad("rotary_dim", "an even number"));
    }
    let rope = scaled_rope(config, None, dims, 10_000.0)?;
    let experts = config.size_or("num_local_experts", 4, limit::EXPERTS)?;
    let per_row = config.size_or("num_experts_per_tok", 2, experts)?;
    let mixture = PlainExpertsSpec {
        experts,
        intermediate: 4 * hidden,
        route: RouteSpec::new(per_row, RouteScores::SoftmaxOfChosen),
        has_correction: false,
        bias: true,
        activation: Activation::GeluTanh,
        latent: None,
        shared: None,
    };
    let layer = |_| {
        let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
        vec![
            block(Input::Norm("ln"), attention.into(), "mixer"),
            block(Input::Previous, mixture.into(), "moe"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, head_bias: true, ..common.decoder(vec![rope], layers) })
}
