//! Parity with Transformers: encoders and their heads in exact mode, and the same bits however texts share a step.
//! `tests/parity/encoders.py` writes the goldens.

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_format::Checkpoint;
use mlxk_models::{Model, Output};
use mlxk_ops::{Batch, Cache, Compute, Reduction};
use serde::Deserialize;
use serde_json::Value;

use crate::golden::{Golden, base64, tensor};
use crate::made::Made;

/// Bound of the error of a vector, over its standard deviation.
const BOUND: f32 = 2e-4;

#[derive(Deserialize)]
struct File {
    config: Value,
    dtype: String,
    seed: u64,
    tensors: Vec<Value>,
    texts: Vec<Vec<u32>>,
    seconds: Vec<usize>,
    pooling: String,
    width: usize,
    vectors: String,
}

struct Case {
    file: File,
    folder: tempfile::TempDir,
    expected: Vec<Vec<f32>>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/encoders"))
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = entries.map(|entry| stem(entry.unwrap().path())).collect();
    names.sort();
    names
}

impl Case {
    fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
        let file: File = serde_json::from_str(&text).unwrap();
        let golden = Golden {
            name: name.to_owned(),
            tensors: file.tensors.iter().map(|row| tensor(row, &file.dtype)).collect(),
            config: file.config.clone(),
            seed: file.seed,
            ids: vec![],
            rows: vec![],
            logits: vec![],
            std: 1.0,
            greedy: vec![],
            margins: vec![],
        };
        let bytes = base64(&file.vectors);
        let floats = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        let floats: Vec<f32> = floats.collect();
        let expected = floats.chunks_exact(file.width).map(<[f32]>::to_vec).collect();
        Self { folder: Made::new(&golden).write(), file, expected }
    }

    /// Computes the texts with these indices in one step.
    fn vectors(&self, model: &dyn Model, ops: &mut Cpu, indices: &[usize]) -> Vec<Vec<f32>> {
        let mut batch = Batch::default();
        for &index in indices {
            let (ids, second) = (&self.file.texts[index], self.file.seconds[index]);
            let (sequence, first) = (ops.new_sequence(), batch.rows());
            batch.push(sequence, 0, ids, false);
            batch.types.resize(first + second, 0);
            batch.types.resize(batch.rows(), 1);
        }
        let ranges: Vec<Range<usize>> = batch.segments.iter().map(|it| it.rows.clone()).collect();
        let (count, hidden) = (indices.len(), model.shape().hidden);
        let means = self.file.pooling == "mean";
        batch.outputs = match self.file.pooling.as_str() {
            "mean" => (0..batch.rows()).collect(),
            "cls" => ranges.iter().map(|range| range.start).collect(),
            _ => ranges.iter().map(|range| range.end - 1).collect(),
        };
        let mut x = model.states(ops, &batch).unwrap();
        if means {
            let pooled = ops.act(count, hidden);
            ops.reduce_rows(pooled, x, &ranges, Reduction::Mean);
            x = pooled;
        }
        let x = model.head().forward(ops, x, count, hidden);
        let values = ops.read(x).unwrap().to_vec();
        for segment in &batch.segments {
            ops.free_sequence(segment.sequence);
        }
        values.chunks_exact(model.head().width()).map(<[f32]>::to_vec).collect()
    }
}

fn load(case: &Case, threads: usize, exact: bool) -> (Box<dyn Model>, Cpu) {
    let options = CpuOptions { threads: Some(threads), exact, ..CpuOptions::default() };
    let mut ops = Cpu::new(options).unwrap();
    let checkpoint = Checkpoint::open(case.folder.path()).unwrap();
    let mut quietly = |_, _| ControlFlow::Continue(());
    let model = mlxk_models::load(&checkpoint, &mut ops, &mut quietly).unwrap();
    ops.configure_cache(model.cache());
    (model, ops)
}

/// Returns the largest difference of two vectors, over the deviation of the second. A score counts as is.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    let count = expected.len() as f32;
    let mean = expected.iter().sum::<f32>() / count;
    let variance = expected.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
    let unit = if expected.len() == 1 { 1.0 } else { variance.sqrt() };
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / unit
}

#[test]
fn every_encoder_agrees_with_transformers() {
    let mut failed = Vec::new();
    for name in names() {
        let case = Case::read(&name);
        let (model, mut ops) = load(&case, 2, true);
        let found = case.vectors(&*model, &mut ops, &[0, 1, 2, 3]);
        let each = found.iter().zip(&case.expected).map(|(a, b)| error(a, b));
        let error = each.fold(0.0, f32::max);
        println!("{name:<32} {error:.1e}");
        if error.is_nan() || error > BOUND {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "beyond the bound: {failed:?}");
    assert!(names().len() >= 20, "only {} cases", names().len());
}

#[test]
fn texts_have_the_same_vectors_alone_and_together() {
    for name in names() {
        let case = Case::read(&name);
        for exact in [true, false] {
            let (model, mut ops) = load(&case, 2, exact);
            let together = case.vectors(&*model, &mut ops, &[3, 1, 0, 2]);
            let (model, mut ops) = load(&case, 1, exact);
            for (index, together) in [3, 1, 0, 2].into_iter().zip(&together) {
                let alone = case.vectors(&*model, &mut ops, &[index]);
                assert_eq!(&alone[0], together, "{name}, text {index}, exact {exact}");
            }
        }
    }
}

#[test]
fn planted_faults_are_noticed() {
    for (name, key, value) in [
        ("modernbert-mean-f32", "local_attention", 18),
        ("embeddinggemma-mean-f32", "sliding_window", 18),
        ("xlm_roberta-cls-f32", "pad_token_id", 2),
    ] {
        let mut case = Case::read(name);
        let path = case.folder.path().join("config.json");
        let mut config = case.file.config.clone();
        config[key] = value.into();
        std::fs::write(&path, config.to_string()).unwrap();
        let (model, mut ops) = load(&case, 1, true);
        // A longer text has positions that the fault concerns.
        let found = case.vectors(&*model, &mut ops, &[3]);
        assert!(error(&found[0], &case.expected[3]) > 10.0 * BOUND, "{name}: {key}");
        case.file.config = config;
    }
}

#[test]
fn encoders_have_no_logits_and_one_cache() {
    for (name, output) in [
        ("bert-mean-f32", Output::States),
        ("bert-score-f32", Output::Score),
        ("qwen3-last-f32", Output::Logits),
    ] {
        let (model, _) = load(&Case::read(name), 1, true);
        assert_eq!(model.shape().output, output);
        assert_eq!(model.cache().layers.len(), if output == Output::Logits { 2 } else { 1 });
    }
}
