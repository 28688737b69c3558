//! What the fuzz targets do with their bytes: parse them as what an untrusted file would hold, and
//! use what came of it. Nothing here may panic, hang or allocate out of proportion.
//!
//! The targets in `fuzz/` call these functions under libFuzzer; the test of this crate calls them
//! with every file of `corpus/`.

#![forbid(unsafe_code)]

mod config;
mod matmul;
mod text;

use std::path::Path;

use mlxk_format::gguf;
use mlxk_format::safetensors::Shard;
use mlxk_hub::Modelfile;
use mlxk_memory::Bytes;

pub use config::config;
pub use matmul::matmul;
pub use text::{chat_template, tokenizer};

/// A target: its name, which is its folder in `corpus/`, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("safetensors", safetensors),
    ("gguf", gguf),
    ("config", config),
    ("tokenizer", tokenizer),
    ("chat_template", chat_template),
    ("matmul", matmul),
    ("modelfile", modelfile),
];

/// A safetensors file: every tensor's bytes are touched.
pub fn safetensors(data: &[u8]) {
    if let Ok(shard) = Shard::from_bytes(Path::new("fuzz.safetensors"), Bytes::from(data.to_vec()))
    {
        let touched: u64 = shard
            .tensors()
            .map(|(_, _, _, bytes)| bytes.iter().map(|&b| u64::from(b)).sum::<u64>())
            .sum();
        std::hint::black_box(touched);
    }
}

/// A Modelfile: what was understood is written, and understood again.
pub fn modelfile(data: &[u8]) {
    if let Ok(mut file) = Modelfile::parse(data)
        && let Ok(text) = file.text()
    {
        file.ignored.clear();
        assert_eq!(Modelfile::parse(text.as_bytes()).as_ref(), Ok(&file));
    }
}

/// A GGUF file: its import is planned, and written where it is small.
pub fn gguf(data: &[u8]) {
    let Ok(plan) = gguf::Plan::from_bytes(Path::new("fuzz.gguf"), &Bytes::from(data.to_vec()))
    else {
        return;
    };
    std::hint::black_box((plan.modes(), plan.parameters()));
    if plan.output_bytes() < 1 << 20
        && let Ok(folder) = tempfile::tempdir()
    {
        let _ = plan.write(folder.path(), &mut |_, _| std::ops::ControlFlow::Continue(()));
    }
}
