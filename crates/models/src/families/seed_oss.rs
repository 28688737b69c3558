//! Seed-OSS (ByteDance, 2025): Llama with biases on queries, keys and values.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Seed-OSS",
    gguf: &[],
    architectures: &[Architecture::new("seed_oss", "Seed-OSS 36B", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 524_288)?;
    let sizes = AttentionSizes::from_config(config)?;
    let biases = Biases {
        qkv: config.flag_or("attention_bias", false)?,
        output: config.flag_or("attention_out_bias", false)?,
    };
    let attention = GroupedSpec { biases, ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, common.mlp)).collect();
    let tied = common.tied.or(Some(true));
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
