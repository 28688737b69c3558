//! The reference outputs; `tests/parity/goldens.py` writes them and says what they hold.

use std::path::{Path, PathBuf};

use mlxk_tensor::{Dtype, Mode};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    config: Value,
    dtype: String,
    seed: u64,
    tensors: Vec<Value>,
    ids: Vec<u32>,
    rows: Vec<usize>,
    logits: String,
    std: f32,
    greedy: Vec<u32>,
    margins: Vec<f32>,
}

/// One case.
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) config: Value,
    pub(crate) seed: u64,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) ids: Vec<u32>,
    /// Positions of `logits`.
    pub(crate) rows: Vec<usize>,
    /// `[rows][vocab]`
    pub(crate) logits: Vec<Vec<f32>>,
    /// Standard deviation of the logits of all positions.
    pub(crate) std: f32,
    /// Tokens that follow the prompt.
    pub(crate) greedy: Vec<u32>,
    /// By how much each of them leads, over `std`.
    pub(crate) margins: Vec<f32>,
}

impl Golden {
    /// The prompt and what follows it.
    pub(crate) fn all_ids(&self) -> Vec<u32> {
        [&self.ids[..], &self.greedy].concat()
    }
}

/// A tensor of the checkpoint before it is stored.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) centre: f32,
    pub(crate) spread: f32,
    pub(crate) dtype: Dtype,
    pub(crate) mode: Option<Mode>,
    pub(crate) global_scale: bool,
    /// `true` if the tensor has packed codes of -1, 0 and 1.
    pub(crate) ternary: bool,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/fixtures"))
}

/// Beginning of the names of the cases that run, if the developer asks for a few: `MLXK_PARITY=stablelm`.
pub(crate) fn filter() -> Option<String> {
    std::env::var("MLXK_PARITY").ok()
}

/// The names of all cases, or of those that [`filter`] leaves.
pub(crate) fn names() -> Vec<String> {
    let wanted = filter().unwrap_or_default();
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name.starts_with(&wanted))
        .collect();
    assert!(!names.is_empty(), "no golden begins with `{wanted}`, the value of MLXK_PARITY");
    names.sort();
    names
}

pub(crate) fn read(name: &str) -> Golden {
    read_from(&folder(), name)
}

/// Reads a golden of another folder.
pub(crate) fn read_from(folder: &Path, name: &str) -> Golden {
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let file: File = serde_json::from_str(&text).unwrap();
    let bytes = base64(&file.logits);
    let logits: Vec<f32> =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let width = logits.len() / file.rows.len();
    Golden {
        name: name.to_owned(),
        tensors: file.tensors.iter().map(|row| tensor(row, &file.dtype)).collect(),
        config: file.config,
        seed: file.seed,
        ids: file.ids,
        logits: logits.chunks_exact(width).map(<[f32]>::to_vec).collect(),
        rows: file.rows,
        std: file.std,
        greedy: file.greedy,
        margins: file.margins,
    }
}

pub(crate) fn tensor(row: &Value, dtype: &str) -> Tensor {
    let mode = row[4]["mode"].as_str().map(|name| match name {
        "affine" => {
            let number = |key: &str| row[4][key].as_u64().unwrap();
            Mode::affine(number("bits"), number("group_size")).unwrap()
        }
        "mxfp4" => Mode::Mxfp4,
        "mxfp8" => Mode::Mxfp8,
        "nvfp4" => Mode::Nvfp4,
        _ => panic!("mode {name}"),
    });
    let float = |at: usize| row[at].as_f64().unwrap() as f32;
    Tensor {
        name: row[0].as_str().unwrap().to_owned(),
        shape: serde_json::from_value(row[1].clone()).unwrap(),
        centre: float(2),
        spread: float(3),
        dtype: match row[4]["dtype"].as_str().unwrap_or(dtype) {
            "float32" => Dtype::F32,
            "float16" => Dtype::F16,
            "bfloat16" => Dtype::Bf16,
            name => panic!("dtype {name}"),
        },
        mode,
        global_scale: row[4]["global_scale"] == true,
        ternary: row[4]["ternary"] == true,
    }
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut word, mut bits, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|&byte| byte != b'=') {
        word = word << 6 | alphabet.iter().position(|&letter| letter == byte).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    bytes
}
