//! MiMo (Xiaomi, 2025, arXiv:2505.07608): Llama with biases on queries, keys and values. The layers
//! that guess several tokens are not used.

use mlxk_format::convert::Placement;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, MlpSpec, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "MiMo",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            place: |_, name| name.starts_with("model.mtp_layers.").then_some(Placement::Drop),
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("mimo", "MiMo 7B", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention =
        GroupedSpec { biases: Biases { qkv: true, output: false }, ..GroupedSpec::plain(sizes) };
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(DecoderSpec { skipped: &["model.mtp_layers."], ..common.decoder(vec![rope], layers) })
}
