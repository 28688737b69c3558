//! Errors of `mlxk run`, `mlxk chat` and others, word for word: exit code, standard output and standard error. `INSTA_UPDATE=always cargo test` rewrites the file.

use crate::support::{World, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

/// Files with valid and invalid lines.
const FILES: [(&str, &str); 8] = [
    ("broken.jsonl", "\"a\"\n{\"prompt\": 1}\n"),
    ("empty.jsonl", "\n\n"),
    ("neither.jsonl", "{\"id\": 1}"),
    ("list.jsonl", "[1]"),
    ("unknown.jsonl", "{\"prompt\": \"a\", \"topp\": 1}"),
    ("nojson.jsonl", "{x"),
    ("empty.txt", ""),
    ("cache", "hello"),
];

/// The words after `mlxk`.
const COMMANDS: [&[&str]; 63] = [
    &["run"],
    &["run", "nosuch", "Hi"],
    &["run", "org/nosuch", "Hi"],
    &["run", "alpha", "Hi"],
    &["run", "./nosuch", "Hi"],
    &["run", "", "Hi"],
    &["run", "smollm2", "Hi", "--no-pull"],
    &["run", "pypi:", "Hi"],
    &["run", "ollama:x", "Hi"],
    &["run", "./model"],
    &["run", "./model", "--no-stdin"],
    &["run", "./model", "-", "--no-stdin"],
    &["run", "./model", "Hi", "--prompt", "Ho"],
    &["run", "./model", "Hi", "--prompt-file", "empty.txt"],
    &["run", "./model", "--prompt-file", "nosuch"],
    &["run", "./model", "--prompt-file", "empty.txt"],
    &["run", "./model", "Hi", "--nosuch"],
    &["run", "./model", "Hi", "--n", "0"],
    &["run", "./model", "Hi", "--max-tokens", "0"],
    &["run", "./model", "Hi", "--max-tokens", "many"],
    &["run", "./model", "Hi", "--threads", "0"],
    &["run", "./model", "Hi", "--ctx", "0"],
    &["run", "./model", "Hi", "--ctx", "100000"],
    &["run", "./model", "Hi", "--ctx", "8"],
    &["run", "./model", "Hi", "--stop", ""],
    &["run", "./model", "Hi", "--logprobs", "2"],
    &["run", "./model", "Hi", "--logprobs", "200", "--json"],
    &["run", "nosuch", "Hi", "--json"],
    &["run", "./model", "Hi", "--json", "--interactive"],
    &["run", "./model", "Hi", "--batch", "empty.jsonl"],
    &["run", "./model", "--batch", "empty.jsonl"],
    &["run", "./model", "--batch", "nosuch"],
    &["run", "./model", "--batch", "broken.jsonl"],
    &["run", "./model", "--batch", "neither.jsonl"],
    &["run", "./model", "--batch", "list.jsonl"],
    &["run", "./model", "--batch", "unknown.jsonl"],
    &["run", "./model", "--batch", "nojson.jsonl"],
    &["run", "./model", "Hi", "--prompt-cache", "cache"],
    &["run", "./model", "Hi", "--prompt-cache", "no/cache"],
    &["run", "./model", "Hi", "--prompt-cache", "cache", "--n", "2"],
    &["run", "./model", "Hi", "--format", "yaml"],
    &["run", "./model", "Hi", "--format", "{x"],
    &["run", "./model", "Hi", "--format", "{\"type\": \"strange\"}"],
    &["run", "./model", "Hi", "--format", "{\"pattern\": \"(?<=a)b\", \"type\": \"string\"}"],
    &["run", "./model", "Hi", "--think"],
    &["run", "./model", "Hi", "--think=high"],
    &["run", "./model", "Hi", "--think=often"],
    &["run", "./model", "Hi", "--mirostat", "2"],
    &["run", "./model", "Hi", "--image", "a.png"],
    &["run", "./model", "Hi", "--audio", "a.wav"],
    &["run", "./model", "Hi", "--logit-bias", "7"],
    &["run", "./model", "Hi", "--logit-bias", "7=x"],
    &["run", "./model", "Hi", "--logit-bias", "two=1"],
    &["run", "./model", "Hi", "--logit-bias", "9999=1"],
    &["run", "./model", "Hi", "--xtc-threshold", "0.2"],
    &["chat", "nosuch"],
    &["chat", "./model", "--threads", "0"],
    &["chat", "./model", "--mirostat", "1"],
    &["cp", "org/nosuch", "mine"],
    &["cp", "smollm2", "mine"],
    &["cp", "llama3.2-vision:11b", "mine"],
    &["bench", "--model", "smollm2", "--vs", "llama-server=./nosuch", "--gguf", "cache"],
    &["bench", "--model", "nosuch"],
];

/// A sampling parameter and a value out of its range.
const OUT_OF_RANGE: [(&str, &str); 12] = [
    ("--temperature", "-1"),
    ("--temperature", "nan"),
    ("--top-p", "2"),
    ("--min-p", "-0.1"),
    ("--typical-p", "1.5"),
    ("--repetition-penalty", "0"),
    ("--presence-penalty", "-200"),
    ("--frequency-penalty", "inf"),
    ("--xtc-probability", "7"),
    ("--dry-multiplier", "-3"),
    ("--top-k", "-1"),
    ("--seed", "x"),
];

#[cfg(unix)]
#[test]
fn refusals_are_as_they_were() {
    let world = World::new();
    for name in ["mlx-community/Alpha-Base-4bit", "mlx-community/Alpha-Instruct-4bit"] {
        world.cached(name);
    }
    let model = checkpoint(Kind::Llama, Stored::Bits(4));
    let folder = world.home.path();
    std::fs::create_dir(folder.join("model")).unwrap();
    for entry in std::fs::read_dir(model.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join("model").join(entry.file_name())).unwrap();
    }
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let ranges = OUT_OF_RANGE.map(|(option, value)| vec!["run", "./model", "Hi", option, value]);
    let commands = COMMANDS.iter().map(|words| words.to_vec()).chain(ranges);
    let mut transcript = String::new();
    for words in commands {
        let assert = world.mlxk(&words).env("HF_HUB_OFFLINE", "1").current_dir(folder).assert();
        let code = assert.get_output().status.code().unwrap();
        let (stdout, stderr) = streams(&assert);
        let typed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let home = folder.to_str().unwrap();
        let (stdout, stderr) = (stdout.replace(home, "[HOME]"), stderr.replace(home, "[HOME]"));
        let told = stderr.contains("error: ") || stdout.contains("\"status\": \"error\"");
        assert!(told && code > 0, "{typed:?}: {code}\n{stderr}");
        let block = format!("$ mlxk {}\n{stdout}{stderr}exit {code}\n\n", typed.join(" "));
        transcript.push_str(&block);
    }
    insta::assert_snapshot!("refusals", transcript.trim_end());
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}
