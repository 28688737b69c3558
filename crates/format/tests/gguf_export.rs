//! Writing GGUF: blocks against gguf-py, whole files against our own import.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{golden, import};
use mlxk_format::Checkpoint;
use mlxk_format::gguf::{Export, GgufVocabulary, GgufWriter, RowEncoding, TensorEntry};
use mlxk_format::safetensors::Shard;
use mlxk_tensor::Dtype;
use serde_json::{Value, json};

fn tensor(shard: &Shard, name: &str) -> (Vec<usize>, Vec<u8>) {
    let found = shard.tensors().find(|(found, ..)| *found == name).unwrap();
    (found.2.to_vec(), found.3.to_vec())
}

#[test]
fn blocks_are_those_of_gguf_py() {
    let shard = Shard::open(&golden("encoded.safetensors")).unwrap();
    let (shape, data) = tensor(&shard, "rows");
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| Dtype::F32.get(&data, i)).collect();
    for encoding in [RowEncoding::F16, RowEncoding::Q8_0, RowEncoding::Q4_0] {
        let (shape, expected) = tensor(&shard, &format!("{}.blocks", encoding.kind().name));
        for (index, (row, expected)) in values.chunks(64).zip(expected.chunks(shape[1])).enumerate()
        {
            let mut found = Vec::new();
            encoding.append(row, &mut found);
            assert_eq!(found, expected, "{encoding:?}, row {index}");
        }
    }
}

fn config(model_type: &str) -> Value {
    json!({
        "model_type": model_type, "hidden_size": 64, "intermediate_size": 96,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6, "rope_theta": 500_000.0, "max_position_embeddings": 256,
        "tie_word_embeddings": false, "vocab_size": 264
    })
}

/// Names under MLX and shapes, with the biases that the architecture has.
fn tensors(model_type: &str) -> Vec<(String, Vec<usize>)> {
    let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![264, 64])];
    for layer in 0..2 {
        let mut part = |name: &str, shape: &[usize]| {
            all.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
        };
        for (name, rows) in [("q", 64), ("k", 32), ("v", 32)] {
            part(&format!("self_attn.{name}_proj.weight"), &[rows, 64]);
            if model_type == "qwen2" {
                part(&format!("self_attn.{name}_proj.bias"), &[rows]);
            }
        }
        if model_type == "qwen3" {
            part("self_attn.q_norm.weight", &[16]);
            part("self_attn.k_norm.weight", &[16]);
        }
        part("self_attn.o_proj.weight", &[64, 64]);
        part("mlp.gate_proj.weight", &[96, 64]);
        part("mlp.up_proj.weight", &[96, 64]);
        part("mlp.down_proj.weight", &[64, 96]);
        part("input_layernorm.weight", &[64]);
        part("post_attention_layernorm.weight", &[64]);
    }
    all.push(("model.norm.weight".to_owned(), vec![64]));
    all.push(("lm_head.weight".to_owned(), vec![264, 64]));
    all
}

/// Values that differ from row to row and from tensor to tensor.
fn row(name: &str, row: usize, cols: usize) -> Vec<f32> {
    let seed =
        name.bytes().fold(row as u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let value = |col: u32| (seed.wrapping_add(col).wrapping_mul(2_654_435_761) >> 16) as f32;
    (0..cols as u32).map(|col| value(col) / 65536.0 - 0.5).collect()
}

/// Writes the model, imports it, and gives the checkpoint.
fn round_trip(config: &Value, encoding: RowEncoding) -> tempfile::TempDir {
    let model_type = config["model_type"].as_str().unwrap();
    let vocabulary = GgufVocabulary::new(264).unwrap();
    let export =
        Export::new(config, "Round trip", &vocabulary, &mlxk_models::gguf_architectures()).unwrap();
    let placed: Vec<_> = tensors(model_type)
        .into_iter()
        .map(|(name, shape)| (export.place(&name).unwrap(), name, shape))
        .collect();
    let encoding_of = |shape: &[usize]| if shape.len() > 1 { encoding } else { RowEncoding::F32 };
    let mut entries: Vec<TensorEntry> = placed
        .iter()
        .map(|(exported, _, shape)| TensorEntry {
            name: exported.name.clone(),
            shape: shape.clone(),
            kind: encoding_of(shape).kind(),
        })
        .collect();
    if let Some((name, factors)) = export.rope_factors() {
        let kind = RowEncoding::F32.kind();
        entries.push(TensorEntry { name: name.to_owned(), shape: vec![factors.len()], kind });
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut writer = GgufWriter::create(&path, export.metadata(), &entries).unwrap();
    for (exported, name, shape) in &placed {
        let (rows, cols) = if shape.len() > 1 { (shape[0], shape[1]) } else { (1, shape[0]) };
        for number in 0..rows {
            let mut data = Vec::new();
            let source = if shape.len() > 1 { exported.source_row(number, rows) } else { 0 };
            encoding_of(shape).append(&row(name, source, cols), &mut data);
            writer.write(&data).unwrap();
        }
    }
    if let Some((_, factors)) = export.rope_factors() {
        let mut data = Vec::new();
        RowEncoding::F32.append(factors, &mut data);
        writer.write(&data).unwrap();
    }
    writer.finish().unwrap();
    import(&path).unwrap()
}

#[test]
fn what_is_written_is_what_is_imported() {
    for model_type in ["llama", "qwen2", "qwen3"] {
        let folder = round_trip(&config(model_type), RowEncoding::F32);
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        for (name, shape) in tensors(model_type) {
            let (rows, cols) = if shape.len() > 1 { (shape[0], shape[1]) } else { (1, shape[0]) };
            let (found, dense) = checkpoint.dense(&name).unwrap();
            let expected: Vec<f32> =
                (0..rows).flat_map(|number| row(&name, number, cols)).collect();
            assert_eq!((found, dense.to_f32()), (shape, expected), "{model_type}: {name}");
        }
        let found = checkpoint.config();
        for key in ["model_type", "hidden_size", "num_hidden_layers", "num_key_value_heads"] {
            assert_eq!(found[key], config(model_type)[key], "{key}");
        }
        assert_eq!(found["rope_theta"], 500_000);
        assert_eq!(found["eos_token_id"], GgufVocabulary::END);
    }
}

#[test]
fn quantized_weights_are_near_what_was_written() {
    for (encoding, steps) in [(RowEncoding::Q8_0, 254.0), (RowEncoding::Q4_0, 15.0)] {
        let folder = round_trip(&config("llama"), encoding);
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let name = "model.layers.1.self_attn.k_proj";
        let weight = checkpoint.weight(name, 32, 64).unwrap();
        assert_eq!(weight.mode().unwrap().group_size(), 32);
        let expected: Vec<f32> =
            (0..32).flat_map(|number| row(&format!("{name}.weight"), number, 64)).collect();
        for (found, expected) in weight.dequantize().iter().zip(&expected) {
            assert!((found - expected).abs() <= 1.1 / steps, "{encoding:?}: {found} {expected}");
        }
    }
}

#[test]
fn the_factors_of_llama_3_survive() {
    let mut config = config("llama");
    let scaling = json!({
        "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192
    });
    config["rope_scaling"] = scaling;
    let folder = round_trip(&config, RowEncoding::F16);
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(checkpoint.config()["rope_scaling"]["factor"], 32.0);
}

#[test]
fn what_has_no_counterpart_is_refused_by_name() {
    let vocabulary = GgufVocabulary::new(300).unwrap();
    let refusal = |config: &Value| {
        Export::new(config, "", &vocabulary, &mlxk_models::gguf_architectures())
            .unwrap_err()
            .to_string()
    };
    assert!(refusal(&config("gemma2")).contains("`gemma2`"));
    let mut wrong = config("llama");
    wrong["num_hidden_layers"] = "two".into();
    assert!(refusal(&wrong).contains("`num_hidden_layers`"));
    let mut wrong = config("llama");
    wrong["rope_scaling"] = json!({"rope_type": "yarn", "factor": 2.0});
    assert!(refusal(&wrong).contains("`rope_scaling`"));
    let export =
        Export::new(&config("llama"), "", &vocabulary, &mlxk_models::gguf_architectures()).unwrap();
    for name in ["model.layers.x.mlp.up_proj.weight", "model.layers.0.mlp.gate.weight", "x"] {
        let message = export.place(name).unwrap_err().to_string();
        assert!(message.contains(&format!("`{name}`")), "{message}");
    }
    assert!(GgufVocabulary::new(257).is_none());
}
