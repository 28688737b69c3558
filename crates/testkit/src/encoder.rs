//! A tiny encoder: BERT, with or without a head that scores pairs.

use std::path::Path;

use mlxk_format::CheckpointWriter;
use mlxk_tensor::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{HIDDEN, VOCAB, noise, write_tokenizer};

/// Id of the token before a text.
pub const CLS: u32 = 258;
/// Id of the token after a text.
pub const SEP: u32 = 259;
/// Most tokens of a text.
pub const ENCODER_POSITIONS: usize = 64;
const LAYERS: usize = 2;
const INTERMEDIATE: usize = 96;

/// Writes an encoder to a temporary folder. With `scores`, it has a head that scores pairs.
pub fn encoder(scores: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_encoder(folder.path(), scores);
    folder
}

/// Writes an encoder into a folder.
pub fn write_encoder(folder: &Path, scores: bool) {
    let name = if scores { "BertForSequenceClassification" } else { "BertModel" };
    let mut config = json!({
        "model_type": "bert", "architectures": [name], "vocab_size": VOCAB,
        "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": LAYERS,
        "num_attention_heads": 4, "max_position_embeddings": ENCODER_POSITIONS,
        "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0
    });
    if scores {
        config["id2label"] = json!({"0": "LABEL_0"});
    }
    let mut writer = CheckpointWriter::new(config);
    let prefix = if scores { "bert." } else { "" };
    let mut put = |name: String, shape: &[usize], center: f32, scale: f32| {
        let values = noise(&name, shape.iter().product());
        let values: Vec<f32> = values.iter().map(|x| center + scale * x).collect();
        writer.dense(&name, shape, &values, Dtype::F32);
    };
    for (name, rows) in [("word", VOCAB), ("position", ENCODER_POSITIONS), ("token_type", 2)] {
        put(format!("{prefix}embeddings.{name}_embeddings.weight"), &[rows, HIDDEN], 0.0, 1.0);
    }
    let mut norms = vec![format!("{prefix}embeddings.LayerNorm")];
    let mut matrices = Vec::new();
    for layer in 0..LAYERS {
        let path = format!("{prefix}encoder.layer.{layer}");
        for name in ["self.query", "self.key", "self.value", "output.dense"] {
            matrices.push((format!("{path}.attention.{name}"), HIDDEN, HIDDEN));
        }
        matrices.push((format!("{path}.intermediate.dense"), INTERMEDIATE, HIDDEN));
        matrices.push((format!("{path}.output.dense"), HIDDEN, INTERMEDIATE));
        norms.push(format!("{path}.attention.output.LayerNorm"));
        norms.push(format!("{path}.output.LayerNorm"));
    }
    if scores {
        matrices.push(("bert.pooler.dense".to_owned(), HIDDEN, HIDDEN));
        matrices.push(("classifier".to_owned(), 1, HIDDEN));
    }
    for (path, rows, cols) in matrices {
        put(format!("{path}.weight"), &[rows, cols], 0.0, 2.0 / (cols as f32).sqrt());
        put(format!("{path}.bias"), &[rows], 0.0, 0.1);
    }
    for path in norms {
        put(format!("{path}.weight"), &[HIDDEN], 1.0, 0.3);
        put(format!("{path}.bias"), &[HIDDEN], 0.0, 0.1);
    }
    writer.write(folder).unwrap();
    write_tokenizer(folder);
    frame_texts(folder);
}

/// Lets the tokenizer put tokens around texts, and removes the chat template.
fn frame_texts(folder: &Path) {
    let path = folder.join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (id, content) in [(CLS, "[CLS]"), (SEP, "[SEP]")] {
        tokenizer["added_tokens"].as_array_mut().unwrap().push(json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }));
    }
    let mark = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let text = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let last = json!({"SpecialToken": {"id": "[SEP]", "type_id": 1}});
    let special = |id: u32, content: &str| json!({"id": content, "ids": [id], "tokens": [content]});
    tokenizer["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [mark("[CLS]"), text("A", 0), mark("[SEP]")],
        "pair": [mark("[CLS]"), text("A", 0), mark("[SEP]"), text("B", 1), last],
        "special_tokens": {"[CLS]": special(CLS, "[CLS]"), "[SEP]": special(SEP, "[SEP]")}
    });
    std::fs::write(path, tokenizer.to_string()).unwrap();
    let settings = json!({"model_max_length": ENCODER_POSITIONS});
    std::fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
}
