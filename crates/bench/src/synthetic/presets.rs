//! Shapes of well-known models, from their `config.json`.

use serde_json::{Value, json};

/// Hidden size, intermediate size, layers, heads, key/value heads, vocabulary, positions.
type Sizes = [u64; 7];

/// A preset: name, `model_type`, sizes, and the rest of its configuration.
type Preset = (&'static str, &'static str, Sizes, fn() -> Value);

const PRESETS: [Preset; 12] = [
    ("lfm2-350m", "lfm2", [1024, 6656, 16, 16, 8, 65536, 128_000], || {
        json!({
            "rope_theta": 1e6, "norm_eps": 1e-5, "conv_bias": false, "conv_L_cache": 3,
            "block_auto_adjust_ff_dim": true, "block_ffn_dim_multiplier": 1.0,
            "block_multiple_of": 256, "full_attn_idxs": [2, 5, 8, 10, 12, 14],
        })
    }),
    (
        "llama-3.1-8b",
        "llama",
        [4096, 14336, 32, 32, 8, 128_256, 131_072],
        || json!({"rope_theta": 500_000.0, "tie_word_embeddings": false, "rope_scaling": llama3(8.0)}),
    ),
    (
        "llama-3.2-1b",
        "llama",
        [2048, 8192, 16, 32, 8, 128_256, 131_072],
        || json!({"rope_theta": 500_000.0, "head_dim": 64, "rope_scaling": llama3(32.0)}),
    ),
    (
        "llama-3.2-3b",
        "llama",
        [3072, 8192, 28, 24, 8, 128_256, 131_072],
        || json!({"rope_theta": 500_000.0, "head_dim": 128, "rope_scaling": llama3(32.0)}),
    ),
    (
        "mistral-7b",
        "mistral",
        [4096, 14336, 32, 32, 8, 32768, 32768],
        || json!({"rope_theta": 1e6, "tie_word_embeddings": false}),
    ),
    (
        "qwen2.5-coder-0.5b",
        "qwen2",
        [896, 4864, 24, 14, 2, 151_936, 32768],
        || json!({"rope_theta": 1e6, "rms_norm_eps": 1e-6}),
    ),
    (
        "qwen2.5-coder-1.5b",
        "qwen2",
        [1536, 8960, 28, 12, 2, 151_936, 32768],
        || json!({"rope_theta": 1e6, "rms_norm_eps": 1e-6}),
    ),
    (
        "qwen2.5-coder-7b",
        "qwen2",
        [3584, 18944, 28, 28, 4, 152_064, 32768],
        || json!({"rope_theta": 1e6, "rms_norm_eps": 1e-6, "tie_word_embeddings": false}),
    ),
    (
        "qwen3-0.6b",
        "qwen3",
        [1024, 3072, 28, 16, 8, 151_936, 40960],
        || json!({"rope_theta": 1e6, "rms_norm_eps": 1e-6, "head_dim": 128}),
    ),
    ("qwen3-30b-a3b", "qwen3_moe", [2048, 6144, 48, 32, 4, 151_936, 40960], || {
        json!({
            "rope_theta": 1e6, "rms_norm_eps": 1e-6, "head_dim": 128,
            "tie_word_embeddings": false, "num_experts": 128, "num_experts_per_tok": 8,
            "moe_intermediate_size": 768, "decoder_sparse_step": 1, "norm_topk_prob": true,
        })
    }),
    ("qwen3.5-0.8b", "qwen3_5", [1024, 3584, 24, 8, 2, 248_320, 262_144], || {
        json!({
            "rms_norm_eps": 1e-6, "head_dim": 256, "full_attention_interval": 4,
            "linear_num_key_heads": 16, "linear_num_value_heads": 16, "linear_key_head_dim": 128,
            "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4,
            "rope_parameters":
                {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25},
        })
    }),
    (
        "smollm2-135m",
        "llama",
        [576, 1536, 30, 9, 3, 49152, 8192],
        || json!({"rope_theta": 100_000.0}),
    ),
];

fn llama3(factor: f64) -> Value {
    json!({
        "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    })
}

/// Returns the names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, ..)| *name)
}

/// Returns the configuration of a preset. Upper and lower case are equal.
pub(super) fn config(name: &str) -> Option<Value> {
    let (_, model_type, sizes, more) =
        PRESETS.iter().find(|(preset, ..)| preset.eq_ignore_ascii_case(name))?;
    let [hidden, intermediate, layers, heads, kv_heads, vocabulary, positions] = *sizes;
    let mut config = json!({
        "model_type": model_type, "hidden_size": hidden, "intermediate_size": intermediate,
        "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocabulary,
        "max_position_embeddings": positions, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "tie_word_embeddings": true,
    });
    let members = config.as_object_mut()?;
    members.extend(more().as_object().cloned()?);
    Some(config)
}
