//! Gear: attention as in Gemma 3, with a window in some of the layers, and gated convolutions over keys and values in
//! others.

use mlxk_ops::Activation;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, sandwich};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, GroupedSpec, KvMixerSpec, MlpSpec, NormSpec, QkNorm, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Gear",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            filters: &["key_conv.weight", "value_conv.weight"],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("gear", "Gear", spec)
    }],
};

/// Longest convolution.
const KERNEL: usize = 64;

/// Kind of a layer.
#[derive(Clone, Copy)]
enum Kind {
    Full,
    Sliding,
    Conv,
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    if config.flag_or("use_bidirectional_attention", false)? {
        return Err(config.unsupported("use_bidirectional_attention", "true", "`false`"));
    }
    let norm = NormSpec::rms_plus_one(config.positive("rms_norm_eps")?);
    let common = Common::with_norm(config, 131_072, norm)?;
    let mlp = MlpSpec { bias: false, activation: activation(config)?, ..common.mlp };
    let sizes = AttentionSizes {
        heads: config.size("num_attention_heads", limit::HEADS)?,
        kv_heads: kv_heads(config)?,
        head_dim: config.size("head_dim", limit::HEAD_DIM)?,
    };
    sizes.check(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let scalar = config.positive_or("query_pre_attn_scalar", sizes.head_dim as f64)?;
    let attention = GroupedSpec {
        biases: Biases::all(bias),
        qk_norm: Some(QkNorm::Heads(norm)),
        scale: (1.0 / scalar.sqrt()) as f32,
        soft_cap: cap(config, "attn_logit_softcapping")?,
        ..GroupedSpec::plain(sizes)
    };
    let window = Some(config.size_or("sliding_window", 512, limit::POSITIONS)?);
    let sliding = GroupedSpec { window, rope: Some(1), ..attention };
    let kernel = config.size_or("conv_L_cache", 3, KERNEL)?;
    let mixer = KvMixerSpec { sizes, kernel, bias, norm };
    let layer = |kind| match kind {
        Kind::Full => sandwich(attention, mlp),
        Kind::Sliding => sandwich(sliding, mlp),
        Kind::Conv => at_mixer(sandwich(mixer, mlp)),
    };
    let layers = kinds(config, common.layers)?.into_iter().map(layer).collect();
    let theta = config.positive_or("rope_theta", 1_000_000.0)?;
    let local_theta = config.positive_or("rope_local_base_freq", 10_000.0)?;
    let scaling = config.child("rope_scaling")?;
    let ropes = vec![
        scaled_rope(config, scaling.as_ref(), sizes.head_dim, theta)?,
        scaled_rope(config, None, sizes.head_dim, local_theta)?,
    ];
    Ok(DecoderSpec {
        tied: common.tied.or(Some(true)),
        embed_scale: (common.hidden as f64).sqrt() as f32,
        logit_cap: cap(config, "final_logit_softcapping")?,
        ..common.decoder(ropes, layers)
    })
}

/// Returns the layer with its first part at the path of a mixer.
fn at_mixer(mut layer: Vec<BlockSpec>) -> Vec<BlockSpec> {
    layer[0].path = "local_mixer";
    layer
}

/// Reads a cap. As in mlx-lm, 0 stands for none.
fn cap(config: &Config<'_>, key: &str) -> Result<Option<f32>, ModelError> {
    match config.number_or(key, 0.0)? {
        cap if cap < 0.0 => Err(config.bad(key, "a number of at least 0")),
        cap => Ok((cap > 0.0).then_some(cap as f32)),
    }
}

/// The key has to be there, but null stands for as many as query heads.
fn kv_heads(config: &Config<'_>) -> Result<usize, ModelError> {
    let key = if config.is_null("num_key_value_heads") {
        "num_attention_heads"
    } else {
        "num_key_value_heads"
    };
    config.size(key, limit::HEADS)
}

fn activation(config: &Config<'_>) -> Result<Activation, ModelError> {
    let key = "hidden_activation";
    match config.text(key)? {
        None | Some("gelu_pytorch_tanh" | "gelu_new" | "gelu_fast") => Ok(Activation::GeluTanh),
        Some("gelu") => Ok(Activation::Gelu),
        Some("silu" | "swish") => Ok(Activation::Silu),
        Some(other) => Err(config.unsupported(key, other, "`gelu_pytorch_tanh`, `gelu`, `silu`")),
    }
}

/// Reads the kinds of the layers. The key has to be there, but null stands for attention to everything.
fn kinds(config: &Config<'_>, layers: usize) -> Result<Vec<Kind>, ModelError> {
    let key = "layer_types";
    if config.is_null(key) {
        return Ok(vec![Kind::Full; layers]);
    }
    let types = config.get(key).ok_or_else(|| config.missing(key))?.as_array();
    let types = types.filter(|types| types.len() == layers);
    let types = types.ok_or_else(|| config.bad(key, format!("a list of {layers} names")))?;
    let kind = |name: &Value| match name.as_str() {
        Some("full_attention") => Ok(Kind::Full),
        Some("sliding_attention") => Ok(Kind::Sliding),
        Some("conv_mixer") => Ok(Kind::Conv),
        other => Err(config.unsupported(
            key,
            other.unwrap_or(&name.to_string()),
            "`full_attention`, `sliding_attention`, `conv_mixer`",
        )),
    };
    types.iter().map(kind).collect()
}
