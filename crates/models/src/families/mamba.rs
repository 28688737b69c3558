//! Mamba (Gu and Dao, 2023, arXiv:2312.00752) and Falcon-Mamba: selective scans, without attention and
//! without a feed-forward part.

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba2;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{ColumnMambaSpec, MlpSpec, NormSpec};

pub(super) const FAMILY: Family = Family {
    name: "Mamba",
    gguf: &[],
    architectures: &[
        Architecture {
            published: &mamba2::PUBLISHED,
            ..Architecture::new("mamba", "Mamba 130M to 2.8B", spec)
        },
        Architecture {
            published: &mamba2::PUBLISHED,
            ..Architecture::new("falcon_mamba", "Falcon-Mamba 7B", spec)
        },
    ],
};

/// Longest convolution.
pub(super) const KERNEL: usize = 64;
/// Epsilon of the norms of the residual stream, which the configuration does not state.
const LAYER_EPS: f64 = 1e-5;

/// Returns the width of the space of time steps, which is by default a part of the hidden width.
pub(super) fn rank(config: &Config<'_>, key: &str, hidden: usize) -> Result<usize, ModelError> {
    match config.get(key).and_then(serde_json::Value::as_str) {
        Some("auto") => Ok(hidden.div_ceil(16)),
        _ => Ok(config.optional_size(key, limit::WIDTH)?.unwrap_or(hidden.div_ceil(16))),
    }
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let has_norms = config.text("model_type")? == Some("falcon_mamba")
        || config.flag_or("use_bcdt_rms", false)?;
    let eps = config.positive_or("mixer_rms_eps", 1e-6)?;
    let mamba = ColumnMambaSpec {
        inner: config.size("intermediate_size", limit::WIDTH)?,
        state_dim: config.size("state_size", limit::HEAD_DIM)?,
        rank: rank(config, "time_step_rank", hidden)?,
        kernel: config.size("conv_kernel", KERNEL)?,
        bias: config.flag_or("use_bias", false)?,
        conv_bias: config.flag_or("use_conv_bias", true)?,
        norm: has_norms.then_some(NormSpec::rms(eps).without_weight()),
    };
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 1 << 20, limit::POSITIONS)?,
        norm: NormSpec::rms(LAYER_EPS),
        mlp: MlpSpec::gated(1),
        tied: Some(config.flag_or("tie_word_embeddings", true)?),
    };
    let block = || BlockSpec {
        input: Input::Norm("norm"),
        part: mamba.into(),
        path: "mixer",
        norm_out: None,
    };
    let layers = (0..common.layers).map(|_| vec![block()]).collect();
    Ok(DecoderSpec { names: mamba2::BACKBONE, ..common.decoder(vec![], layers) })
}
