//! InternLM 2 (Cai et al., 2024, arXiv:2403.17297) and 3 (Shanghai AI Laboratory, 2025): Llama with
//! one matrix for queries, keys and values in version 2, and optional biases.

use mlxk_format::convert::Placement;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::Config;
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, QkvLayout, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "InternLM",
    gguf: &[],
    architectures: &[
        Architecture {
            published: &PUBLISHED,
            ..Architecture::new("internlm2", "InternLM2, InternLM2.5", v2_spec)
        },
        Architecture {
            published: &PUBLISHED,
            ..Architecture::new("internlm3", "InternLM3 8B", v3_spec)
        },
    ],
};

const PUBLISHED: Published = Published {
    place: |_, name| name.contains("attention.rope.inv_freq").then_some(Placement::Drop),
    ..Published::AS_IN_MLX
};

const NAMES: Names = Names {
    embed_tokens: "model.tok_embeddings",
    layers: "model.layers",
    norm: "model.norm",
    lm_head: "output",
};

const ATTENTION: AttentionNames = AttentionNames { qkv: "wqkv", o: "wo", ..AttentionNames::USUAL };

fn v2_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Groups,
        biases: Biases::all(config.flag_or("bias", true)?),
        ..GroupedSpec::plain(sizes)
    };
    let mlp = MlpSpec {
        kind: MlpKind::Gated { gate: "w1", up: "w3", down: "w2" },
        bias: false,
        ..common.mlp
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |_| {
        vec![
            block("attention_norm", attention.into(), "attention"),
            block("ffn_norm", mlp.into(), "feed_forward"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) })
}

fn v3_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("qkv_bias", false)?;
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let mlp = MlpSpec { bias: config.flag_or("bias", false)?, ..common.mlp };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(common.decoder(vec![rope], layers))
}
