//! Fuzz targets: they parse their bytes like an untrusted file, and use the result. Nothing here
//! may panic, hang or allocate out of proportion.
//!
//! The targets in `fuzz/` call these functions under libFuzzer. The test of this crate calls them
//! with every file of `corpus/`.

#![forbid(unsafe_code)]

mod config;
mod matmul;
mod report;
mod schema;
mod text;
mod tools;

use std::path::Path;

use mlxk_format::gguf;
use mlxk_format::safetensors::Shard;
use mlxk_hub::Modelfile;
use mlxk_memory::Bytes;

pub use config::config;
pub use matmul::matmul;
pub use report::bench_report;
pub use schema::schema;
pub use text::{chat_template, tokenizer};
pub use tools::tools_text;

/// A target: its name, which is also its folder in `corpus/`, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 10] = [
    ("safetensors", safetensors),
    ("gguf", gguf),
    ("config", config),
    ("tokenizer", tokenizer),
    ("chat_template", chat_template),
    ("matmul", matmul),
    ("modelfile", modelfile),
    ("schema", schema),
    ("tools", tools_text),
    ("report", bench_report),
];

/// Parses a safetensors file, and touches the bytes of every tensor.
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

/// Parses a Modelfile, writes the result, and parses that again.
pub fn modelfile(data: &[u8]) {
    if let Ok(mut file) = Modelfile::parse(data)
        && let Ok(text) = file.text()
    {
        file.ignored.clear();
        assert_eq!(Modelfile::parse(text.as_bytes()).as_ref(), Ok(&file));
    }
}

/// Plans the import of a GGUF file, and writes the checkpoint if it is small.
pub fn gguf(data: &[u8]) {
    let Ok(plan) = gguf::Plan::from_bytes(
        Path::new("fuzz.gguf"),
        &Bytes::from(data.to_vec()),
        &mlxk_models::gguf_architectures(),
    ) else {
        return;
    };
    std::hint::black_box((plan.modes(), plan.parameters()));
    if plan.output_bytes() < 1 << 20
        && let Ok(folder) = tempfile::tempdir()
    {
        let _ = plan.write(folder.path(), &mut |_, _| std::ops::ControlFlow::Continue(()));
    }
}
