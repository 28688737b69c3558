//! Helium (Kyutai, 2025): Llama with rotary positions in pairs of neighbours.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "Helium",
    gguf: &[],
    architectures: &[Architecture::new("helium", "Helium 1 2B", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 4096)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let qkv = config.flag_or("attention_bias", false)?;
    let attention =
        GroupedSpec { biases: Biases { qkv, output: false }, ..GroupedSpec::plain(sizes) };
    let theta = config.positive_or("rope_theta", 100_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = true;
    let layers = (0..common.layers).map(|_| pre_norm(attention, common.mlp)).collect();
    Ok(common.decoder(vec![rope], layers))
}
