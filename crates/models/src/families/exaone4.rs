//! EXAONE 4 (LG AI Research, 2025, arXiv:2507.11407): norms after attention and the feed-forward part
//! instead of before them. In the 32B model, three of four layers have a window and rotary positions,
//! and the fourth has neither.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, POST_NORM, layer};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, QkNorm, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "EXAONE 4",
    gguf: &[],
    architectures: &[Architecture::new("exaone4", "EXAONE 4.0 1.2B, 32B", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 65_536)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { qk_norm: Some(QkNorm::Heads(common.norm)), ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let locals = locals(config)?;
    let window = match &locals {
        Some(_) => Some(config.size("sliding_window", limit::POSITIONS)?),
        None => None,
    };
    let layers = (0..common.layers).map(|index| {
        let attention = match &locals {
            None => attention,
            Some(locals) if locals[index % locals.len()] => GroupedSpec { window, ..attention },
            Some(_) => GroupedSpec { rope: None, ..attention },
        };
        layer(attention, common.mlp, POST_NORM)
    });
    let layers = layers.collect();
    Ok(common.decoder(vec![rope], layers))
}

/// Returns which layers of the repeated pattern, such as `LLLG`, are local.
fn locals(config: &Config<'_>) -> Result<Option<Vec<bool>>, ModelError> {
    let key = "sliding_window_pattern";
    let Some(pattern) = config.text(key)?.filter(|pattern| !pattern.is_empty()) else {
        return Ok(None);
    };
    let locals: Option<Vec<bool>> = pattern
        .chars()
        .map(|letter| match letter {
            'L' => Some(true),
            'G' => Some(false),
            _ => None,
        })
        .collect();
    locals.map(Some).ok_or_else(|| config.bad(key, "letters `L` and `G`"))
}
