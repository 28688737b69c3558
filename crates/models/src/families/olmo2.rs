//! OLMo 2 (Team OLMo, 2024, arXiv:2501.00656): norms after attention and the feed-forward part
//! instead of before them, and one norm over all heads of queries, and of keys.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, Input, NormNames, layer};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, QkNorm, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "OLMo 2",
    gguf: None,
    architectures: &[Architecture::new("olmo2", "OLMo 2", spec)],
};

const NORMS: NormNames = NormNames {
    attention_in: Input::Stream,
    attention_out: Some("post_attention_layernorm"),
    mlp_in: Input::Stream,
    mlp_out: Some("post_feedforward_layernorm"),
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 4096)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec {
        biases: Biases::all(bias),
        qk_norm: Some(QkNorm::Rows(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| layer(attention, common.mlp, NORMS)).collect();
    Ok(common.decoder(vec![rope], layers))
}
