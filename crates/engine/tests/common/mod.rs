//! Tiny checkpoints with deterministic weights, and a tokenizer whose tokens are bytes.
#![allow(dead_code, reason = "every test binary compiles this file and uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

pub(crate) mod failing;
pub(crate) mod runner;

use std::ops::ControlFlow;
use std::path::Path;

use mlxk_engine::{Engine, Event, FinishReason, LoadOptions, Request, Sampling, TokenInfo, Usage};
use mlxk_format::{CheckpointWriter, Dtype};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const VOCAB: usize = 264;
pub(crate) const HIDDEN: usize = 64;
pub(crate) const LAYERS: usize = 3;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;
const INTERMEDIATE: usize = 128;
/// The token that ends an answer.
pub(crate) const END: u32 = 256;

/// How the matrices are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Dense,
    Bits(usize),
}

/// Which architecture, and which of its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Llama,
    /// Llama with every option that changes the arithmetic.
    LlamaOptions,
    Mistral,
    Qwen2,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Llama, Kind::LlamaOptions, Kind::Mistral, Kind::Qwen2];

/// Numbers between -1 and 1 that depend on `name` and their index alone.
pub(crate) fn noise(name: &str, count: usize) -> Vec<f32> {
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

pub(crate) fn config(kind: Kind) -> Value {
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
    };
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// Writes a checkpoint with its tokenizer.
pub(crate) fn checkpoint(kind: Kind, stored: Stored) -> TempDir {
    checkpoint_with(kind, stored, &json!({}))
}

/// The same with further or other keys in `config.json`.
pub(crate) fn checkpoint_with(kind: Kind, stored: Stored, changes: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(kind);
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    let mut writer = CheckpointWriter::new(config);
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
    writer.write(folder.path()).unwrap();
    write_tokenizer(folder.path());
    folder
}

fn write_tokenizer(folder: &Path) {
    let mut vocab = serde_json::Map::new();
    let mut unprintable = 0;
    for byte in 0..=255_u8 {
        // The usual byte alphabet: printable characters stand for themselves.
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

pub(crate) fn options(folder: &TempDir) -> LoadOptions {
    LoadOptions { threads: Some(2), prefill_chunk: 48, ..LoadOptions::new(folder.path()) }
}

pub(crate) fn load(options: &LoadOptions) -> Engine {
    Engine::load(options, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

/// A request that samples under a fixed seed and reports its tokens.
pub(crate) fn request(prompt: &str, max_tokens: usize) -> Request {
    Request {
        sampling: Sampling { temperature: Some(1.0), seed: Some(7), ..Sampling::default() },
        max_tokens: Some(max_tokens),
        ignore_eos: true,
        logprobs: Some(3),
        ..Request::new(mlxk_engine::PromptInput::Text(prompt.to_owned()))
    }
}

/// A finished answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) tokens: Vec<TokenInfo>,
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
}

impl Answer {
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }

    /// What has to be the same whatever ran beside it.
    pub(crate) fn essence(&self) -> (&str, &[TokenInfo], &FinishReason) {
        (&self.text, &self.tokens, &self.reason)
    }
}

pub(crate) fn collect(events: impl Iterator<Item = Event>) -> Answer {
    let (mut text, mut tokens) = (String::new(), Vec::new());
    for event in events {
        match event {
            Event::Text(piece) => text.push_str(&piece),
            Event::Token(token) => tokens.push(token),
            Event::Done(done) => {
                return Answer { text, tokens, reason: done.finish_reason, usage: done.usage };
            }
            Event::Error(error) => panic!("{error}"),
            _ => {}
        }
    }
    panic!("the answer has no end");
}

pub(crate) fn answer(engine: &Engine, request: Request) -> Answer {
    collect(engine.submit(request).unwrap())
}
