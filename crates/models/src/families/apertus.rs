//! Apertus (Swiss AI Initiative, 2025, arXiv:2509.14233): norms on the heads of queries and keys, and
//! a feed-forward part with xIELU and no gate.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::Config;
use crate::decoder::{DecoderSpec, Input, NormNames, layer};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, MlpKind, MlpSpec, QkNorm, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Apertus",
    gguf: &[],
    architectures: &[Architecture::new("apertus", "Apertus 8B, 70B", spec)],
};

const NORMS: NormNames = NormNames {
    attention_in: Input::Norm("attention_layernorm"),
    attention_out: None,
    mlp_in: Input::Norm("feedforward_layernorm"),
    mlp_out: None,
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "xielu")?;
    let common = Common::from_config(config, 65_536)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec {
        names: AttentionNames::USUAL,
        qk_norm: Some(QkNorm::Heads(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    let mlp = MlpSpec {
        kind: MlpKind::Plain { up: "up_proj", down: "down_proj" },
        xielu: Some("act_fn"),
        ..common.mlp
    };
    let rope = rope_spec(config, sizes.head_dim, 12_000_000.0)?;
    let layers = (0..common.layers).map(|_| layer(attention, mlp, NORMS)).collect();
    Ok(common.decoder(vec![rope], layers))
}
