use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::safetensors::Shard;
use crate::{CheckpointWriter, ElementType};

/// The results of MLX 0.32.4 for random matrices in every type and mode, written by `blocks.py`.
const BLOCKS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/convert/fixtures/blocks.safetensors");

/// A tensor's type, shape and bytes.
type Raw = (ElementType, Vec<usize>, Vec<u8>);

fn raw(shard: &Shard, name: &str) -> Option<Raw> {
    let mut tensors = shard.tensors();
    let (_, dtype, shape, bytes) = tensors.find(|(found, ..)| *found == name)?;
    Some((dtype, shape.to_vec(), bytes.to_vec()))
}

/// Makes a checkpoint with the tensors of one module.
fn checkpoint(config: Value, tensors: &[(&str, Raw)]) -> (TempDir, Checkpoint) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = CheckpointWriter::new(config);
    for (name, (dtype, shape, bytes)) in tensors {
        writer.raw(name, *dtype, shape, bytes.clone());
    }
    writer.write(folder.path()).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    (folder, checkpoint)
}

fn converted(checkpoint: &Checkpoint, naming: &dyn Naming, options: &Options) -> TempDir {
    let output = tempfile::tempdir().unwrap();
    let mut go_on = |_, _| ControlFlow::Continue(());
    convert(checkpoint, naming, options, output.path(), &mut go_on).unwrap();
    output
}

fn only_shard(folder: &Path) -> Shard {
    Shard::open(&folder.join("model.safetensors")).unwrap()
}

fn config_of(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
}

#[test]
fn every_mode_and_type_as_mlx_has_it() {
    let blocks = Shard::open(Path::new(BLOCKS)).unwrap();
    let mut compared = 0;
    for dtype in ["float32", "float16", "bfloat16"] {
        let weight = raw(&blocks, dtype).unwrap();
        for mode in Mode::all() {
            let key = match mode {
                Mode::Affine { bits, group_size } => format!("{dtype}.affine_{bits}_{group_size}"),
                other => format!("{dtype}.{}", other.name()),
            };
            let (_source, checkpoint) = checkpoint(json!({}), &[("a.weight", weight.clone())]);
            let change = Change::Quantize(Quantization::uniform(mode));
            let output = converted(&checkpoint, &AsIs, &Options::new(change));
            let ours = only_shard(output.path());
            for part in ["weight", "scales", "biases"] {
                let expected = raw(&blocks, &format!("{key}.{part}"));
                assert!(raw(&ours, &format!("a.{part}")) == expected, "{key}.{part}");
                compared += usize::from(expected.is_some());
            }
            let quantized = Checkpoint::open(output.path()).unwrap();
            let back = converted(&quantized, &AsIs, &Options::new(Change::Dequantize));
            let expected = raw(&blocks, &format!("{key}.dequantized"));
            assert!(raw(&only_shard(back.path()), "a.weight") == expected, "{key} back");
            assert_eq!(config_of(back.path()), json!({}), "{key} back");
        }
    }
    assert_eq!(compared, 3 * (18 * 3 + 3 * 2));
}

/// Makes floats that fill `[rows, cols]`.
fn matrix(rows: usize, cols: usize) -> Raw {
    let values = (0..rows * cols).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0);
    let mut bytes = Vec::new();
    values.for_each(|value| Dtype::Bf16.put(value, &mut bytes));
    (ElementType::Bf16, vec![rows, cols], bytes)
}

fn vector(len: usize) -> Raw {
    let (dtype, _, bytes) = matrix(1, len);
    (dtype, vec![len], bytes)
}

/// Returns the modes of all modules by path, derived from the written tensors.
fn modes(folder: &Path, cols: usize) -> Vec<(String, usize, usize)> {
    let shard = only_shard(folder);
    let modules = shard.tensors().filter_map(|(name, ..)| name.strip_suffix(".scales"));
    let of = |name: String| raw(&shard, &name).unwrap().1.last().copied().unwrap();
    modules
        .map(|module| {
            let words = of(format!("{module}.weight"));
            let groups = of(format!("{module}.scales"));
            (module.to_owned(), words * 32 / cols, cols / groups)
        })
        .collect()
}

fn layers(count: usize) -> Vec<(String, Raw)> {
    let mut tensors = vec![("lm_head.weight".to_owned(), matrix(4, 64))];
    for layer in 0..count {
        for part in ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"] {
            tensors.push((format!("model.layers.{layer}.{part}.weight"), matrix(4, 64)));
        }
    }
    tensors
}

#[test]
fn a_recipe_gives_sensitive_layers_more() {
    let tensors = layers(16);
    let tensors: Vec<(&str, Raw)> =
        tensors.iter().map(|(name, raw)| (name.as_str(), raw.clone())).collect();
    let (_source, checkpoint) = checkpoint(json!({}), &tensors);
    let mode = Mode::affine(4, 64).unwrap();
    let recipe = Some(Recipe::Mixed3And6);
    let quantization = Quantization { recipe, ..Quantization::uniform(mode) };
    let options = Options::new(Change::Quantize(quantization));
    let output = converted(&checkpoint, &AsIs, &options);
    let sensitive: Vec<String> = modes(output.path(), 64)
        .into_iter()
        .filter(|(_, bits, _)| *bits == 6)
        .map(|(module, ..)| module.replace("model.layers.", ""))
        .collect();
    // The first and the last eighth, and every third one between.
    let mut expected = vec!["lm_head".to_owned()];
    for layer in [0, 1, 4, 7, 10, 13, 14, 15] {
        expected.push(format!("{layer}.self_attn.v_proj"));
        expected.push(format!("{layer}.mlp.down_proj"));
    }
    expected.sort();
    let mut found = sensitive;
    found.sort();
    assert_eq!(found, expected);
    let table = &config_of(output.path())["quantization"];
    assert_eq!((&table["bits"], &table["group_size"]), (&json!(4), &json!(64)));
    let entry = &table["model.layers.2.self_attn.q_proj"];
    assert_eq!(entry, &json!({"group_size": 64, "bits": 3, "mode": "affine"}));
}

#[test]
fn what_does_not_divide_or_is_no_matrix_stays_dense() {
    let (_source, checkpoint) = checkpoint(
        json!({"torch_dtype": "bfloat16"}),
        &[
            ("a.weight", matrix(2, 128)),
            ("b.weight", matrix(2, 96)),
            ("c.bias", matrix(2, 128)),
            ("norm.weight", vector(128)),
        ],
    );
    let mode = Mode::affine(8, 64).unwrap();
    let change = Change::Quantize(Quantization::uniform(mode));
    let output = converted(&checkpoint, &AsIs, &Options::new(change));
    assert_eq!(modes(output.path(), 128), [("a".to_owned(), 8, 64)]);
    assert_eq!(raw(&only_shard(output.path()), "b.weight"), Some(matrix(2, 96)));
}

#[test]
fn patterns_decide_before_the_rest() {
    let tensors = layers(1);
    let tensors: Vec<(&str, Raw)> =
        tensors.iter().map(|(name, raw)| (name.as_str(), raw.clone())).collect();
    let (_source, checkpoint) = checkpoint(json!({}), &tensors);
    let wish = |pattern: &str, mode| ModuleMode { pattern: pattern.to_owned(), mode };
    let quantization = Quantization {
        modules: vec![
            wish("*_proj", Mode::affine(3, 32)),
            wish("v_proj", None),
            wish("lm_head", Mode::affine(8, 64)),
        ],
        ..Quantization::uniform(Mode::affine(4, 64).unwrap())
    };
    let options = Options::new(Change::Quantize(quantization));
    let output = converted(&checkpoint, &AsIs, &options);
    let module = |name: &str, bits, group| (name.to_owned(), bits, group);
    assert_eq!(
        modes(output.path(), 64),
        [
            module("lm_head", 8, 64),
            module("model.layers.0.mlp.down_proj", 3, 32),
            module("model.layers.0.self_attn.q_proj", 3, 32),
        ]
    );
}

/// Stacks experts and leaves the router alone.
struct Moe;

impl Naming for Moe {
    fn place(&self, name: &str) -> Placement {
        match name.strip_prefix("experts.").and_then(|rest| rest.split_once('.')) {
            Some((index, rest)) => {
                Placement::Stacked(format!("switch.{rest}"), index.parse().unwrap())
            }
            None if name.starts_with("unused") => Placement::Drop,
            None => Placement::As(name.to_owned()),
        }
    }

    fn module(&self, path: &str) -> ModuleRule {
        if path == "gate" { ModuleRule::Never } else { ModuleRule::Usual }
    }
}

#[test]
fn experts_are_stacked_in_order() {
    let names: Vec<String> = (0..11).map(|index| format!("experts.{index}.weight")).collect();
    let tensors: Vec<(&str, Raw)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let mut raw = matrix(2, 64);
            raw.2[..2].copy_from_slice(&[index as u8, 0x3f]);
            (name.as_str(), raw)
        })
        .chain([("gate.weight", matrix(2, 64)), ("unused", vector(4))])
        .collect();
    let (_source, checkpoint) = checkpoint(json!({}), &tensors);
    let output = converted(&checkpoint, &Moe, &Options::new(Change::Keep));
    let (_, shape, bytes) = raw(&only_shard(output.path()), "switch.weight").unwrap();
    assert_eq!(shape, [11, 2, 64]);
    let firsts: Vec<u8> = bytes.chunks(2 * 64 * 2).map(|expert| expert[0]).collect();
    assert_eq!(firsts, (0..11).collect::<Vec<u8>>());
    let mode = Mode::Mxfp4;
    let change = Change::Quantize(Quantization::uniform(mode));
    let quantized = converted(&checkpoint, &Moe, &Options::new(change));
    let shard = only_shard(quantized.path());
    assert_eq!(raw(&shard, "switch.scales").unwrap().1, [11, 2, 2]);
    assert!(shard.contains("gate.weight") && !shard.contains("gate.scales"));
    assert!(!shard.contains("unused"));

    let incomplete = &tensors[1..];
    let (_source, checkpoint) = self::checkpoint(json!({}), incomplete);
    let error =
        Conversion::plan(&checkpoint, &Moe, &Options::new(Change::Keep)).unwrap_err().to_string();
    assert!(error.contains("parts of the stack `switch.weight` are missing"), "{error}");
}

#[test]
fn files_end_at_the_limit_and_the_index_finds_everything() {
    let names: Vec<String> = (0..5).map(|index| format!("m{index}.weight")).collect();
    let tensors: Vec<(&str, Raw)> =
        names.iter().map(|name| (name.as_str(), matrix(2, 64))).collect();
    let (_source, checkpoint) = checkpoint(json!({}), &tensors);
    let options = Options { max_shard_bytes: 600, ..Options::new(Change::Keep) };
    let output = converted(&checkpoint, &AsIs, &options);
    let again = Checkpoint::open(output.path()).unwrap();
    assert!(again.names().eq(checkpoint.names()));
    for (number, count) in [(1, 2), (2, 2), (3, 1)] {
        let path = output.path().join(format!("model-{number:05}-of-00003.safetensors"));
        assert_eq!(Shard::open(&path).unwrap().tensors().count(), count);
    }
    let index = output.path().join("model.safetensors.index.json");
    let written = std::fs::read(&index).unwrap();
    std::fs::write(&index, "{}").unwrap();
    let repaired = rebuild_index(output.path()).unwrap();
    assert_eq!(repaired, RepairedIndex { shards: 3, tensors: 5, written: true });
    let map = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["weight_map"].clone();
    assert_eq!(map(&std::fs::read(&index).unwrap()), map(&written));
}

#[test]
fn a_cast_reaches_everything_floating() {
    let (_source, checkpoint) = checkpoint(
        json!({"torch_dtype": "bfloat16"}),
        &[("a.weight", matrix(2, 64)), ("norm.weight", vector(8))],
    );
    let options = Options { dtype: Some(Dtype::F32), ..Options::new(Change::Keep) };
    let output = converted(&checkpoint, &AsIs, &options);
    let shard = only_shard(output.path());
    assert!(shard.tensors().all(|(_, dtype, ..)| dtype == ElementType::F32));
    assert_eq!(config_of(output.path())["torch_dtype"], "float32");
}

#[test]
fn a_cancelled_conversion_says_so() {
    let (_source, checkpoint) = checkpoint(json!({}), &[("a.weight", matrix(2, 64))]);
    let output = tempfile::tempdir().unwrap();
    let options = Options::new(Change::Keep);
    let mut stop = |_, _| ControlFlow::Break(());
    let result = convert(&checkpoint, &AsIs, &options, output.path(), &mut stop);
    assert!(matches!(result, Err(FormatError::Cancelled)));
}

#[test]
fn foreign_quantizations_are_refused() {
    for name in ["a.weight_scale_inv", "a.qweight", "a_blocks"] {
        let (_source, checkpoint) = checkpoint(json!({}), &[(name, vector(8))]);
        let options = Options::new(Change::Keep);
        let error = Conversion::plan(&checkpoint, &AsIs, &options).unwrap_err();
        assert!(matches!(error, FormatError::NotConvertible { .. }), "{name}");
    }
}

/// gpt-oss as it is published: rows alternate, and packed values have another shape.
#[test]
fn blocks_are_taken_as_they_are() {
    struct Published;
    impl Naming for Published {
        fn place(&self, name: &str) -> Placement {
            match name.split_once('_') {
                Some((module, "blocks")) => Placement::ByTurns([
                    format!("{module}.gate.weight"),
                    format!("{module}.up.weight"),
                ]),
                Some((module, "bias")) => {
                    Placement::ByTurns([format!("{module}.gate.bias"), format!("{module}.up.bias")])
                }
                _ => Placement::As(name.to_owned()),
            }
        }

        fn module(&self, _path: &str) -> ModuleRule {
            ModuleRule::Usual
        }
    }
    // Two experts of four rows of one group. Every byte is the number of its row.
    let rows: Vec<u8> = (0..8u8).flat_map(|row| [row; 16]).collect();
    let bias: Vec<u8> = (0..8u8).flat_map(|row| f32::from(row).to_le_bytes()).collect();
    let tensors = [
        ("e_blocks", (ElementType::U8, vec![2, 4, 1, 16], rows)),
        ("e_bias", (ElementType::F32, vec![2, 4], bias)),
    ];
    let config = json!({"quantization_config": {"quant_method": "mxfp4"}});
    let (_source, source) = checkpoint(config, &tensors);
    for dtype in [None, Some(Dtype::F16)] {
        let options = Options { dtype, ..Options::new(Change::Keep) };
        let output = converted(&source, &Published, &options);
        assert_eq!(config_of(output.path())["quantization"]["mode"], "mxfp4");
        let shard = only_shard(output.path());
        for (name, rows) in [("gate", [0u8, 2, 4, 6]), ("up", [1, 3, 5, 7])] {
            let (element, shape, bytes) = raw(&shard, &format!("e.{name}.weight")).unwrap();
            assert_eq!((element, shape), (ElementType::U32, vec![2, 2, 4]));
            assert_eq!(bytes, rows.map(|row| [row; 16]).concat());
            let (_, shape, bytes) = raw(&shard, &format!("e.{name}.bias")).unwrap();
            assert_eq!(shape, [2, 2]);
            let found = (0..4).map(|at| dtype.unwrap_or(Dtype::F32).get(&bytes, at));
            assert!(found.eq(rows.map(f32::from)), "{name}");
        }
    }
    let quantized = Options::new(Change::Dequantize);
    let error = Conversion::plan(&source, &Published, &quantized).unwrap_err();
    assert!(error.to_string().contains("convert it without another change first"), "{error}");
}
