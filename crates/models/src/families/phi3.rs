//! Phi-3, Phi-3.5 and Phi-4 (Abdin et al., 2024, arXiv:2404.14219): Llama with fused projections
//! and LongRoPE. Phi-4-mini has rotary positions in a part of each head only.

use mlxk_format::gguf::{
    Extent, GgufArchitecture, GgufBiases, GgufRope, GgufSizes, HeadDim, LayerTensor, Window,
};
use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, MlpKind, MlpSpec, QkvLayout, partial_rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Phi",
    gguf: &[GGUF],
    architectures: &[Architecture::new("phi3", "Phi-3, Phi-3.5, Phi-4, Phi-4-mini", spec)],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    head_dim: HeadDim::Derived,
    // The files state a window that neither llama.cpp nor mlx-lm applies.
    window: Window::Ignored,
    rope: GgufRope::Long,
    config: gguf_config,
    ..gguf::architecture("phi3", "phi3", "Phi3ForCausalLM", GGUF_LAYER)
};

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    LayerTensor::matrix(
        "attn_qkv",
        "self_attn.qkv_proj",
        [Extent::QueriesKeysValues, Extent::Hidden],
    ),
    gguf::O,
    gguf::MLP_NORM,
    LayerTensor::matrix("ffn_up", "mlp.gate_up_proj", [Extent::GateAndUp, Extent::Hidden]),
    gguf::DOWN,
];

fn gguf_config(sizes: &GgufSizes, _: GgufBiases) -> Vec<(&'static str, Value)> {
    let factor = sizes.rotary_dims as f64 / sizes.head_dim as f64;
    let mut keys = vec![("partial_rotary_factor", factor.into())];
    keys.extend(sizes.original_context.map(|it| ("original_max_position_embeddings", it.into())));
    keys
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec { qkv: QkvLayout::Rows, ..GroupedSpec::plain(sizes) };
    let dims = config.rotary_dims(sizes.head_dim)?;
    let rope = partial_rope_spec(config, dims, 10_000.0)?;
    let mlp = MlpSpec { kind: MlpKind::FUSED, ..common.mlp };
    let tied = common.tied.or(Some(false));
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
