//! Options that no checkpoint at hand has, against mlx-lm: biases, rope types, windows, head sizes.
//! The fixture is written by `tests/tiny_logits.py`.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use common::{Kind, Stored, VOCAB, checkpoint_with};
use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_format::Checkpoint;
use mlxk_ops::{Batch, Cache, Compute};
use serde_json::{Value, json};
use tempfile::TempDir;

fn checkpoints() -> Vec<(&'static str, TempDir)> {
    let layers = json!(["sliding_attention", "full_attention", "sliding_attention"]);
    let linear = json!({"type": "linear", "factor": 3.0});
    let cases = [
        ("llama", Kind::Llama, Stored::Bits(4), json!({})),
        ("llama-options", Kind::LlamaOptions, Stored::Dense, json!({})),
        (
            "llama-traditional",
            Kind::Llama,
            Stored::Dense,
            json!({"rope_traditional": true, "rope_scaling": linear}),
        ),
        ("mistral-windows", Kind::Mistral, Stored::Bits(8), json!({"layer_types": layers})),
        ("qwen2", Kind::Qwen2, Stored::Bits(8), json!({"use_sliding_window": false})),
    ];
    cases
        .into_iter()
        .map(|(name, kind, stored, changes)| (name, checkpoint_with(kind, stored, &changes)))
        .collect()
}

fn logits(folder: &Path, ids: &[u32]) -> Vec<f32> {
    let options = CpuOptions { threads: Some(1), exact: true, ..CpuOptions::default() };
    let mut ops = Cpu::new(options).unwrap();
    let checkpoint = Checkpoint::open(folder).unwrap();
    let model = mlxk_models::load(&checkpoint, &mut ops, &mut |_, _| ControlFlow::Continue(()));
    let model = model.unwrap();
    ops.configure_cache(model.cache());
    let mut batch = Batch::default();
    batch.push(ops.new_sequence(), 0, ids, false);
    batch.outputs = (0..ids.len()).collect();
    let logits = model.forward(&mut ops, &batch).unwrap();
    ops.read(logits).unwrap().to_vec()
}

#[test]
fn logits_are_those_of_mlx_lm() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/tiny_logits.json")).unwrap();
    let ids: Vec<u32> = serde_json::from_value(fixture["ids"].clone()).unwrap();
    let rows: Vec<usize> = serde_json::from_value(fixture["rows"].clone()).unwrap();
    for (name, folder) in checkpoints() {
        let found = logits(folder.path(), &ids);
        let expected: Vec<Vec<f32>> = serde_json::from_value(fixture[name].clone()).unwrap();
        for (&row, expected) in rows.iter().zip(&expected) {
            for (found, expected) in found[row * VOCAB..].iter().zip(expected) {
                let error = (found - expected).abs();
                assert!(error < 1e-4, "{name}: row {row}: {found} is not {expected}");
            }
        }
    }
}

#[test]
#[ignore = "writes the checkpoints for the script into the folder MLXK_TEST_TINY"]
fn write_checkpoints() {
    let target = PathBuf::from(std::env::var_os("MLXK_TEST_TINY").unwrap());
    for (name, folder) in checkpoints() {
        let folder = folder.keep();
        std::fs::create_dir_all(&target).unwrap();
        std::fs::rename(&folder, target.join(name)).unwrap();
    }
}
