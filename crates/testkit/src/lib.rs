//! Tiny checkpoints with deterministic weights, and a tokenizer whose tokens are bytes. Tests of the engine,
//! the server and the command line load them with real engines.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod encoder;
mod hybrid;

use std::path::Path;

use mlxk_format::CheckpointWriter;
use mlxk_tensor::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use encoder::{CLS, ENCODER_POSITIONS, SEP, encoder, write_encoder};

/// Number of token ids: 256 bytes and a few special tokens.
pub const VOCAB: usize = 264;
/// Width of the hidden state.
pub const HIDDEN: usize = 64;
/// Number of layers.
pub const LAYERS: usize = 3;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;
const INTERMEDIATE: usize = 128;
/// Id of the token that ends an answer.
pub const END: u32 = 256;

/// Storage of the matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Not quantized, in bf16.
    Dense,
    /// Quantized to this many bits, in groups of 64.
    Bits(usize),
}

/// An architecture, with or without its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Llama with default options.
    Llama,
    /// Llama with every option that changes the arithmetic.
    LlamaOptions,
    /// Mistral with a sliding window of 40 tokens.
    Mistral,
    /// Qwen2 with a window of 50 tokens in all layers but the first.
    Qwen2,
    /// LFM2: convolutions around an attention layer.
    ShortConv,
    /// Qwen3.5: gated delta nets around an attention layer.
    DeltaNet,
}

/// All kinds.
pub const KINDS: [Kind; 6] =
    [Kind::Llama, Kind::LlamaOptions, Kind::Mistral, Kind::Qwen2, Kind::ShortConv, Kind::DeltaNet];

impl Kind {
    /// Returns `true` if layers keep a state, which cannot be cut.
    pub const fn has_states(self) -> bool {
        matches!(self, Self::ShortConv | Self::DeltaNet)
    }
}

/// Returns numbers between -1 and 1 that depend only on `name` and their index.
pub fn noise(name: &str, count: usize) -> Vec<f32> {
    let mut key = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        key = (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (0..count as u64)
        .map(|index| {
            let mut bits = (key ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
                .wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ bits >> 31).wrapping_mul(0x94d0_49bb_1331_11eb);
            (bits >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
        })
        .collect()
}

/// Returns the `config.json` of a kind.
pub fn config(kind: Kind) -> Value {
    let mut config = json!({
        "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "rms_norm_eps": 1e-5, "vocab_size": VOCAB,
        "max_position_embeddings": 512, "tie_word_embeddings": true, "eos_token_id": END
    });
    let changes = match kind {
        Kind::Llama => json!({}),
        Kind::LlamaOptions => json!({
            "head_dim": 32, "attention_bias": true, "mlp_bias": true,
            "tie_word_embeddings": false, "rope_theta": 500_000.0,
            "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 128}
        }),
        Kind::Mistral => json!({"model_type": "mistral", "sliding_window": 40}),
        Kind::Qwen2 => json!({
            "model_type": "qwen2", "use_sliding_window": true, "sliding_window": 50,
            "max_window_layers": 1, "tie_word_embeddings": false
        }),
        Kind::ShortConv => json!({
            "model_type": "lfm2", "norm_eps": 1e-5, "conv_L_cache": hybrid::KERNEL,
            "layer_types": ["conv", "full_attention", "conv"]
        }),
        Kind::DeltaNet => json!({
            "model_type": "qwen3_5", "full_attention_interval": 2,
            "linear_num_key_heads": hybrid::KEY_HEADS,
            "linear_num_value_heads": hybrid::VALUE_HEADS,
            "linear_key_head_dim": hybrid::DELTA_DIM, "linear_value_head_dim": hybrid::DELTA_DIM,
            "linear_conv_kernel_dim": hybrid::KERNEL
        }),
    };
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// Writes a checkpoint with its tokenizer to a temporary folder.
pub fn checkpoint(kind: Kind, stored: Stored) -> TempDir {
    checkpoint_with(kind, stored, &json!({}))
}

/// Like [`checkpoint`], with `changes` applied to the keys of `config.json`.
pub fn checkpoint_with(kind: Kind, stored: Stored, changes: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(kind);
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    let mut writer = CheckpointWriter::new(config);
    match kind {
        Kind::ShortConv => hybrid::short_convs(&mut writer, stored),
        Kind::DeltaNet => hybrid::delta_nets(&mut writer, stored),
        _ => transformer(&mut writer, kind, stored),
    }
    writer.write(folder.path()).unwrap();
    write_tokenizer(folder.path());
    folder
}

/// Writes the tensors of a kind whose layers are all attention.
fn transformer(writer: &mut CheckpointWriter, kind: Kind, stored: Stored) {
    let head_dim = if kind == Kind::LlamaOptions { 2 * HEAD_DIM } else { HEAD_DIM };
    let (queries, keys) = (HEADS * head_dim, KV_HEADS * head_dim);
    let qkv_bias = matches!(kind, Kind::LlamaOptions | Kind::Qwen2);
    let other_bias = kind == Kind::LlamaOptions;
    let mut matrix = |path: &str, rows: usize, cols: usize, bias: bool| {
        let scale = 2.0 / (cols as f32).sqrt();
        let values: Vec<f32> = noise(path, rows * cols).iter().map(|x| x * scale).collect();
        match stored {
            Stored::Dense => {
                writer.dense(&format!("{path}.weight"), &[rows, cols], &values, Dtype::Bf16)
            }
            Stored::Bits(bits) => {
                writer.affine(path, &[rows, cols], &values, (bits, 64), Dtype::F16)
            }
        };
        if bias {
            let name = format!("{path}.bias");
            writer.dense(&name, &[rows], &noise(&name, rows), Dtype::F16);
        }
    };
    matrix("model.embed_tokens", VOCAB, HIDDEN, false);
    if matches!(kind, Kind::LlamaOptions | Kind::Qwen2) {
        matrix("lm_head", VOCAB, HIDDEN, false);
    }
    for layer in 0..LAYERS {
        let path = format!("model.layers.{layer}");
        matrix(&format!("{path}.self_attn.q_proj"), queries, HIDDEN, qkv_bias);
        matrix(&format!("{path}.self_attn.k_proj"), keys, HIDDEN, qkv_bias);
        matrix(&format!("{path}.self_attn.v_proj"), keys, HIDDEN, qkv_bias);
        matrix(&format!("{path}.self_attn.o_proj"), HIDDEN, queries, other_bias);
        matrix(&format!("{path}.mlp.gate_proj"), INTERMEDIATE, HIDDEN, other_bias);
        matrix(&format!("{path}.mlp.up_proj"), INTERMEDIATE, HIDDEN, other_bias);
        matrix(&format!("{path}.mlp.down_proj"), HIDDEN, INTERMEDIATE, other_bias);
    }
    let layers = (0..LAYERS).flat_map(|layer| {
        ["input_layernorm", "post_attention_layernorm"]
            .map(|name| format!("model.layers.{layer}.{name}.weight"))
    });
    for name in layers.chain(["model.norm.weight".to_owned()]) {
        let values: Vec<f32> = noise(&name, HIDDEN).iter().map(|x| 1.0 + 0.3 * x).collect();
        writer.dense(&name, &[HIDDEN], &values, Dtype::Bf16);
    }
}

/// Writes a tokenizer whose tokens are bytes into a folder.
pub fn write_tokenizer(folder: &Path) {
    let mut vocab = serde_json::Map::new();
    let mut unprintable = 0;
    for byte in 0..=255_u8 {
        // The byte alphabet of GPT-2: printable characters stand for themselves.
        let char = match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            _ => {
                unprintable += 1;
                char::from_u32(255 + unprintable).unwrap()
            }
        };
        vocab.insert(char.to_string(), byte.into());
    }
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true})
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(END, "<|end|>"), special(257, "<|turn|>")],
        "normalizer": null,
        "pre_tokenizer":
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder":
            {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "vocab": vocab, "merges": []}
    });
    let template = "{% for message in messages %}<|turn|>{{ message.role }}\n{{ message.content }}\
                    {% endfor %}{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}";
    let settings = json!({"eos_token": "<|end|>", "chat_template": template});
    for (name, value) in [("tokenizer.json", tokenizer), ("tokenizer_config.json", settings)] {
        std::fs::write(folder.join(name), value.to_string()).unwrap();
    }
}
