//! Nanbeige 4.2 (2026): Llama whose layers run several times, with a KV cache for each run.

use super::family::{Architecture, Family};
use super::llama;
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    name: "Nanbeige",
    gguf: &[],
    architectures: &[Architecture::new("nanbeige", "Nanbeige 4.2 3B", spec)],
};

/// Settings of the original that change the result without a tensor of their own.
const UNSUPPORTED: [&str; 3] =
    ["enable_double_loop_split", "loop_share_kv", "enable_depth_attention"];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    for key in UNSUPPORTED {
        if config.flag_or(key, false)? {
            return Err(config.unsupported(key, "true", "`false`"));
        }
    }
    // Files that were trained with a loss for each run have a weight for all but the first.
    let key = "loop_loss_weights";
    let weights = match config.get(key) {
        None => 0,
        Some(list) => list.as_array().ok_or_else(|| config.bad(key, "a list"))?.len(),
    };
    let runs = match weights {
        0 => config.size_or("num_loops", 1, limit::HEADS)?,
        weights => weights + 1,
    };
    let once = llama::spec(config)?;
    let distinct = once.layers.len();
    if runs.saturating_mul(distinct) > limit::LAYERS {
        return Err(config.bad("num_loops", format!("fewer runs of {distinct} layers")));
    }
    let mut layers = Vec::with_capacity(runs * distinct);
    for _ in 0..runs {
        layers.extend(llama::spec(config)?.layers);
    }
    Ok(DecoderSpec {
        layers,
        distinct_layers: Some(distinct),
        norm_between: !config.flag_or("skip_loop_final_norm", false)?,
        ..once
    })
}
