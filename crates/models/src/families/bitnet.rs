//! BitNet b1.58 (Ma et al., 2024, arXiv:2402.17764): Llama with ternary matrices, a norm in front of the last
//! matrix of each part, and squared ReLU in the gate.

use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, MlpSpec, SubNorm, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "BitNet",
    gguf: &[],
    architectures: &[Architecture::new("bitnet", "BitNet b1.58 2B", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "relu2")?;
    let common = Common::from_config(config, 4096)?;
    let sizes = AttentionSizes::from_config(config)?;
    let sub_norm = |name| Some(SubNorm { name, norm: common.norm });
    let attention = GroupedSpec {
        biases: Biases::all(config.flag_or("attention_bias", false)?),
        sub_norm: sub_norm("attn_sub_norm"),
        ..GroupedSpec::plain(sizes)
    };
    let mlp = MlpSpec {
        activation: Activation::ReluSquared,
        sub_norm: sub_norm("ffn_sub_norm"),
        ..common.mlp
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    let tied = common.tied.or(Some(true));
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
