//! Baichuan-M1 (2025, arXiv:2502.12671): convolutions over the keys and values of two tokens, and windows with other
//! numbers of heads in some of the layers.

use mlxk_format::convert::Arithmetic;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, PublishedValues};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, KvConvSpec, QkvLayout, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Baichuan-M1",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            values: Some(PublishedValues {
                sign: |name, shape| name == HEAD && shape.len() == 2,
                arithmetic: |_, name| match name {
                    HEAD => Arithmetic::UnitRows { eps: LENGTH_EPS },
                    _ => Arithmetic::None,
                },
            }),
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("baichuan_m1", "Baichuan-M1-14B", spec)
    }],
};

/// The output matrix. If it isn't quantized, its rows are divided by their lengths, whether or not they were before.
const HEAD: &str = "lm_head.weight";
/// Added to the lengths of these rows.
const LENGTH_EPS: f32 = 1e-7;

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    if config.size("conv_window", limit::WIDTH)? != 2 {
        return Err(config.bad("conv_window", "2"));
    }
    let common = Common::from_config(config, 32_768)?;
    if common.tied == Some(true) {
        return Err(config.unsupported("tie_word_embeddings", "true", "`false`"));
    }
    let sizes = AttentionSizes::from_hidden(config)?;
    let local_sizes = local_sizes(config, common.hidden, sizes)?;
    let theta = config.positive("rope_theta")?;
    let ropes = [sizes, local_sizes].map(|sizes| scaled_rope(config, None, sizes.head_dim, theta));
    let [rope, local_rope] = ropes;
    let attention = |sizes| GroupedSpec {
        qkv: QkvLayout::Rows,
        names: AttentionNames { qkv: "W_pack", ..AttentionNames::USUAL },
        kv_conv: Some(KvConvSpec { kernel: 2, names: ["conv_k", "conv_v"] }),
        ..GroupedSpec::plain(sizes)
    };
    let window = Some(config.size("sliding_window", limit::POSITIONS)?);
    let local = GroupedSpec { window, rope: Some(1), ..attention(local_sizes) };
    let is_local = local_layers(config, common.layers)?;
    let layer = |is_local| pre_norm(if is_local { local } else { attention(sizes) }, common.mlp);
    let layers = is_local.into_iter().map(layer).collect();
    Ok(DecoderSpec {
        tied: Some(false),
        unit_head: Some(LENGTH_EPS),
        ..common.decoder(vec![rope?, local_rope?], layers)
    })
}

/// Reads the heads of layers with windows. Numbers that are absent are those of the other layers.
fn local_sizes(
    config: &Config<'_>,
    hidden: usize,
    sizes: AttentionSizes,
) -> Result<AttentionSizes, ModelError> {
    const KEYS: [&str; 2] = ["num_swa_attention_heads", "num_swa_key_value_heads"];
    let heads = config.size_or(KEYS[0], sizes.heads, limit::HEADS)?;
    let kv_heads = config.size_or(KEYS[1], sizes.kv_heads, limit::HEADS)?;
    if !heads.is_multiple_of(kv_heads) {
        return Err(config.bad(KEYS[1], format!("a divisor of `{}` ({heads})", KEYS[0])));
    }
    AttentionSizes::parts_of(config, ["hidden_size", KEYS[0]], hidden, [heads, kv_heads])
}

/// Returns for each layer whether it has a window.
fn local_layers(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    let key = "sliding_window_layers";
    let listed = config.get(key).ok_or_else(|| config.missing(key))?;
    let expected = || config.bad(key, format!("a list of different integers below {layers}"));
    let listed = listed.as_array().filter(|list| list.len() <= layers).ok_or_else(expected)?;
    let mut is_local = vec![false; layers];
    for index in listed {
        let index = Value::as_u64(index).and_then(|index| usize::try_from(index).ok());
        let place = index.and_then(|index| is_local.get_mut(index)).ok_or_else(expected)?;
        *place = true;
    }
    Ok(is_local)
}
