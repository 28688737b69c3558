//! Nemotron 4 and Minitron (Parmar et al., 2024, arXiv:2402.16819): norms by mean and variance with a
//! factor of one plus the weight, squared ReLU without a gate, rotary positions in half of each head.

use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, NormWeight, partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Nemotron",
    gguf: &[],
    architectures: &[Architecture::new("nemotron", "Nemotron-4, Minitron", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "relu2")?;
    let norm =
        NormSpec { weight: NormWeight::PlusOne, ..NormSpec::layer(config.positive("norm_eps")?) };
    let common = Common::with_norm(config, 4096, norm)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let mlp = MlpSpec {
        kind: MlpKind::Plain { up: "up_proj", down: "down_proj" },
        activation: Activation::ReluSquared,
        ..common.mlp
    };
    let dims = config.part_of_head("partial_rotary_factor", sizes.head_dim, 0.5)?;
    let mut rope = partial_rope_spec(config, dims, 10_000.0)?;
    rope.interleaved = false;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(common.decoder(vec![rope], layers))
}
