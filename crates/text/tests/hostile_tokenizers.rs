//! Tokenizers whose steps lengthen a text without end. Each encodes and decodes, or refuses, in little time.
//!
//! `MLXK_TEST_RANDOM_TOKENIZERS` is the number of random tokenizers, and `MLXK_TEST_SEED` their seed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "hostile/random.rs"]
mod random;

use std::time::{Duration, Instant};

use mlxk_text::{TextError, Tokenizer};
use random::Random;
use serde_json::{Map, Value, json};

/// More than any of them takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a tokenizer of single bytes with these parts, and opens it.
fn open(parts: &Value) -> Result<Tokenizer, TextError> {
    let folder = tempfile::tempdir().unwrap();
    let letters = (b' '..=b'~').map(char::from).chain(['é', '▁', 'Ġ']);
    let vocab: Map<String, Value> =
        letters.enumerate().map(|(id, letter)| (letter.to_string(), id.into())).collect();
    let mut file = json!({"version": "1.0", "added_tokens": [
            {"id": 200, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
             "normalized": true, "special": true}],
        "model": {"type": "BPE", "vocab": vocab, "merges": [], "unk_token": " "}});
    file.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    std::fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
    Tokenizer::open(folder.path())
}

/// Encodes and decodes with a tokenizer. Returns the number of tokens.
fn run(parts: &Value) -> Result<usize, TextError> {
    let started = Instant::now();
    let outcome = open(parts).and_then(|tokenizer| {
        let mut tokens = 0;
        for text in ["Why is the sky blue?<|end|>", "é i", &"i é i<|end|>".repeat(2000)] {
            let ids = tokenizer.encode(text, true)?;
            tokenizer.encode_prompt(text)?;
            tokenizer.decode(&ids, false)?;
            let mut pieces = tokenizer.detokenizer(true);
            for &id in &ids[..ids.len().min(200)] {
                pieces.push(id)?;
            }
            tokens += ids.len();
        }
        Ok(tokens)
    });
    let time = started.elapsed();
    assert!(time < PATIENCE, "{time:?}: {parts}");
    outcome
}

fn replace(old: &str, new: &str) -> Value {
    json!({"type": "Replace", "pattern": {"String": old}, "content": new})
}

#[test]
fn bombs_are_refused() {
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false});
    let normalizers = |step: &Value| json!({"type": "Sequence", "normalizers": vec![step; 40]});
    let pre_tokenizers =
        |step: &Value| json!({"type": "Sequence", "pretokenizers": vec![step; 40]});
    let decoders = |step: &Value| json!({"type": "Sequence", "decoders": vec![step; 40]});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let both = json!([text, {"Sequence": {"id": "B", "type_id": 0}}]);
    let twice = json!({"type": "TemplateProcessing", "single": [text, text], "pair": both,
        "special_tokens": {}});
    for parts in [
        json!({"normalizer": normalizers(&replace("i", "ii"))}),
        json!({"normalizer": normalizers(&json!({"type": "ByteLevel"}))}),
        json!({"normalizer": replace("i", &"i".repeat(1000))}),
        json!({"normalizer": {"type": "Prepend", "prepend": "i".repeat(1 << 20)}}),
        json!({"pre_tokenizer": pre_tokenizers(&bytes)}),
        json!({"pre_tokenizer": {"type": "FixedLength", "length": 0}}),
        json!({"decoder": decoders(&replace("i", "ii"))}),
        json!({"post_processor": {"type": "Sequence", "processors": vec![twice; 40]}}),
        json!({"model": {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a",
            "continuing_subword_prefix": "", "max_input_chars_per_word": 1_000_000_000}}),
    ] {
        let error = run(&parts).map(|tokens| tokens.to_string()).expect_err(&parts.to_string());
        assert!(error.to_string().len() < 500, "{error}");
    }
}

#[test]
fn common_steps_are_no_bombs() {
    for parts in [
        json!({"normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"), {"type": "NFKC"}]}}),
        json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]}}),
        json!({"decoder": {"type": "Sequence", "decoders": [replace("▁", " "),
            {"type": "ByteFallback"}, {"type": "Fuse"}]}}),
    ] {
        run(&parts).unwrap_or_else(|error| panic!("{parts}: {error}"));
    }
    let spaces = " ".repeat(1 << 20);
    let replaced = open(&json!({"normalizer": replace(" ", "▁")})).unwrap();
    assert_eq!(replaced.encode(&spaces, false).unwrap().len(), 1 << 20);
}

#[test]
fn random_tokenizers_encode_or_refuse() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
    };
    let count = number("MLXK_TEST_RANDOM_TOKENIZERS", 40);
    let seed = number("MLXK_TEST_SEED", 1);
    let mut worked = 0;
    for index in 0..count {
        let mut random = Random::new(seed * 1_000_000 + index);
        let parts = json!({
            "normalizer": sequence(&mut random, "normalizers", normalizer),
            "pre_tokenizer": sequence(&mut random, "pretokenizers", pre_tokenizer),
            "decoder": sequence(&mut random, "decoders", decoder),
        });
        worked += u64::from(run(&parts).is_ok());
    }
    println!("{worked} of {count} worked");
}

fn sequence(random: &mut Random, inner: &str, step: fn(&mut Random) -> Value) -> Value {
    let count = random.one_of(&[1, 1, 2, 3, 10, 60]);
    let repeated = step(random);
    let is_same = random.below(2) == 0;
    let steps: Vec<Value> =
        (0..count).map(|_| if is_same { repeated.clone() } else { step(random) }).collect();
    json!({"type": "Sequence", inner: steps})
}

fn some_replace(random: &mut Random) -> Value {
    let old = random.one_of(&["i", "", " ", "é", "<|end|>", "ii"]);
    let new = random.one_of(&["ii", "", "i", " é ", "<|end|><|end|>", "iiiiiiiiiiiiiiiiiiii"]);
    let pattern = random.one_of(&[".", "i*", "(i|i)*$", "\\s", "(?=i)"]);
    match random.below(2) {
        0 => replace(old, new),
        _ => json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": new}),
    }
}

fn normalizer(random: &mut Random) -> Value {
    match random.below(6) {
        0 | 1 => some_replace(random),
        2 => json!({"type": random.one_of(&["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt"])}),
        3 => json!({"type": "Prepend", "prepend": random.one_of(&["▁", "iiii", ""])}),
        4 => json!({"type": "ByteLevel"}),
        _ => json!({"type": "Strip", "strip_left": true, "strip_right": true}),
    }
}

fn pre_tokenizer(random: &mut Random) -> Value {
    match random.below(6) {
        0 => json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
            "use_regex": random.below(2) == 0}),
        1 => json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
            "split": random.below(2) == 0}),
        2 => json!({"type": "Split", "pattern": {"Regex": random.one_of(&[".", "i*", "(i+)+x"])},
            "behavior": "Isolated", "invert": random.below(2) == 0}),
        3 => json!({"type": "Digits", "individual_digits": true}),
        4 => json!({"type": "FixedLength", "length": random.below(3)}),
        _ => json!({"type": "Whitespace"}),
    }
}

fn decoder(random: &mut Random) -> Value {
    match random.below(5) {
        0 | 1 => some_replace(random),
        2 => json!({"type": random.one_of(&["Fuse", "ByteFallback"])}),
        3 => json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
            "use_regex": true}),
        _ => json!({"type": "Strip", "content": "i", "start": 1, "stop": 1}),
    }
}
