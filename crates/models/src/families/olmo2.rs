//! OLMo 2 (Team OLMo, 2024, arXiv:2501.00656): norms behind attention and feed-forward instead of
//! before them, and over all heads of queries and keys.

use super::{Architecture, Common, Family};
use crate::ModelError;
use crate::config::Config;
use crate::decoder::{DecoderSpec, NormNames};
use crate::parts::{AttentionSizes, Biases, GroupedSpec, QkNorm, rope_spec};

pub(super) const FAMILY: Family =
    Family { name: "OLMo 2", architectures: &[Architecture::new("olmo2", "OLMo 2", spec)] };

const NAMES: NormNames = NormNames {
    attention_in: None,
    attention_out: Some("post_attention_layernorm"),
    mlp_in: None,
    mlp_out: Some("post_feedforward_layernorm"),
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let Common { layers, vocab_size, max_positions, norm, mlp, tied } =
        Common::from_config(config, 4096)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec {
        biases: Biases::all(bias),
        qk_norm: Some(QkNorm::Rows(norm)),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let sizes = (vocab_size, max_positions);
    let spec = DecoderSpec::plain(attention, (norm, mlp), layers, rope, sizes);
    Ok(DecoderSpec { tied, names: NAMES, ..spec })
}
