//! Tensors and keys that GGUF architectures have in common.

use mlxk_format::gguf::{
    Extent, GgufArchitecture, GgufRope, GgufSizes, HeadDim, LayerTensor, Window, json_number,
};
use serde_json::{Map, Value};

use self::Extent::{Head, Hidden, Intermediate, Key, Keys, Queries, Vocabulary};

/// The tensors outside the layers, as most architectures have them.
pub(super) const OUTSIDE: &[LayerTensor] = &[EMBEDDING, OUTPUT_NORM, OUTPUT];
pub(super) const EMBEDDING: LayerTensor =
    LayerTensor::matrix("token_embd", "model.embed_tokens", [Vocabulary, Hidden]);
pub(super) const OUTPUT_NORM: LayerTensor =
    LayerTensor::vector("output_norm", "model.norm", Hidden);
/// Not in files whose output matrix is the embedding.
pub(super) const OUTPUT: LayerTensor =
    LayerTensor::matrix("output", "lm_head", [Vocabulary, Hidden]).optional();

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

/// Number of experts, and width of one.
pub(super) const EXPERTS: Extent = Key("expert_count");
pub(super) const EXPERT_WIDTH: Extent = Key("expert_feed_forward_length");
/// Keys of all mixtures.
pub(super) const EXPERT_KEYS: &[&str] =
    &["expert_count", "expert_used_count", "expert_feed_forward_length"];
pub(super) const ROUTER: LayerTensor =
    LayerTensor::matrix("ffn_gate_inp", "mlp.gate", [EXPERTS, Hidden]);
pub(super) const GATE_EXPERTS: LayerTensor = LayerTensor::stack(
    "ffn_gate_exps",
    "mlp.switch_mlp.gate_proj",
    [EXPERTS, EXPERT_WIDTH, Hidden],
);
pub(super) const UP_EXPERTS: LayerTensor =
    LayerTensor::stack("ffn_up_exps", "mlp.switch_mlp.up_proj", [EXPERTS, EXPERT_WIDTH, Hidden]);
pub(super) const DOWN_EXPERTS: LayerTensor = LayerTensor::stack(
    "ffn_down_exps",
    "mlp.switch_mlp.down_proj",
    [EXPERTS, Hidden, EXPERT_WIDTH],
);

/// Width of the shared expert of Qwen's mixtures.
pub(super) const SHARED_WIDTH: Extent = Key("expert_shared_feed_forward_length");
pub(super) const SHARED_GATE: LayerTensor =
    LayerTensor::matrix("ffn_gate_shexp", "mlp.shared_expert.gate_proj", [SHARED_WIDTH, Hidden]);
pub(super) const SHARED_UP: LayerTensor =
    LayerTensor::matrix("ffn_up_shexp", "mlp.shared_expert.up_proj", [SHARED_WIDTH, Hidden]);
pub(super) const SHARED_DOWN: LayerTensor =
    LayerTensor::matrix("ffn_down_shexp", "mlp.shared_expert.down_proj", [Hidden, SHARED_WIDTH]);
/// A vector in older files.
pub(super) const SHARED_WEIGHT: LayerTensor = LayerTensor::matrix(
    "ffn_gate_inp_shexp",
    "mlp.shared_expert_gate",
    [Extent::Of(|_| 1), Hidden],
);

/// Attention and its norm, as most architectures have them.
pub(super) const ATTENTION: &[LayerTensor] = &[INPUT_NORM, Q, K, V, O];
/// Norms of the heads of queries and keys.
pub(super) const QK_NORMS: &[LayerTensor] = &[Q_NORM, K_NORM];
/// The feed-forward part and its norm, as Llama names it.
pub(super) const MLP: &[LayerTensor] = &[MLP_NORM, GATE, UP, DOWN];
/// Experts and their router, without a norm.
pub(super) const MIXTURE: &[LayerTensor] = &[ROUTER, GATE_EXPERTS, UP_EXPERTS, DOWN_EXPERTS];
/// The shared expert of Qwen's mixtures.
pub(super) const SHARED_EXPERT: &[LayerTensor] =
    &[SHARED_WEIGHT, SHARED_GATE, SHARED_UP, SHARED_DOWN];

/// Keys of YaRN.
pub(super) const YARN_KEYS: [&str; 5] = [
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
];

/// Returns the `rope_scaling` of YaRN, or `None` if the file has none. Some files state its factor only. The
/// architecture must have [`YARN_KEYS`].
pub(super) fn yarn(sizes: &GgufSizes) -> Option<Map<String, Value>> {
    let [kind, factor, original, fast, slow] = YARN_KEYS;
    let factor = sizes.number(factor).filter(|&factor| factor > 1.0)?;
    if sizes.text(kind).is_some_and(|kind| kind != "yarn") {
        return None;
    }
    let mut scaling = Map::new();
    scaling.insert("type".to_owned(), "yarn".into());
    scaling.insert("rope_type".to_owned(), "yarn".into());
    scaling.insert("factor".to_owned(), json_number(factor));
    let others =
        [(original, "original_max_position_embeddings"), (fast, "beta_fast"), (slow, "beta_slow")];
    for (key, name) in others {
        scaling.extend(sizes.number(key).map(|value| (name.to_owned(), json_number(value))));
    }
    Some(scaling)
}

/// Returns a number of the metadata as JSON; null if the file doesn't have it.
pub(super) fn number(sizes: &GgufSizes, key: &str) -> Value {
    sizes.number(key).map_or(Value::Null, json_number)
}

/// Returns the keys of a mixture in `config.json`, under the names of Qwen.
pub(super) fn expert_config(sizes: &GgufSizes) -> Vec<(&'static str, Value)> {
    vec![
        ("num_experts", sizes.whole("expert_count").into()),
        ("num_experts_per_tok", sizes.whole("expert_used_count").into()),
        ("moe_intermediate_size", sizes.whole("expert_feed_forward_length").into()),
    ]
}

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
        more: &[],
        layers_path: "model.layers",
        outside: OUTSIDE,
        ignored: &[],
        norm_eps: "rms_norm_eps",
        usual_eps: None,
        keys: &[],
        required: &[],
        hidden_act: Some("silu"),
        head_dim: HeadDim::Optional,
        window: Window::Refused,
        rope: GgufRope::Plain,
        norms_plus_one: false,
        qwen_words: false,
        config: |_, _| vec![],
        wrapper: None,
        exported_types: &[],
        exported_sizes: &[],
    }
}
