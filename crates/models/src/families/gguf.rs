//! Tensors of a layer that GGUF architectures have in common.

use mlxk_format::gguf::{Extent, GgufArchitecture, HeadDim, LayerTensor, Window};

use self::Extent::{Head, Hidden, Intermediate, Keys, Queries};

pub(super) const INPUT_NORM: LayerTensor =
    LayerTensor::vector("attn_norm", "input_layernorm", Hidden);
pub(super) const Q: LayerTensor =
    LayerTensor::matrix("attn_q", "self_attn.q_proj", [Queries, Hidden]);
pub(super) const K: LayerTensor = LayerTensor::matrix("attn_k", "self_attn.k_proj", [Keys, Hidden]);
pub(super) const V: LayerTensor = LayerTensor::matrix("attn_v", "self_attn.v_proj", [Keys, Hidden]);
pub(super) const Q_NORM: LayerTensor = LayerTensor::vector("attn_q_norm", "self_attn.q_norm", Head);
pub(super) const K_NORM: LayerTensor = LayerTensor::vector("attn_k_norm", "self_attn.k_norm", Head);
pub(super) const O: LayerTensor =
    LayerTensor::matrix("attn_output", "self_attn.o_proj", [Hidden, Queries]);
/// The norm before the feed-forward part, as Llama names it.
pub(super) const MLP_NORM: LayerTensor =
    LayerTensor::vector("ffn_norm", "post_attention_layernorm", Hidden);
pub(super) const GATE: LayerTensor =
    LayerTensor::matrix("ffn_gate", "mlp.gate_proj", [Intermediate, Hidden]);
pub(super) const UP: LayerTensor =
    LayerTensor::matrix("ffn_up", "mlp.up_proj", [Intermediate, Hidden]);
pub(super) const DOWN: LayerTensor =
    LayerTensor::matrix("ffn_down", "mlp.down_proj", [Hidden, Intermediate]);

/// Returns an architecture with the settings of most: a SiLU, no window, and no other key of
/// `config.json`.
pub(super) const fn architecture(
    name: &'static str,
    model_type: &'static str,
    class: &'static str,
    layer: &'static [LayerTensor],
) -> GgufArchitecture {
    GgufArchitecture {
        name,
        model_type,
        class,
        layer,
        hidden_act: Some("silu"),
        head_dim: HeadDim::Optional,
        window: Window::Refused,
        long_rope: false,
        norms_plus_one: false,
        qwen_words: false,
        config: |_, _| vec![],
        exported_types: &[],
    }
}
