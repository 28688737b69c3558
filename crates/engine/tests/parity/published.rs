//! Conversions of published checkpoints: the same bytes as mlx-lm's. `tests/convert/published.py` writes the
//! reference and describes it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use mlxk_format::convert::{Change, Conversion, Options, Quantization};
use mlxk_format::{Checkpoint, CheckpointWriter};
use mlxk_models::{ModelError, published_names_of};
use mlxk_tensor::{Dtype, Mode};
use serde::Deserialize;
use serde_json::Value;

use crate::made::{fill, floats};
use crate::runner::Runner;

#[derive(Deserialize)]
struct Case {
    config: Value,
    tensors: Vec<Vec<Value>>,
    results: BTreeMap<String, BTreeMap<String, String>>,
}

fn cases() -> BTreeMap<String, Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/convert/published.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Case {
    fn write(&self, folder: &Path) {
        let mut writer = CheckpointWriter::new(self.config.clone());
        for (name, row) in self.tensors.iter().flat_map(|row| expanded(row)) {
            let shape: Vec<usize> = serde_json::from_value(row[1].clone()).unwrap();
            let dtype = if row.len() > 2 { Dtype::F32 } else { Dtype::Bf16 };
            let values = fill(&format!("0/{name}"), shape.iter().product(), 0.0, 1.0);
            writer.raw(&name, dtype.into(), &shape, floats(&values, dtype));
        }
        writer.write(folder).unwrap();
        as_others_write(&folder.join("model.safetensors"));
    }
}

/// Returns the names of the tensors that a row stands for, each with the row.
fn expanded(row: &[Value]) -> Vec<(String, &[Value])> {
    let name = row[0].as_str().unwrap();
    let Some((before, rest)) = name.split_once('{') else { return vec![(name.to_owned(), row)] };
    let (count, after) = rest.split_once('}').unwrap();
    let count: usize = count.parse().unwrap();
    (0..count).map(|index| (format!("{before}{index}{after}"), row)).collect()
}

/// Returns the layer of a tensor, or the tensor if it belongs to none.
fn layer_of(name: &str) -> &str {
    let list = if name.contains("blocks.") { "blocks." } else { "layers." };
    let after = name.match_indices(list).map(|(at, word)| at + word.len());
    let digits = |start: usize| name[start..].bytes().take_while(u8::is_ascii_digit).count();
    let end = after.map(|start| (start, digits(start))).find(|(_, digits)| *digits > 0);
    end.map_or(name, |(start, digits)| &name[..start + digits])
}

/// Replaces the metadata that only programs of MLX write.
fn as_others_write(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let (header, data) = split(&bytes);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    header["__metadata__"] = serde_json::json!({"format": "pt"});
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let len = (header.len() as u64).to_le_bytes();
    std::fs::write(path, [&len, &header[..], data].concat()).unwrap();
}

/// Returns header and data of a safetensors file.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(u64::from_le_bytes(*len) as usize)
}

/// Returns a hash of the names, types, shapes and bytes of the tensors of each layer of a file.
fn hashes(path: &Path) -> BTreeMap<String, String> {
    let bytes = std::fs::read(path).unwrap();
    let (header, data) = split(&bytes);
    let header: BTreeMap<String, Value> = serde_json::from_slice(header).unwrap();
    let tensors = header.iter().filter(|(name, _)| *name != "__metadata__");
    let mut hashes: BTreeMap<String, u64> = BTreeMap::new();
    for (name, entry) in tensors {
        let range: [usize; 2] = serde_json::from_value(entry["data_offsets"].clone()).unwrap();
        let dtype = match entry["dtype"].as_str().unwrap() {
            "F32" => "float32",
            "BF16" => "bfloat16",
            "U32" => "uint32",
            other => panic!("{other}"),
        };
        let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
        let head = format!("{name} {dtype} {shape:?} ");
        let bytes = head.as_bytes().iter().chain(&data[range[0]..range[1]]);
        let hash = hashes.entry(layer_of(name).to_owned()).or_insert(0xcbf2_9ce4_8422_2325);
        *hash = bytes
            .fold(*hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    }
    hashes.into_iter().map(|(layer, hash)| (layer, format!("{hash:016x}"))).collect()
}

#[test]
fn conversions_of_published_checkpoints_are_those_of_mlx_lm() {
    let cases = cases();
    assert!(cases.len() >= 33);
    for (name, case) in cases {
        let source = tempfile::tempdir().unwrap();
        case.write(source.path());
        let checkpoint = Checkpoint::open(source.path()).unwrap();
        for (conversion, expected) in &case.results {
            let change = match conversion.as_str() {
                "bfloat16" => Change::Keep,
                _ => Change::Quantize(Quantization::uniform(Mode::affine(4, 64).unwrap())),
            };
            let options = Options { text_only: true, ..Options::new(change) };
            let naming = published_names_of(&checkpoint).unwrap();
            let target = tempfile::tempdir().unwrap();
            let plan = Conversion::plan(&checkpoint, &naming, &options).unwrap();
            plan.write(target.path(), &mut |_, _| ControlFlow::Continue(())).unwrap();
            let found = hashes(&target.path().join("model.safetensors"));
            assert_eq!(&found, expected, "{name}, {conversion}");
            // The result is in MLX's form, and converting it again changes nothing.
            let again = Checkpoint::open(target.path()).unwrap();
            let naming = published_names_of(&again).unwrap();
            let options = Options { text_only: true, ..Options::new(Change::Keep) };
            let plan = Conversion::plan(&again, &naming, &options).unwrap();
            let second = tempfile::tempdir().unwrap();
            plan.write(second.path(), &mut |_, _| ControlFlow::Continue(())).unwrap();
            let mut second = hashes(&second.path().join("model.safetensors"));
            if name.starts_with("baichuan_m1") && conversion == "bfloat16" {
                // mlx-lm divides its rows again whenever it loads them.
                second.insert("lm_head.weight".to_owned(), found["lm_head.weight"].clone());
            }
            assert!(second == found, "{name}: again");
            Runner::load(target.path(), true, 1).unwrap();
        }
    }
}

#[test]
fn a_published_checkpoint_runs_or_is_refused() {
    for (name, case) in cases() {
        let source = tempfile::tempdir().unwrap();
        case.write(source.path());
        let result = Runner::load(source.path(), true, 1);
        // Files of these differ in the shape of filters, or in nothing that isn't done when they are loaded.
        // Those of `dbrx` are also read in their published form.
        let runs = [
            "baichuan_m1",
            "dbrx",
            "gear",
            "lfm2",
            "mamba2",
            "mamba",
            "plamo2",
            "olmo_hybrid",
            "recurrent_gemma",
            "rwkv7",
        ];
        let runs = runs.contains(&name.split('-').next().unwrap()) || name == "gemma3n-plain";
        match result {
            Err(ModelError::NotInMlxForm { .. }) if !runs => {}
            Err(error) => panic!("{name}: {error}"),
            Ok(_) => assert!(runs, "{name} runs"),
        }
    }
}
