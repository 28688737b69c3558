//! Phi-3, Phi-3.5 and Phi-4 (Abdin et al., 2024, arXiv:2404.14219): Llama with fused projections,
//! LongRoPE, and in Phi-4-mini rotary positions in a part of each head.

use super::{Architecture, Common, Family};
use crate::ModelError;
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::parts::{AttentionSizes, GroupedSpec, MlpKind, MlpSpec, partial_rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Phi",
    architectures: &[Architecture::new("phi3", "Phi-3, Phi-3.5, Phi-4, Phi-4-mini", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec { fused: true, ..GroupedSpec::plain(sizes) };
    let dims = config.rotary_dims(sizes.head_dim)?;
    let rope = partial_rope_spec(config, dims, 10_000.0)?;
    let mlp = MlpSpec { kind: MlpKind::Fused, ..common.mlp };
    let tied = common.tied.or(Some(false));
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
