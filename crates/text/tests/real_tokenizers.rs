//! Tests with real tokenizers, if the machine has any.
//!
//! `MLXK_TEST_TOKENIZER_DIR_<NAME>` names a checkpoint folder. `SMOLLM2` is compared with the ids
//! in `fixtures/golden-smollm2.jsonl`, which transformers wrote and llama.cpp confirmed. Any other
//! `<NAME>` is compared with the file in `MLXK_TEST_GOLDEN_<NAME>`, if that is set. Every folder is
//! compared with the `tokenizers` crate's own reading of the file, and streamed text with decoding
//! at once.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use mlxk_text::Tokenizer;
use serde_json::Value;

const DIR_VARIABLE: &str = "MLXK_TEST_TOKENIZER_DIR_";
const GOLDEN_VARIABLE: &str = "MLXK_TEST_GOLDEN_";

struct Line {
    text: String,
    ids: Vec<u32>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read_lines(path: &Path) -> Vec<Line> {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let ids = line["ids"].as_array().unwrap();
            Line {
                text: line["text"].as_str().unwrap().to_owned(),
                ids: ids.iter().map(|id| id.as_u64().unwrap() as u32).collect(),
            }
        })
        .collect()
}

/// Every tokenizer named in the environment: name, folder.
fn folders() -> Vec<(String, PathBuf)> {
    let found: Vec<_> = std::env::vars_os()
        .filter_map(|(variable, dir)| {
            let name = variable.to_str()?.strip_prefix(DIR_VARIABLE)?.to_owned();
            Some((name, PathBuf::from(dir)))
        })
        .collect();
    if found.is_empty() {
        println!("skipped: no {DIR_VARIABLE}<NAME> is set");
    }
    found
}

fn golden(name: &str) -> Option<Vec<Line>> {
    if name == "SMOLLM2" {
        return Some(read_lines(&fixture("golden-smollm2.jsonl")));
    }
    let path = std::env::var_os(format!("{GOLDEN_VARIABLE}{name}"))?;
    Some(read_lines(Path::new(&path)))
}

#[test]
fn ids_are_those_of_transformers() {
    for (name, dir) in folders() {
        let Some(lines) = golden(&name) else { continue };
        let tokenizer = Tokenizer::open(&dir).unwrap();
        for Line { text, ids } in &lines {
            assert_eq!(&tokenizer.encode(text, false).unwrap(), ids, "{name}: {text:?}");
        }
        println!("{name}: {} lines as expected", lines.len());
    }
}

#[test]
fn ids_and_text_are_those_of_the_reference_reader() {
    for (name, dir) in folders() {
        let ours = Tokenizer::open(&dir).unwrap();
        let theirs = tokenizers::Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();
        let mut texts: Vec<String> = read_lines(&fixture("golden-smollm2.jsonl"))
            .into_iter()
            .map(|line| line.text)
            .collect();
        texts.push(texts.concat());
        texts.push("x".repeat(3000));
        texts.push(" \n".repeat(500));
        let mut tokens = 0;
        for text in &texts {
            let expected = theirs.encode_fast(text.as_str(), false).unwrap().get_ids().to_vec();
            let ids = ours.encode(text, false).unwrap();
            assert_eq!(ids, expected, "{name}: {text:?}");
            let whole = ours.decode(&ids, false).unwrap();
            assert_eq!(whole, theirs.decode(&ids, false).unwrap(), "{name}: {text:?}");
            assert_eq!(streamed(&ours, &ids, false), whole, "{name}: {text:?}");
            tokens += ids.len();
        }
        for id in 0..ours.vocab_size() as u32 {
            assert_eq!(ours.token_text(id), theirs.id_to_token(id), "{name}: {id}");
        }
        println!("{name}: {} texts, {tokens} tokens as expected", texts.len());
    }
}

/// Any order of tokens, so that characters break in every way.
#[test]
fn streamed_is_whole_for_any_tokens() {
    for (name, dir) in folders() {
        let tokenizer = Tokenizer::open(&dir).unwrap();
        let theirs = tokenizers::Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut same_as_theirs = 0;
        for round in 0..2000 {
            let ids: Vec<u32> = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let range = if round % 2 == 0 { 600 } else { tokenizer.vocab_size() as u64 };
                    ((state >> 33) % range) as u32
                })
                .collect();
            let whole = tokenizer.decode(&ids, true).unwrap();
            assert_eq!(streamed(&tokenizer, &ids, true), whole, "{name}: {ids:?}");
            let reference = theirs.decode(&ids, true).unwrap();
            // Both may differ only in broken characters of byte tokens.
            if !reference.contains(char::REPLACEMENT_CHARACTER) {
                assert_eq!(whole, reference, "{name}: {ids:?}");
            }
            same_as_theirs += u32::from(whole == reference);
        }
        println!(
            "{name}: 2000 random texts streamed, {same_as_theirs} as the reference decodes them"
        );
    }
}

fn streamed(tokenizer: &Tokenizer, ids: &[u32], skip_special: bool) -> String {
    let mut detokenizer = tokenizer.detokenizer(skip_special);
    let mut text = String::new();
    for &id in ids {
        text.push_str(&detokenizer.push(id).unwrap());
    }
    text + &detokenizer.finish()
}

#[test]
fn time_to_open() {
    for (name, dir) in folders() {
        let mut best_ms = f64::MAX;
        let mut theirs_ms = f64::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            let tokenizer = Tokenizer::open(&dir).unwrap();
            best_ms = best_ms.min(start.elapsed().as_secs_f64() * 1e3);
            drop(tokenizer);
            let start = Instant::now();
            let theirs = tokenizers::Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();
            theirs_ms = theirs_ms.min(start.elapsed().as_secs_f64() * 1e3);
            drop(theirs);
        }
        println!("{name}: opened in {best_ms:.0} ms, by the reference reader in {theirs_ms:.0} ms");
    }
}
