//! OLMo Hybrid (Ai2, 2026): gated delta nets whose rates may exceed one, and attention in every fourth layer.

use mlxk_ops::{Activation, DeltaDecay};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba2;
use super::qwen3_5::{KERNEL, delta_sizes};
use crate::config::Config;
use crate::decoder::{DecoderSpec, Input, NormNames, POST_NORM, layer};
use crate::error::ModelError;
use crate::parts::{
    ALog, AttentionSizes, Biases, GroupedSpec, NormSpec, PartSpec, Projection, QkNorm,
    SplitDeltaSpec, partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "OLMo Hybrid",
    gguf: &[],
    architectures: &[Architecture {
        published: &mamba2::PUBLISHED,
        ..Architecture::new("olmo_hybrid", "OLMo Hybrid 7B", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 65_536)?;
    let sizes = AttentionSizes::from_config(config)?;
    let has_positions = has_positions(config)?;
    let attention = GroupedSpec {
        biases: Biases::all(config.flag_or("attention_bias", false)?),
        qk_norm: Some(QkNorm::Rows(common.norm)),
        rope: has_positions.then_some(0),
        ..GroupedSpec::plain(sizes)
    };
    let eps = config.positive_or("layer_norm_epsilon", 1e-5)?;
    let is_doubled = config.flag_or("linear_allow_neg_eigval", false)?;
    let delta = SplitDeltaSpec {
        sizes: delta_sizes(config)?,
        kernel: config.size("linear_conv_kernel_dim", KERNEL)?,
        norm: NormSpec::rms(eps),
        convs: ["q_conv1d", "k_conv1d", "v_conv1d"],
        decay: DeltaDecay::Heads,
        decay_proj: Projection::Direct("a_proj"),
        gate_proj: Projection::Direct("g_proj"),
        gate: Activation::Silu,
        a_log: ALog::Vector,
        rate_scale: if is_doubled { 2.0 } else { 1.0 },
    };
    let layers = is_linear(config, common.layers)?.into_iter().map(|is_linear| {
        if !is_linear {
            return layer(attention, common.mlp, POST_NORM);
        }
        let norms = NormNames {
            attention_in: Input::Norm("input_layernorm"),
            attention_out: None,
            mlp_in: Input::Norm("post_attention_layernorm"),
            mlp_out: None,
        };
        let mut layer = layer(PartSpec::from(delta), common.mlp, norms);
        layer[0].path = "linear_attn";
        layer
    });
    let layers = layers.collect();
    let rope = partial_rope_spec(config, sizes.head_dim, 10_000.0)?;
    Ok(common.decoder(vec![rope], layers))
}

/// Returns `false` if the base of the rotary positions is null, which stands for no positions.
fn has_positions(config: &Config<'_>) -> Result<bool, ModelError> {
    let parameters = config.child("rope_parameters")?;
    Ok(!parameters.as_ref().unwrap_or(config).is_null("rope_theta"))
}

/// Returns for each layer whether it is a delta net, by `layer_types`.
fn is_linear(config: &Config<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    const KEY: &str = "layer_types";
    let Some(list) = config.get(KEY) else {
        return Ok((0..layers).map(|layer| layer % 4 != 3).collect());
    };
    let kind = |name: &Value| match name.as_str()? {
        "linear_attention" => Some(true),
        "full_attention" => Some(false),
        _ => None,
    };
    let list = list.as_array().filter(|list| list.len() == layers);
    let kinds: Option<Vec<bool>> = list.and_then(|list| list.iter().map(kind).collect());
    let expected = || format!("a list of {layers} times `linear_attention` or `full_attention`");
    kinds.ok_or_else(|| config.bad(KEY, expected()))
}
