//! GLM-4 0414 (GLM Team, 2024, arXiv:2406.12793): norms before and after attention and the
//! feed-forward part. Half of each head has rotary positions, in pairs of neighbours.

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::Config;
use crate::decoder::{DecoderSpec, Input, NormNames, layer};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, partial_rope_spec};
use mlxk_format::gguf::{Bias, Extent, GgufArchitecture, GgufRope, HeadDim, LayerTensor};

pub(super) const FAMILY: Family = Family {
    name: "GLM-4",
    gguf: &[GGUF],
    architectures: &[Architecture::new("glm4", "GLM-4 0414, GLM-Z1", spec)],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    head_dim: HeadDim::Stated,
    rope: GgufRope::Partial,
    config: |sizes, biases| {
        let factor = sizes.rotary_dims as f64 / sizes.head_dim as f64;
        vec![("attention_bias", biases.attention.into()), ("partial_rotary_factor", factor.into())]
    },
    ..gguf::architecture("glm4", "glm4", "Glm4ForCausalLM", GGUF_LAYER)
};

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q.with_bias(Bias::Attention),
    gguf::K.with_bias(Bias::Attention),
    gguf::V.with_bias(Bias::Attention),
    gguf::O,
    LayerTensor::vector("post_attention_norm", "post_self_attn_layernorm", Extent::Hidden),
    gguf::MLP_NORM,
    LayerTensor::matrix("ffn_up", "mlp.gate_up_proj", [Extent::GateAndUp, Extent::Hidden]),
    gguf::DOWN,
    LayerTensor::vector("post_ffw_norm", "post_mlp_layernorm", Extent::Hidden),
];

const NORMS: NormNames = NormNames {
    attention_in: Input::Norm("input_layernorm"),
    attention_out: Some("post_self_attn_layernorm"),
    mlp_in: Input::Norm("post_attention_layernorm"),
    mlp_out: Some("post_mlp_layernorm"),
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_config(config)?;
    let qkv = config.flag("attention_bias")?.unwrap_or(false);
    let attention =
        GroupedSpec { biases: Biases { qkv, output: false }, ..GroupedSpec::plain(sizes) };
    let dims = config.rotary_dims(sizes.head_dim)?;
    let mut rope = partial_rope_spec(config, dims, 10_000.0)?;
    rope.interleaved = config.flag("rope_traditional")?.unwrap_or(true);
    let mlp = MlpSpec { kind: MlpKind::FUSED, ..common.mlp };
    let layers = (0..common.layers).map(|_| layer(attention, mlp, NORMS)).collect();
    Ok(DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) })
}
