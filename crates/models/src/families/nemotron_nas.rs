//! Llama-Nemotron (Bercovich et al., 2025, arXiv:2505.00949): Llama whose layers were thinned out one by
//! one. A layer may lack attention or the feed-forward part, or have a single matrix instead.

use mlxk_ops::Activation;
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, GroupedSpec, LinearSpec, MlpSpec, NormSpec, PartSpec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Llama-Nemotron",
    gguf: &[],
    architectures: &[Architecture::new(
        "nemotron-nas",
        "Llama-3.3-Nemotron-Super 49B, Llama-3.1-Nemotron-Ultra 253B",
        spec,
    )],
};

/// Widths of feed-forward parts are multiples of this.
const STEP: usize = 256;

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size("hidden_size", limit::WIDTH)?;
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let keys = ["hidden_size", "num_attention_heads"];
    let head_dim = AttentionSizes::parts_of(config, keys, hidden, [heads; 2])?.head_dim;
    let common = Common {
        hidden,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 131_072, limit::POSITIONS)?,
        norm: NormSpec::rms(config.positive_or("rms_norm_eps", 1e-5)?),
        mlp: MlpSpec {
            bias: config.flag_or("mlp_bias", false)?,
            activation: activation(config)?,
            ..MlpSpec::gated(STEP)
        },
        tied: Some(config.flag_or("tie_word_embeddings", false)?),
    };
    let bias = config.flag_or("attention_bias", false)?;
    let key = "block_configs";
    let entries = config
        .get(key)
        .and_then(Value::as_array)
        .filter(|list| list.len() == common.layers)
        .ok_or_else(|| config.bad(key, format!("a list of {} objects", common.layers)))?;
    let mut layers = Vec::with_capacity(entries.len());
    for entry in entries {
        let part = |name| entry.get(name).unwrap_or(&Value::Null);
        let attention = |group: usize| {
            let sizes = AttentionSizes { heads, kv_heads: heads / group, head_dim };
            GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) }.into()
        };
        let mut layer = vec![];
        let attention: Option<PartSpec> = match kind(part("attention")) {
            Kind::Absent => None,
            Kind::Linear => Some(LinearSpec { name: "linear", bias }.into()),
            Kind::Own(own) => {
                let group = own.get("n_heads_in_group").and_then(Value::as_u64);
                let group = group.filter(|&it| it > 0 && (heads as u64).is_multiple_of(it));
                let expected = || format!("`n_heads_in_group` to be a divisor of {heads}");
                let group = group.ok_or_else(|| config.bad(key, expected()))?;
                Some(attention(group as usize))
            }
        };
        layer.extend(attention.map(|part| block("input_layernorm", part, "self_attn")));
        let mlp: Option<PartSpec> = match kind(part("ffn")) {
            Kind::Absent => None,
            Kind::Linear => Some(LinearSpec { name: "linear", bias: common.mlp.bias }.into()),
            Kind::Own(own) => {
                let intermediate = own.get("ffn_mult").and_then(|it| width(it, hidden));
                let intermediate = intermediate
                    .ok_or_else(|| config.bad(key, "`ffn_mult` to be a number above 0"))?;
                Some(MlpSpec { intermediate, ..common.mlp }.into())
            }
        };
        layer.extend(mlp.map(|part| block("post_attention_layernorm", part, "mlp")));
        layers.push(layer);
    }
    let rope = rope_spec(config, head_dim, 500_000.0)?;
    Ok(common.decoder(vec![rope], layers))
}

fn block(norm: &'static str, part: impl Into<PartSpec>, path: &'static str) -> BlockSpec {
    BlockSpec { input: Input::Norm(norm), part: part.into(), path, norm_out: None }
}

/// Kind of a part of a layer.
enum Kind<'a> {
    Absent,
    /// One square matrix.
    Linear,
    /// The usual part, with this description.
    Own(&'a Value),
}

fn kind(part: &Value) -> Kind<'_> {
    let is_set = |key| part.get(key).and_then(Value::as_bool).unwrap_or(false);
    if is_set("no_op") {
        Kind::Absent
    } else if is_set("replace_with_linear") {
        Kind::Linear
    } else {
        Kind::Own(part)
    }
}

/// Returns two thirds of `factor` times the hidden width, rounded up to a multiple of 256.
fn width(factor: &Value, hidden: usize) -> Option<usize> {
    // The factor is rounded to six decimals first, as in mlx-lm.
    let factor = (factor.as_f64()? * 1e6).round_ties_even() / 1e6;
    let exact = 2.0 * factor * hidden as f64 / 3.0;
    (exact >= 1.0 && exact <= limit::WIDTH as f64).then(|| (exact as usize).next_multiple_of(STEP))
}

fn activation(config: &Config<'_>) -> Result<Activation, ModelError> {
    match config.text("hidden_act")? {
        Some("silu") | None => Ok(Activation::Silu),
        Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_fast") => Ok(Activation::GeluTanh),
        Some(other) => {
            Err(config.unsupported("hidden_act", other, "`silu`, `gelu`, `gelu_new`, `gelu_fast`"))
        }
    }
}
