//! GLM-4 9B (GLM Team, 2024, arXiv:2406.12793), as transformers stores it: Llama with one matrix for
//! gate and up, and rotary positions in pairs of neighbours.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "GLM",
    gguf: &[],
    architectures: &[Architecture::new("glm", "GLM-4 9B, GLM-Edge", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let qkv = config.flag_or("attention_bias", false)?;
    let attention =
        GroupedSpec { biases: Biases { qkv, output: false }, ..GroupedSpec::plain(sizes) };
    // Like mlx-lm, rotate complete heads, although files ask for half of each.
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = true;
    let mlp = MlpSpec { kind: MlpKind::FUSED, ..common.mlp };
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    let tied = common.tied.or(Some(true));
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
