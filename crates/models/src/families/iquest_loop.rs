//! IQuest-Coder Loop (2026): Llama whose layers run twice. The second run attends to its own last positions, and
//! to all positions of the first.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, EarlierRunSpec, GroupedSpec, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "IQuest-Coder Loop",
    gguf: &[],
    architectures: &[Architecture::new("iquestloopcoder", "IQuest-Coder 40B Loop", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let runs = config.size_or("loop_num", 2, limit::LAYERS)?;
    if runs != 2 {
        return Err(config.unsupported("loop_num", &runs.to_string(), "`2`"));
    }
    let common = Common::from_config(config, 131_072)?;
    let distinct = common.layers;
    if distinct > limit::LAYERS / runs {
        return Err(config.bad("num_hidden_layers", format!("at most {}", limit::LAYERS / runs)));
    }
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let window = config.size_or("loop_window_size", 64, limit::POSITIONS)?;
    let second = |layer| GroupedSpec {
        window: Some(window),
        earlier: Some(EarlierRunSpec { cache: layer, gates: "model.gate_projections", layer }),
        ..attention
    };
    let attentions = (0..distinct).map(|_| attention).chain((0..distinct).map(second));
    let layers = attentions.map(|attention| pre_norm(attention, common.mlp)).collect();
    let mut rope = rope_spec(config, sizes.head_dim, 500_000.0)?;
    rope.interleaved = false;
    let tied = common.tied.or(Some(false));
    Ok(DecoderSpec { tied, distinct_layers: Some(distinct), ..common.decoder(vec![rope], layers) })
}
