//! Folders as they are found: sharded, incomplete, mislabelled.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use mlxk_format::{Checkpoint, CheckpointWriter, ElementType, config_number};
use mlxk_tensor::{Dtype, Mode};
use serde_json::{Value, json};

fn ramp(length: usize) -> Vec<f32> {
    (0..length).map(|index| (index as f32 * 0.37).sin()).collect()
}

fn sample() -> CheckpointWriter {
    let mut writer = CheckpointWriter::new(json!({ "model_type": "llama" }));
    writer
        .affine("model.a", &[8, 64], &ramp(512), (4, 64), Dtype::Bf16)
        .affine("model.b", &[8, 128], &ramp(1024), (8, 32), Dtype::F16)
        .affine("model.experts", &[3, 4, 64], &ramp(768), (4, 64), Dtype::F32)
        .dense("model.c.weight", &[4, 32], &ramp(128), Dtype::F32)
        .dense("model.norm.weight", &[64], &ramp(64), Dtype::Bf16);
    writer
}

fn written(writer: &CheckpointWriter) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    writer.write(folder.path()).unwrap();
    folder
}

fn edit_config(folder: &Path, edit: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

#[test]
fn what_the_writer_writes_opens() {
    let folder = written(&sample());
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    checkpoint.will_need();
    assert_eq!(checkpoint.config()["quantization"]["bits"], 4);
    assert_eq!(checkpoint.config()["quantization"]["model.b"]["group_size"], 32);
    let a = checkpoint.weight("model.a", 8, 64).unwrap();
    assert_eq!(a.mode(), Mode::affine(4, 64));
    let worst =
        a.dequantize().iter().zip(ramp(512)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 0.14, "{worst}");
    assert_eq!(checkpoint.weight("model.b", 8, 128).unwrap().mode(), Mode::affine(8, 32));
    let dense = checkpoint.weight("model.c", 4, 32).unwrap();
    assert_eq!((dense.mode(), dense.dequantize()), (None, ramp(128)));
    let stack = checkpoint.weight_stack("model.experts", 3, 4, 64).unwrap();
    assert_eq!((stack.experts, stack.rows, stack.cols), (3, 4, 64));
    let (shape, norm) = checkpoint.dense("model.norm.weight").unwrap();
    assert_eq!((shape, norm.len(), norm.dtype), (vec![64], 64, Dtype::Bf16));
    assert!(checkpoint.contains("model.a.scales") && !checkpoint.contains("model.a"));
}

#[test]
fn an_output_matrix_that_is_the_embedding_counts_once() {
    let parameters = |output: &[f32]| {
        let config = json!({ "model_type": "llama", "hidden_size": 64 });
        let mut writer = CheckpointWriter::new(config);
        writer
            .affine("model.embed_tokens", &[40, 64], &ramp(2560), (4, 64), Dtype::F16)
            .affine("lm_head", &[40, 64], output, (8, 32), Dtype::F16)
            .dense("model.norm.weight", &[64], &ramp(64), Dtype::F32);
        Checkpoint::open(written(&writer).path()).unwrap().parameters()
    };
    assert_eq!(parameters(&ramp(2560)), 2560 + 64, "in another form");
    let other: Vec<f32> = ramp(2560).iter().rev().copied().collect();
    assert_eq!(parameters(&other), 2 * 2560 + 64);
}

#[test]
fn the_summary_counts_parameters_and_modes() {
    let folder = written(&sample());
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(checkpoint.parameters(), 512 + 1024 + 768 + 128 + 64);
    let summary = checkpoint.quantization();
    assert_eq!(summary.default, Mode::affine(4, 64));
    let shares: Vec<_> = summary.shares.iter().map(|s| (s.mode, s.modules, s.parameters)).collect();
    assert_eq!(
        shares,
        [(Mode::affine(8, 32), 1, 1024), (Mode::affine(4, 64), 2, 512 + 768), (None, 1, 128),]
    );
    let bytes: u64 = summary.shares.iter().map(|share| share.size_bytes).sum();
    assert_eq!(bytes + 128, checkpoint.size_bytes());
    assert!(
        (checkpoint.bits_per_weight() - 8.0 * checkpoint.size_bytes() as f64 / 2496.0).abs() < 1e-9
    );
    let listed = checkpoint.tensors().find(|tensor| tensor.name == "model.a.weight").unwrap();
    assert_eq!(
        (listed.shape, listed.dtype, listed.size_bytes),
        (&[8, 8][..], ElementType::U32, 256)
    );
}

#[test]
fn the_table_must_agree_with_the_shapes() {
    let folder = written(&sample());
    let reading = |table: Value| {
        edit_config(folder.path(), |config| config["quantization"] = table);
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        checkpoint.weight("model.a", 8, 64).map_err(|error| error.to_string())
    };
    let wrong = |claim: &str| {
        Err(format!(
            "Module `model.a` is {claim} according to `config.json`, but its tensors are 4-bit (group size 64); \
             fix `config.json` or download the model again"
        ))
    };
    let default = json!({ "bits": 8, "group_size": 32 });
    let with = |value: Value| {
        let mut table = default.clone();
        table["model.a"] = value;
        reading(table).map(|weight| weight.mode())
    };
    // What the table does not name is taken from the shapes, as mlx-lm does.
    assert_eq!(reading(default.clone()).map(|w| w.mode()), Ok(Mode::affine(4, 64)));
    assert_eq!(with(json!({ "bits": 4, "group_size": 64 })), Ok(Mode::affine(4, 64)));
    assert_eq!(with(json!({ "bits": 4 })), Ok(Mode::affine(4, 64)));
    assert_eq!(with(json!({ "bits": 6, "group_size": 64 })), wrong("affine 6-bit (group size 64)"));
    assert_eq!(with(json!({ "mode": "mxfp4" })), wrong("mxfp4"));
    assert_eq!(with(json!(true)), wrong("affine 8-bit (group size 32)"));
    assert_eq!(with(json!(false)), wrong("not quantized"));
}

#[test]
fn impossible_shapes_are_refused() {
    let folder = written(&sample());
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let error = |rows, cols| checkpoint.weight("model.a", rows, cols).unwrap_err().to_string();
    assert_eq!(
        error(9, 64),
        "Tensor `model.a.weight` has shape [8, 8], but the model needs [9, 8]"
    );
    assert_eq!(
        error(8, 96),
        "Module `model.a` has shapes that imply 256/96 bits with group size 96, \
         which is not a quantization mode"
    );
    assert!(error(8, 0).contains("256/0 bits"));
    assert!(checkpoint.weight("model.c", 32, 4).unwrap_err().to_string().contains("[32, 4]"));
    assert!(
        checkpoint.weight("model.z", 1, 1).unwrap_err().to_string().contains("`model.z.weight`")
    );
    assert!(checkpoint.weight_stack("model.a", 1, 8, 64).is_err());
    let error = checkpoint.dense("model.a.weight").unwrap_err().to_string();
    assert_eq!(error, "Tensor `model.a.weight` is stored as U32, but F32, F16 or BF16 is needed");
}

#[test]
fn models_of_other_tools_are_named_as_such() {
    let mut writer = CheckpointWriter::new(json!({
        "quantization_config": { "quant_method": "gptq", "bits": 2 }
    }));
    writer.raw("model.a.weight", ElementType::U8, &[2, 16], vec![0; 32]);
    let folder = written(&writer);
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let error = checkpoint.weight("model.a", 8, 16).unwrap_err().to_string();
    assert!(error.contains("model.a.weight"), "{error}");
    let error = checkpoint.weight("model.a", 2, 16).unwrap_err().to_string();
    assert!(error.contains("`quant_method` is `gptq`"), "{error}");
}

#[test]
fn ternary_matrices_become_two_bits() {
    // A byte has one column of four rows, which are two rows apart.
    let bytes: Vec<u8> = (0..64).map(|i| [0b10_01_00_10, 0b00_00_01_10][i / 32]).collect();
    let expected = [[1.0, -1.0, 0.0, 1.0], [1.0, 0.0, -1.0, -1.0]];
    let reading = |config: Value, shape: &[usize], factors: usize| {
        let mut writer = CheckpointWriter::new(config);
        writer.raw("model.a.weight", ElementType::U8, shape, bytes.clone());
        let factor = 0.5_f32.to_le_bytes().repeat(factors);
        writer.raw("model.a.weight_scale", ElementType::F32, &[factors], factor);
        let folder = written(&writer);
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        (checkpoint.parameters(), checkpoint.weight("model.a", 8, 32).map_err(|e| e.to_string()))
    };
    let method = |class: &str| json!({"quantization_config": {"quant_method": "bitnet", "linear_class": class}});
    let own = json!({"model_type": "bitnet"});
    for (config, factor) in
        [(own.clone(), 0.5), (method("autobitlinear"), 0.5), (method("bitlinear"), 2.0)]
    {
        let (parameters, weight) = reading(config, &[2, 32], 1);
        let weight = weight.unwrap();
        assert_eq!((parameters, weight.mode()), (256, Mode::affine(2, 32)));
        let mut row = [0.0; 32];
        for at in 0..8 {
            weight.dequantize_row(0, at, &mut row);
            let value: f32 = factor * expected[at % 2][at / 2];
            assert!(
                row.iter().all(|found| found.to_bits() == value.to_bits()),
                "row {at}: {row:?}"
            );
        }
    }
    let refusal = |config, shape: &[usize], factors| reading(config, shape, factors).1.unwrap_err();
    assert_eq!(
        refusal(own.clone(), &[1, 64], 1),
        "Tensor `model.a.weight` has shape [1, 64], but the model needs [8/4, 32]"
    );
    for (config, factors) in [(json!({}), 1), (own, 2)] {
        assert!(refusal(config, &[2, 32], factors).contains("has shape"));
    }
}

#[test]
fn incomplete_folders_are_named() {
    let error = |folder: &Path| Checkpoint::open(folder).unwrap_err().to_string();
    let folder = written(&sample());
    let path = folder.path();
    let shard = path.join("model-00001-of-00002.safetensors");
    let index = |map: Value| {
        let text = json!({ "metadata": {}, "weight_map": map }).to_string();
        std::fs::write(path.join("model.safetensors.index.json"), text).unwrap();
    };
    // An index of other files is ignored, as in mlx-lm, whatever its tensors are called.
    for tensor in ["model.norm.weight", "x"] {
        index(json!({ tensor: "model-00001-of-00002.safetensors" }));
        assert!(Checkpoint::open(path).is_ok(), "{tensor}");
    }
    std::fs::write(path.join("._model.safetensors"), "\0\x05\x16\x07").unwrap();
    std::fs::write(path.join("adapters.safetensors"), "cut off").unwrap();
    assert!(Checkpoint::open(path).is_ok(), "neither is a file with weights");
    // An index that lists a file that is there is ignored only if all its tensors are somewhere.
    index(
        json!({ "model.norm.weight": "model-1.safetensors", "model.c.weight": "model.safetensors" }),
    );
    assert!(Checkpoint::open(path).is_ok());
    index(json!({ "x": "model-1.safetensors", "model.norm.weight": "model.safetensors" }));
    assert!(error(path).contains("model-1.safetensors` is missing"));
    std::fs::remove_file(path.join("model.safetensors.index.json")).unwrap();
    std::fs::rename(path.join("model.safetensors"), &shard).unwrap();
    assert!(error(path).contains("model-00002-of-00002.safetensors` is missing"));

    index(json!({ "model.norm.weight": "model-00001-of-00002.safetensors" }));
    assert!(Checkpoint::open(path).is_ok());
    index(json!({ "x": "model-00002-of-00002.safetensors" }));
    assert!(error(path).contains("model-00002-of-00002.safetensors` is missing"));
    index(json!({ "x": "model-00001-of-00002.safetensors" }));
    assert!(error(path).contains("does not contain tensor `x`"));
    for shard in ["../model.safetensors", "/etc/passwd", "a\\b", ".."] {
        index(json!({ "x": shard }));
        assert!(error(path).contains("not a plain file name"));
    }
    std::fs::remove_file(path.join("model.safetensors.index.json")).unwrap();

    std::fs::copy(&shard, path.join("model-00002-of-00002.safetensors")).unwrap();
    assert!(error(path).contains("is in both"));
    std::fs::write(
        path.join("model-00002-of-00002.safetensors"),
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    )
    .unwrap();
    assert!(error(path).contains("model-00002-of-00002.safetensors` is a Git LFS pointer"));
    std::fs::write(path.join("model-00002-of-00002.safetensors"), "").unwrap();
    assert!(error(path).contains("only 0 bytes"));

    let empty = tempfile::tempdir().unwrap();
    assert!(error(empty.path()).contains("no `config.json`"));
    std::fs::write(empty.path().join("config.json"), "{}").unwrap();
    assert!(error(empty.path()).contains("no file is named `model*.safetensors`"));
    std::fs::write(empty.path().join("config.json"), "[]").unwrap();
    assert!(error(empty.path()).contains("does not contain a JSON object"));
    std::fs::write(empty.path().join("config.json"), "{").unwrap();
    assert!(error(empty.path()).contains("not valid JSON"));
    assert!(error(&empty.path().join("nowhere")).starts_with("Cannot read"));
}

#[test]
fn python_infinities_are_read() {
    let folder = written(&sample());
    std::fs::write(folder.path().join("config.json"), r#"{"limits": [0.0, Infinity]}"#).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(config_number(&checkpoint.config()["limits"][1]), Some(f64::INFINITY));
}
