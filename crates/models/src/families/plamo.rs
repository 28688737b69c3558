//! PLaMo (Preferred Networks, 2023): attention and a feed-forward part in parallel, and key heads that serve
//! query heads by turns.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Input, Names, NormNames, layer};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, MlpSpec, QkvLayout, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "PLaMo",
    gguf: &[],
    architectures: &[Architecture::new("plamo", "PLaMo 13B", spec)],
};

const NORMS: NormNames = NormNames {
    attention_in: Input::Norm("norm"),
    attention_out: None,
    mlp_in: Input::Previous,
    mlp_out: None,
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 4096)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let group = config.size_or("n_shared_head", 8, limit::HEADS)?;
    if !heads.is_multiple_of(group) {
        let expected = format!("a divisor of `num_attention_heads` ({heads})");
        return Err(config.bad("n_shared_head", expected));
    }
    let keys = ["hidden_size", "num_attention_heads"];
    let sizes = AttentionSizes::parts_of(config, keys, common.hidden, [heads, heads / group])?;
    let attention = GroupedSpec { qkv: QkvLayout::KeysByTurns, ..GroupedSpec::plain(sizes) };
    let layers = (0..common.layers).map(|_| layer(attention, mlp, NORMS)).collect();
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = config.flag_or("rope_traditional", false)?;
    Ok(DecoderSpec {
        names: Names { layers: "model.layers.layers", ..Names::USUAL },
        tied: Some(false),
        ..common.decoder(vec![rope], layers)
    })
}
