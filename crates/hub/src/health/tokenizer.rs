//! The files of the tokenizer.

use serde_json::{Map, Value};

use super::files::{json, object, present};
use super::{Finding, Problem};
use crate::inventory::Inventory;

/// Files that contain a tokenizer. Our engine reads the first.
const TOKENIZERS: [&str; 10] = [
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
    "vocab.json",
    "vocab.txt",
    "tekken.json",
    "qwen.tiktoken",
    "tiktoken.model",
];
/// The JSON files among them.
const TEXTS: [&str; 3] = ["tokenizer.json", "vocab.json", "tekken.json"];
const SETTINGS: &str = "tokenizer_config.json";

/// Checks the files, and that there is at least one if the model reads text.
pub(super) fn tokenizer(
    files: &Inventory,
    config: &Map<String, Value>,
    thorough: bool,
    findings: &mut Vec<Finding>,
) {
    let mut check = |name: &str, found: Result<(), Problem>| {
        findings.extend(found.err().map(|problem| Finding::error(name, problem)));
    };
    if files.has(SETTINGS) {
        if thorough {
            check(SETTINGS, object(files, SETTINGS).map(|_| ()));
        } else {
            check(SETTINGS, json(files, SETTINGS, false));
        }
    }
    let here: Vec<&str> = TOKENIZERS.into_iter().filter(|name| files.has(name)).collect();
    for name in &here {
        if TEXTS.contains(name) {
            check(name, json(files, name, thorough));
        } else {
            check(name, present(files, name).map(|_| ()));
        }
    }
    let speech = config.get("model_type").and_then(Value::as_str).is_some_and(|model_type| {
        ["whisper", "vibevoice", "voxtral"].iter().any(|word| model_type.contains(word))
    });
    let nested = config.get("text_config").and_then(Value::as_object);
    let reads = |config: &Map<String, Value>| config.contains_key("vocab_size");
    let reads = reads(config) || nested.is_some_and(reads) || files.has(SETTINGS);
    if here.is_empty() && reads && !speech {
        findings.push(Finding::error("tokenizer.json", Problem::NoTokenizer));
    }
}
