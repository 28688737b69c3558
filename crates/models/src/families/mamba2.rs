//! Mamba-2 (Dao and Gu, 2024, arXiv:2405.21060): selective scans, without attention and without a
//! feed-forward part. Also what families with such layers read from `config.json`.

use mlxk_format::config_number;
use mlxk_ops::ScanSizes;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{FILTERS, Published};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::loader::FilterLayout;
use crate::parts::{GatedNorm, MambaSpec, MlpSpec, NormSpec};

pub(super) const FAMILY: Family = Family {
    name: "Mamba-2",
    gguf: &[],
    architectures: &[Architecture {
        published: &PUBLISHED,
        ..Architecture::new("mamba2", "Mamba-Codestral 7B, Mamba2 130M to 2.7B", spec)
    }],
};

/// Only the filters of published checkpoints differ from MLX's form.
pub(super) const PUBLISHED: Published = Published { filters: FILTERS, ..Published::AS_IN_MLX };

/// Names of the modules in families that call their layers a backbone.
pub(super) const BACKBONE: Names = Names {
    embed_tokens: "backbone.embeddings",
    layers: "backbone.layers",
    norm: "backbone.norm_f",
    lm_head: "lm_head",
};

/// Longest convolution.
const KERNEL: usize = 64;
/// Epsilon of the norms before the layers, which the configuration does not state.
const LAYER_EPS: f64 = 1e-5;

/// Keys of the sizes of a scan.
pub(super) struct ScanKeys {
    pub(super) heads: &'static str,
    pub(super) head_dim: &'static str,
    pub(super) groups: &'static str,
    pub(super) state_dim: &'static str,
    pub(super) kernel: &'static str,
}

impl ScanKeys {
    /// Reads the sizes. Returns a part without biases and without a norm.
    pub(super) fn read(&self, config: &Config<'_>) -> Result<MambaSpec, ModelError> {
        let sizes = ScanSizes {
            heads: config.size(self.heads, limit::HEADS)?,
            head_dim: config.size(self.head_dim, limit::HEAD_DIM)?,
            groups: config.size(self.groups, limit::HEADS)?,
            state_dim: config.size(self.state_dim, limit::HEAD_DIM)?,
        };
        if !sizes.heads.is_multiple_of(sizes.groups) {
            let expected = format!("a divisor of `{}` ({})", self.heads, sizes.heads);
            return Err(config.bad(self.groups, expected));
        }
        Ok(MambaSpec {
            sizes,
            kernel: config.size(self.kernel, KERNEL)?,
            filters: FilterLayout::Either,
            in_bias: false,
            conv_bias: false,
            out_bias: false,
            limits: [0.0, f32::INFINITY],
            norm: GatedNorm::None,
        })
    }
}

/// Returns the least and the greatest time step, by `time_step_limit`.
pub(super) fn time_steps(config: &Config<'_>, default: [f32; 2]) -> Result<[f32; 2], ModelError> {
    const KEY: &str = "time_step_limit";
    let Some(value) = config.get(KEY) else { return Ok(default) };
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|list: &Vec<Value>| list.iter().map(config_number).collect());
    match numbers.as_deref() {
        Some(&[least, greatest]) if least >= 0.0 && greatest >= least => {
            Ok([least as f32, greatest as f32])
        }
        _ => Err(config.bad(KEY, "a list of two numbers, the smaller first")),
    }
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let norm = NormSpec::rms(config.positive("layer_norm_epsilon")?);
    let key = if config.get("ssm_state_size").is_some() { "ssm_state_size" } else { "state_size" };
    let keys = ScanKeys {
        heads: "num_heads",
        head_dim: "head_dim",
        groups: "n_groups",
        state_dim: key,
        kernel: "conv_kernel",
    };
    let bias = config.flag("use_bias")?.unwrap_or(false);
    let mamba = MambaSpec {
        in_bias: bias,
        conv_bias: config.flag("use_conv_bias")?.unwrap_or(true),
        out_bias: bias,
        limits: time_steps(config, [0.0, f32::INFINITY])?,
        norm: GatedNorm::After { norm, groups: 1 },
        ..keys.read(config)?
    };
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config
            .optional_size("max_position_embeddings", limit::POSITIONS)?
            .unwrap_or(1 << 20),
        norm: NormSpec::rms(LAYER_EPS),
        mlp: MlpSpec::gated(1),
        tied: config.flag("tie_word_embeddings")?,
    };
    let block = || BlockSpec {
        input: Input::Norm("norm"),
        part: mamba.into(),
        path: "mixer",
        norm_out: None,
    };
    let layers = (0..common.layers).map(|_| vec![block()]).collect();
    Ok(DecoderSpec { names: BACKBONE, last_norm: Some(norm), ..common.decoder(vec![], layers) })
}
