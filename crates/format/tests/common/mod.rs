//! A small GGUF writer, so that tests can make files that no honest tool would.
#![allow(dead_code, reason = "every test binary compiles this file and uses a part of it")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mlxk_format::FormatError;
use mlxk_format::gguf::Plan;

/// A file in the folder of golden files.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Metadata values that the tests need.
#[derive(Clone)]
pub(crate) enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
}

/// A GGUF file to be.
#[derive(Clone, Default)]
pub(crate) struct GgufBuilder {
    pub(crate) keys: Vec<(String, Value)>,
    /// Name, shape with the slowest axis first, type number, data.
    pub(crate) tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

pub(crate) const F32: u32 = 0;
pub(crate) const F16: u32 = 1;
pub(crate) const Q4_0: u32 = 2;
pub(crate) const Q8_0: u32 = 8;

impl GgufBuilder {
    pub(crate) fn set(&mut self, key: &str, value: Value) -> &mut Self {
        match self.keys.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.keys.push((key.to_owned(), value)),
        }
        self
    }

    pub(crate) fn remove(&mut self, name: &str) -> &mut Self {
        self.keys.retain(|(key, _)| key != name);
        self.tensors.retain(|(tensor, ..)| tensor != name);
        self
    }

    pub(crate) fn u32(&mut self, key: &str, value: u32) -> &mut Self {
        self.set(key, Value::U32(value))
    }

    pub(crate) fn f32(&mut self, key: &str, value: f32) -> &mut Self {
        self.set(key, Value::F32(value))
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.set(key, Value::Text(value.to_owned()))
    }

    pub(crate) fn texts(&mut self, key: &str, values: &[&str]) -> &mut Self {
        self.set(key, Value::Texts(values.iter().map(|&text| text.to_owned()).collect()))
    }

    /// A tensor of this type, filled with a pattern.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[u64], kind: u32) -> &mut Self {
        let elements: u64 = shape.iter().product();
        let data = match kind {
            F32 => (0..elements).flat_map(|i| ((i % 7) as f32 - 3.0).to_le_bytes()).collect(),
            F16 => [0, 0x3c].repeat(elements as usize),
            Q4_0 => block(0x3800, 16).repeat(elements as usize / 32),
            Q8_0 => block(0x3800, 32).repeat(elements as usize / 32),
            _ => vec![0; elements as usize],
        };
        self.tensors.push((name.to_owned(), shape.to_vec(), kind, data));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            string(key, &mut out);
            put(value, &mut out);
        }
        let mut offset = 0_u64;
        for (name, shape, kind, data) in &self.tensors {
            string(name, &mut out);
            out.extend((shape.len() as u32).to_le_bytes());
            shape.iter().rev().for_each(|dimension| out.extend(dimension.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (data.len() as u64).next_multiple_of(32);
        }
        for (_, _, _, data) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(data);
        }
        out
    }

    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("model.gguf");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}

fn block(scale: u16, values: u8) -> Vec<u8> {
    scale.to_le_bytes().into_iter().chain((0..values).map(|i| i.wrapping_mul(37))).collect()
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put(value: &Value, out: &mut Vec<u8>) {
    let kind = |id: u32| id.to_le_bytes();
    let array =
        |id: u32, len: usize| [&kind(9)[..], &kind(id), &(len as u64).to_le_bytes()].concat();
    match value {
        Value::U32(value) => out.extend([kind(4), value.to_le_bytes()].concat()),
        Value::F32(value) => out.extend([kind(6), value.to_le_bytes()].concat()),
        Value::Bool(value) => {
            out.extend(kind(7));
            out.push((*value).into());
        }
        Value::Text(text) => {
            out.extend(kind(8));
            string(text, out);
        }
        Value::Texts(texts) => {
            out.extend(array(8, texts.len()));
            for text in texts {
                string(text, out);
            }
        }
        Value::I32s(values) => {
            out.extend(array(5, values.len()));
            for value in values {
                out.extend(value.to_le_bytes());
            }
        }
        Value::F32s(values) => {
            out.extend(array(6, values.len()));
            for value in values {
                out.extend(value.to_le_bytes());
            }
        }
    }
}

/// A one-layer model: hidden size 64, 2 heads, 1 key head, 6 tokens.
pub(crate) fn tiny(architecture: &str) -> GgufBuilder {
    let mut gguf = GgufBuilder::default();
    let key = |name: &str| format!("{architecture}.{name}");
    gguf.text("general.architecture", architecture)
        .text("general.name", "Tiny")
        .u32(&key("block_count"), 1)
        .u32(&key("context_length"), 128)
        .u32(&key("embedding_length"), 64)
        .u32(&key("feed_forward_length"), 96)
        .u32(&key("attention.head_count"), 2)
        .u32(&key("attention.head_count_kv"), 1)
        .f32(&key("attention.layer_norm_rms_epsilon"), 1e-6)
        .f32(&key("rope.freq_base"), 10_000.0)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "qwen2")
        .texts("tokenizer.ggml.tokens", &["a", "b", "ab", "<|x|>", "<tool>", "[PAD5]"])
        .set("tokenizer.ggml.token_type", Value::I32s(vec![1, 1, 1, 3, 4, 5]))
        .texts("tokenizer.ggml.merges", &["a b"])
        .u32("tokenizer.ggml.eos_token_id", 3)
        .tensor("token_embd.weight", &[6, 64], Q8_0)
        .tensor("output_norm.weight", &[64], F32)
        .tensor("blk.0.attn_norm.weight", &[64], F32)
        .tensor("blk.0.attn_q.weight", &[64, 64], Q4_0)
        .tensor("blk.0.attn_k.weight", &[32, 64], Q4_0)
        .tensor("blk.0.attn_v.weight", &[32, 64], Q4_0)
        .tensor("blk.0.attn_output.weight", &[64, 64], Q4_0)
        .tensor("blk.0.ffn_norm.weight", &[64], F32)
        .tensor("blk.0.ffn_gate.weight", &[96, 64], Q4_0)
        .tensor("blk.0.ffn_up.weight", &[96, 64], Q4_0)
        .tensor("blk.0.ffn_down.weight", &[64, 96], Q4_0);
    if architecture == "qwen2" {
        gguf.tensor("blk.0.attn_q.bias", &[64], F32)
            .tensor("blk.0.attn_k.bias", &[32], F32)
            .tensor("blk.0.attn_v.bias", &[32], F32);
    }
    gguf
}

/// Imports a file into a folder of its own.
pub(crate) fn import(path: &Path) -> Result<tempfile::TempDir, FormatError> {
    let plan = Plan::new(path, &mlxk_models::gguf_architectures())?;
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    plan.write(folder.path(), &mut |done, total| {
        assert!(last <= done && done <= total);
        last = done;
        ControlFlow::Continue(())
    })?;
    let written: u64 = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(written, plan.output_bytes(), "the size is known beforehand");
    Ok(folder)
}

/// The same for a file that is built here.
pub(crate) fn build(gguf: &GgufBuilder) -> Result<tempfile::TempDir, FormatError> {
    let folder = tempfile::tempdir().unwrap();
    import(&gguf.write(folder.path()))
}

/// Why a file is refused, without its name.
pub(crate) fn refusal(gguf: &GgufBuilder) -> String {
    let error = build(gguf).unwrap_err().to_string();
    let (path, reason) = error[1..].split_once("` ").unwrap();
    assert!(path.ends_with("model.gguf"));
    reason.to_owned()
}
