//! EXAONE 3 and 3.5 (LG AI Research, 2024, arXiv:2412.04862): Llama with names of its own.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "EXAONE",
    gguf: &[],
    architectures: &[Architecture::new("exaone", "EXAONE 3.0, 3.5, Deep", spec)],
};

const NAMES: Names = Names {
    embed_tokens: "transformer.wte",
    layers: "transformer.h",
    norm: "transformer.ln_f",
    lm_head: "lm_head",
};

const ATTENTION: AttentionNames = AttentionNames { o: "out_proj", ..AttentionNames::USUAL };

const MLP: MlpKind = MlpKind::Gated { gate: "c_fc_0", up: "c_fc_1", down: "c_proj" };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("activation_function", "silu")?;
    let sizes = AttentionSizes::from_config(config)?;
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 32_768, limit::POSITIONS)?,
        norm: NormSpec::rms(config.positive("layer_norm_epsilon")?),
        mlp: MlpSpec {
            kind: MLP,
            bias: config.flag_or("mlp_bias", false)?,
            ..MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?)
        },
        tied: Some(config.flag_or("tie_word_embeddings", true)?),
    };
    let attention = GroupedSpec {
        names: ATTENTION,
        biases: Biases::all(config.flag_or("attention_bias", false)?),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 500_000.0)?;
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |_| {
        vec![
            block("ln_1", attention.into(), "attn.attention"),
            block("ln_2", common.mlp.into(), "mlp"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) })
}
