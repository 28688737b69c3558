//! GGUF import: against gguf-py, and what becomes of each kind of model.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::ops::ControlFlow;
use std::path::Path;

use common::{F16, F32, GgufBuilder, Q8_0, Value, build, import, refusal, tiny};
use mlxk_format::gguf::Plan;
use mlxk_format::safetensors::Shard;
use mlxk_format::{Checkpoint, FormatError};
use mlxk_tensor::{Dtype, Mode, Storage};
use serde_json::{Value as Json, json};

fn read(folder: &Path, name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn every_tensor_type_is_imported_without_loss() {
    let folder = import(&common::golden("tiny-llama.gguf")).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let expected = Shard::open(&common::golden("tiny-llama.expected.safetensors")).unwrap();
    let mut modes = Vec::new();
    for (module, _, shape, data) in expected.tensors() {
        let found = if let &[rows, cols] = shape {
            let weight = checkpoint.weight(module, rows, cols).unwrap();
            let scales = match &weight.storage {
                Storage::Affine { scales, .. } => Some(scales.dtype),
                _ => None,
            };
            modes.push((module.rsplit('.').next().unwrap().to_owned(), weight.mode(), scales));
            weight.dequantize()
        } else {
            checkpoint.dense(&format!("{module}.weight")).unwrap().1.to_f32()
        };
        let expected: Vec<f32> = (0..found.len()).map(|i| Dtype::F32.get(data, i)).collect();
        assert_eq!(found, expected, "{module}");
    }
    assert_eq!(
        checkpoint.names().filter(|n| n.ends_with("weight")).count(),
        expected.tensors().count()
    );
    let form =
        |name: &str| modes.iter().find(|(module, ..)| module == name).map(|m| (m.1, m.2)).unwrap();
    assert_eq!(form("embed_tokens"), (Mode::affine(8, 32), Some(Dtype::F16)));
    assert_eq!(form("q_proj"), (Mode::affine(4, 32), Some(Dtype::F16)));
    assert_eq!(form("down_proj"), (Mode::affine(8, 32), Some(Dtype::F32)));
    assert_eq!(form("v_proj"), (None, None));

    let config = read(folder.path(), "config.json");
    assert_eq!(config["rms_norm_eps"], 1e-6);
    assert_eq!(config["rope_theta"], 10_000);
    assert_eq!(config["num_key_value_heads"], 1);
    assert_eq!(config["tie_word_embeddings"], true);
    assert_eq!(config["eos_token_id"], 0);
    assert_eq!(config["vocab_size"], 20);
    assert_eq!(read(folder.path(), "tokenizer_config.json")["chat_template"], "{{ messages }}");
}

#[test]
fn qwen2_keeps_its_biases_and_its_row_order() {
    let folder = build(&tiny("qwen2")).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let (shape, bias) = checkpoint.dense("model.layers.0.self_attn.q_proj.bias").unwrap();
    assert_eq!(shape, [64]);
    let expected: Vec<f32> = (0..64).map(|i| (i % 7) as f32 - 3.0).collect();
    assert_eq!(bias.to_f32(), expected);
    let config = read(folder.path(), "config.json");
    assert_eq!(config["model_type"], "qwen2");
    assert_eq!(
        config["quantization"],
        json!({
            "group_size": 32, "bits": 4, "mode": "affine",
            "model.embed_tokens": { "group_size": 32, "bits": 8, "mode": "affine" },
        })
    );
    assert_eq!(read(folder.path(), "generation_config.json"), json!({ "eos_token_id": 3 }));

    let tokenizer = read(folder.path(), "tokenizer.json");
    assert_eq!(tokenizer["model"]["vocab"], json!({ "a": 0, "b": 1, "ab": 2 }));
    assert_eq!(tokenizer["model"]["merges"], json!([["a", "b"]]));
    let added: Vec<_> = tokenizer["added_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["id"].as_u64().unwrap(), token["special"].as_bool().unwrap()))
        .collect();
    assert_eq!(added, [(3, true), (4, false)]);
}

#[test]
fn llama_biases_are_reordered_with_their_rows() {
    let mut gguf = tiny("llama");
    for (name, width) in [("q", 64), ("k", 32), ("v", 32), ("output", 64)] {
        gguf.tensor(&format!("blk.0.attn_{name}.bias"), &[width], F32);
    }
    let folder = build(&gguf).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let (_, bias) = checkpoint.dense("model.layers.0.self_attn.k_proj.bias").unwrap();
    let pattern = |i: usize| (i % 7) as f32 - 3.0;
    let expected: Vec<f32> = (0..32).step_by(2).chain((1..32).step_by(2)).map(pattern).collect();
    assert_eq!(bias.to_f32(), expected);
    assert_eq!(checkpoint.config()["attention_bias"], true);

    gguf.remove("blk.0.attn_output.bias");
    assert!(refusal(&gguf).contains("`model.layers.0.self_attn.o_proj.bias` is missing"));
}

#[test]
fn an_untied_output_becomes_the_head() {
    let mut gguf = tiny("qwen2");
    gguf.tensor("output.weight", &[6, 64], F16);
    let folder = build(&gguf).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(checkpoint.config()["tie_word_embeddings"], false);
    assert_eq!(checkpoint.weight("lm_head", 6, 64).unwrap().mode(), None);
}

#[test]
fn rope_scaling_is_recognised_or_refused() {
    let scaling = |gguf: &GgufBuilder| {
        read(build(gguf).unwrap().path(), "config.json")["rope_scaling"].clone()
    };
    let mut gguf = tiny("llama");
    assert_eq!(scaling(&gguf), Json::Null);
    gguf.text("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 4.0);
    assert_eq!(scaling(&gguf)["factor"], 4.0);
    gguf.text("llama.rope.scaling.type", "yarn");
    assert_eq!(
        refusal(&gguf),
        "cannot be imported: `llama.rope.scaling.type` with the value `yarn` is not supported"
    );

    let mut gguf = tiny("llama");
    gguf.f32("llama.rope.freq_base", 500_000.0).tensor("rope_freqs.weight", &[16], F32);
    assert!(refusal(&gguf).contains("are not those of Llama 3"));
    // As llama.cpp's converter computes them for Llama 3.2: factor 32, heads of 32.
    let factors = (0..16).map(|pair| {
        let wave = std::f64::consts::TAU * 500_000_f64.powf(f64::from(pair) / 16.0);
        let smooth = (8192.0 / wave - 1.0) / 3.0;
        if wave < 2048.0 {
            1.0
        } else if wave > 8192.0 {
            32.0
        } else {
            1.0 / ((1.0 - smooth) / 32.0 + smooth)
        }
    });
    gguf.tensors.last_mut().unwrap().3 = factors.flat_map(|f| (f as f32).to_le_bytes()).collect();
    assert_eq!(
        scaling(&gguf),
        json!({
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192.0,
        })
    );
}

#[test]
fn sentence_piece_becomes_merges_in_the_order_of_scores() {
    let mut gguf = tiny("llama");
    let tokens = ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "b", "ab", "▁a", "▁ab"];
    gguf.remove("token_embd.weight")
        .tensor("token_embd.weight", &[10, 64], Q8_0)
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &tokens)
        .set("tokenizer.ggml.token_type", Value::I32s(vec![2, 3, 3, 6, 1, 1, 1, 1, 1, 1]))
        .set(
            "tokenizer.ggml.scores",
            Value::F32s(vec![0.0, 0.0, 0.0, 0.0, -10.0, -11.0, -12.0, -1.0, -2.0, -3.0]),
        )
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", 2);
    let folder = build(&gguf).unwrap();
    let tokenizer = read(folder.path(), "tokenizer.json");
    assert_eq!(
        tokenizer["model"]["merges"],
        json!([["a", "b"], ["▁", "a"], ["▁a", "b"], ["▁", "ab"]])
    );
    assert_eq!(tokenizer["model"]["unk_token"], "<unk>");
    assert_eq!(tokenizer["model"]["byte_fallback"], true);
    assert_eq!(tokenizer["normalizer"]["normalizers"][0]["type"], "Prepend");
    assert_eq!(tokenizer["post_processor"]["single"][0]["SpecialToken"]["id"], "<s>");
    gguf.set("tokenizer.ggml.add_space_prefix", Value::Bool(false))
        .set("tokenizer.ggml.add_bos_token", Value::Bool(false));
    let folder = build(&gguf).unwrap();
    let tokenizer = read(folder.path(), "tokenizer.json");
    assert_eq!(tokenizer["normalizer"]["normalizers"][0]["type"], "Replace");
    assert_eq!(tokenizer["post_processor"], Json::Null);
}

#[test]
fn an_import_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let plan =
        Plan::new(&tiny("llama").write(folder.path()), &mlxk_models::gguf_architectures()).unwrap();
    assert_eq!((plan.architecture(), plan.name(), plan.license()), ("llama", Some("Tiny"), None));
    assert_eq!(
        plan.modes(),
        [
            (Mode::Affine { bits: 4, group_size: 32 }, 7),
            (Mode::Affine { bits: 8, group_size: 32 }, 1)
        ]
    );
    let into = tempfile::tempdir().unwrap();
    let result = plan.write(into.path(), &mut |_, _| ControlFlow::Break(()));
    assert!(matches!(result, Err(FormatError::Cancelled)));
}
