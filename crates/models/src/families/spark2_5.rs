//! Spark 2.5 (iFlytek, 2026): GELU gates, windows with rotary frequencies of their own, and a gate on
//! each head's result.

use mlxk_format::convert::ModuleRule;
use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Names, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpSpec, OutputGate, QkvLayout,
    layer_windows, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Spark",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            modules: &[("self_attn.g_proj", ModuleRule::Never)],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("spark2_5", "Spark 2.5", spec)
    }],
};

const NAMES: Names = Names { embed_tokens: "model.embedding", ..Names::USUAL };

const ATTENTION: AttentionNames =
    AttentionNames { qkv: "q_k_v_proj", o: "out_proj", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "gelu")?;
    config.require("gate_attn_act_mode", "sigmoid")?;
    if !config.flag_or("headwise_attn_output_gate", true)? {
        return Err(config.unsupported("headwise_attn_output_gate", "false", "`true`"));
    }
    let common = Common::from_config(config, 8192)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let attention = GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Rows,
        biases: Biases::all(bias),
        gate: Some(OutputGate { bias, ..OutputGate::heads("g_proj", Activation::Sigmoid) }),
        ..GroupedSpec::plain(sizes)
    };
    let windows: Vec<_> = if config.get("layer_types").is_some() {
        layer_windows(config, common.layers, common.layers)?
    } else {
        let window = config.size("sliding_window", limit::POSITIONS)?;
        let is_windowed = |number: usize| !number.is_multiple_of(4);
        (1..=common.layers).map(|number| is_windowed(number).then_some(window)).collect()
    };
    let parameters =
        config.child("rope_parameters")?.ok_or_else(|| config.missing("rope_parameters"))?;
    let rope = |kind: &str, is_used: bool| {
        let own = match parameters.child(kind)? {
            Some(own) => own,
            None if is_used => return Err(parameters.missing(kind)),
            None => parameters.clone(),
        };
        // Like mlx-lm, ignore scalings.
        let dims = own.rotary_dims(sizes.head_dim)?;
        scaled_rope(config, None, dims, own.positive_or("rope_theta", 10_000.0)?)
    };
    let ropes = vec![
        rope("full_attention", windows.iter().any(Option::is_none))?,
        rope("sliding_attention", windows.iter().any(Option::is_some))?,
    ];
    let mlp = MlpSpec { activation: Activation::Gelu, ..common.mlp };
    let layers = windows.into_iter().map(|window| {
        let rope = Some(usize::from(window.is_some()));
        pre_norm(GroupedSpec { window, rope, ..attention }, mlp)
    });
    let layers = layers.collect();
    let tied = common.tied.or(Some(true));
    Ok(DecoderSpec { names: NAMES, tied, ..common.decoder(ropes, layers) })
}
