//! `--json` of every command against `docs/reference/envelope.schema.json`: results, errors and wrong
//! usage.
#![cfg(unix)]

use std::path::PathBuf;

use mlxk_test_hub::Repo;
use serde_json::{Value, json};

use crate::pull::{NAME, Online};
use crate::support::{path, streams};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator() -> jsonschema::Validator {
    let text = std::fs::read_to_string(root().join("docs/reference/envelope.schema.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// Returns the errors of an envelope.
fn errors(validator: &jsonschema::Validator, envelope: &Value) -> Vec<String> {
    validator
        .iter_errors(envelope)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// A hub, a cache with an example of every rule, and workspaces.
fn world() -> Online {
    let online = Online::new();
    let home = online.world.home.path();
    let script = root().join("tests/keeper/fabricate.py");
    let status = std::process::Command::new("python3").arg(script).arg(home).status().unwrap();
    assert!(status.success());
    online.world.cached("org/Runs-4bit");
    let chats = home.join("data/mlxk/chats");
    std::fs::create_dir_all(&chats).unwrap();
    let conversation = json!({
        "version": 1, "model": "m", "system": null, "created": "2026-01-02T03:04:05Z",
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    });
    std::fs::write(chats.join("notes.json"), conversation.to_string()).unwrap();
    online.hub.add(Repo::new("org/Gated").file("config.json", b"{}").gated("hf_x"));
    online
}

/// The words after `mlxk`, without `--json`, and the name in `command`. The commands run one after the
/// other.
const COMMANDS: &[(&str, &[&str])] = &[
    ("version", &["--version"]),
    ("list", &["list"]),
    ("list", &["list", "--all", "--health", "--verbose"]),
    ("list", &["list", "./workspaces"]),
    ("list", &["list", "./workspaces/pl"]),
    ("list", &["list", "./nosuch"]),
    ("list", &["list", "nosuch"]),
    ("list-supported", &["list", "--supported"]),
    ("bench", &["bench", "show", "nosuch.json"]),
    (
        "bench",
        &["bench", "kernels", "--mode", "bf16", "--shape", "64x128", "--rows", "1", "--runs", "1"],
    ),
    ("health", &["health"]),
    ("health", &["health", "mlx-community/Shard-Missing"]),
    ("health", &["health", "org/Quantized", "--deep"]),
    ("health", &["health", "./workspaces/dense"]),
    ("health", &["health", "nosuch"]),
    ("show", &["show", "mlx-community/Single-4bit"]),
    ("show", &["show", "mlx-community/Single-4bit", "--files"]),
    ("show", &["show", "mlx-community/Single-4bit", "--config"]),
    ("show", &["show", "mlx-community/Single-4bit", "--modelfile"]),
    ("show", &["show", "mlx-community/Config-Missing"]),
    ("show", &["show", "./workspaces/plain-4bit"]),
    ("show", &["show", "./workspaces/plain-4bit", "--recalc-hash"]),
    ("show", &["show", "4bit"]),
    ("show", &["show", "nosuch"]),
    ("show", &["show", "mlx-community/Single-4bit", "--recalc-hash"]),
    ("cp", &["cp", "org/Runs-4bit", "mine"]),
    ("show", &["show", "mine"]),
    ("list", &["list", "mine"]),
    ("create", &["create", "other", "-f", "nosuch"]),
    ("pull", &["pull", "Tiny-4bit"]),
    ("pull", &["pull", NAME]),
    ("pull", &["pull", NAME, "--update"]),
    ("pull", &["pull", "org/Gated"]),
    ("pull", &["pull", "org/Nothing"]),
    ("pull", &["pull", "a/b/c"]),
    ("search", &["search", "tiny"]),
    ("clone", &["clone", NAME, "./copy"]),
    ("clone", &["clone", NAME, "./copy"]),
    ("clone", &["clone", "org/Nothing", "./third"]),
    ("clone", &["clone", "mlx-community/Shard-Missing", "./broken"]),
    ("convert", &["convert", "./copy", "./quantized", "--mode", "mxfp8"]),
    ("convert", &["convert", "./copy", "./dense", "--dequantize"]),
    ("convert", &["convert", "./copy", "./same"]),
    ("convert", &["convert", "./copy", "./indexed", "--repair-index"]),
    ("convert", &["convert", "./copy", "./copy", "-q", "4"]),
    ("convert", &["convert", "nosuch", "./out", "-q", "4"]),
    ("push", &["push", "./copy", "me/Mine", "--private", "--check-only"]),
    ("push", &["push", "./workspaces/broken", "me/Mine", "--check-only"]),
    ("push", &["push", "./copy", "me/Mine", "--private", "--create", "--dry-run"]),
    ("push", &["push", "./copy", "me/Mine", "--private", "--create"]),
    ("push", &["push", "./copy", "me/Mine", "--private"]),
    ("push", &["push", "./nosuch", "me/Mine", "--private"]),
    ("push", &["push", "nosuch", "me/Mine", "--private"]),
    ("push", &["push", "./copy", "mine", "--private"]),
    ("push", &["push", "./copy", "me/Nowhere", "--private"]),
    ("run", &["run", "org/Runs-4bit", "Hello", "--max-tokens", "2"]),
    ("run", &["run", "nosuch", "Hello", "--no-pull"]),
    ("run", &["run", "mlx-community/Shard-Missing", "Hello", "--no-pull"]),
    ("rm", &["rm", "4bit"]),
    ("rm", &["rm", "nosuch"]),
    ("rm", &["rm", "Single"]),
    ("rm", &["rm", "mlx-community/Base-4bit", "--dry-run"]),
    ("rm", &["rm", "mlx-community/Base-4bit"]),
    ("rm", &["rm", "org/Gptq", "org/Quantized"]),
    ("rm", &["rm", "--unused", "--dry-run"]),
    ("rm", &["rm", "./workspaces/dense"]),
    ("embed", &["embed", "org/Runs-4bit", "Hello"]),
    ("embed", &["embed", "nosuch", "Hello", "--no-pull"]),
    ("config", &["config"]),
    ("ps", &["ps", "--port", "1"]),
    ("logs", &["logs"]),
    ("logs", &["logs", "notes"]),
    ("logs", &["logs", "nosuch"]),
    ("logs", &["logs", "notes", "--delete"]),
    ("logs", &["logs"]),
];

/// Wrong usage, and the name of the command if the words have one.
const WRONG: &[(Option<&str>, &[&str])] = &[
    (None, &["nosuch"]),
    (None, &["--nosuch"]),
    (Some("embed"), &["embed"]),
    (Some("list"), &["list", "--nosuch"]),
    (Some("list"), &["ls", "--nosuch"]),
    (Some("show"), &["show"]),
    (Some("health"), &["health", "a", "b"]),
    (Some("pull"), &["pull"]),
    (Some("rm"), &["rm"]),
    (Some("run"), &["run", "m", "Hi", "--temperature", "x"]),
    (Some("run"), &["run", "m", "--language", "de"]),
    (Some("clone"), &["clone"]),
    (Some("convert"), &["convert", "a", "b", "--quantize", "7"]),
    (Some("push"), &["push", "a", "b"]),
    (Some("server"), &["serve"]),
];

#[test]
fn every_envelope_fits_the_schema() {
    let online = world();
    let validator = validator();
    let mut wrong = Vec::new();
    let mut ask = |command: Option<&str>, words: &[&str]| {
        let mut process = online.mlxk(words);
        process.arg("--json").current_dir(online.world.home.path()).env("HF_TOKEN", "secret");
        let assert = process.write_stdin("").assert();
        let (stdout, stderr) = streams(&assert);
        let Ok(envelope) = serde_json::from_str::<Value>(&stdout) else {
            wrong.push(format!("{words:?}: no envelope: {stdout}{stderr}"));
            return Value::Null;
        };
        if envelope["command"] != json!(command) {
            wrong.push(format!("{words:?}: command {}", envelope["command"]));
        }
        let found = errors(&validator, &envelope);
        wrong.extend(found.iter().map(|error| format!("{words:?}: {error}")));
        envelope
    };
    for (command, words) in COMMANDS {
        ask(Some(command), words);
    }
    for (command, words) in WRONG {
        let envelope = ask(*command, words);
        assert_eq!(envelope["error"]["type"], "CommandError", "{words:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_refuses_what_mlx_knife_does_not_know() {
    let online = world();
    let validator = validator();
    let ask = |words: &[&str]| -> Value {
        let mut process = online.mlxk(words);
        process.current_dir(online.world.home.path());
        serde_json::from_str(&streams(&process.assert()).0).unwrap()
    };
    let mut list = ask(&["list", "Single", "--json"]);
    assert_eq!(errors(&validator, &list), [""; 0]);
    for (key, value) in [("context_length", json!(1)), ("path", json!("x")), ("hash", json!("x"))] {
        let before = list["data"]["models"][0].clone();
        list["data"]["models"][0][key] = value;
        assert!(!validator.is_valid(&list), "{key}");
        list["data"]["models"][0] = before;
    }
    list["command"] = json!("nosuch");
    assert!(!validator.is_valid(&list));
    for words in
        [&["list", "Single", "--json", "--extended"][..], &["health", "--json", "--extended"]]
    {
        let extended = ask(words);
        assert!(!validator.is_valid(&extended), "{words:?}");
        let text = extended.to_string();
        assert!(text.contains("findings"), "{words:?}");
    }
    let shown = ask(&["show", "mlx-community/Single-4bit", "--json"]);
    assert_eq!(shown["data"]["details"]["context_length"], 512);
    assert!(
        shown["data"]["details"]["path"].as_str().unwrap().contains(path(&online.world.cache()))
    );
}

#[test]
fn errors_have_the_data_of_mlx_knife() {
    let online = world();
    let ask = |words: &[&str]| -> Value {
        let mut process = online.mlxk(words);
        process.arg("--json").current_dir(online.world.home.path());
        serde_json::from_str(&streams(&process.assert().failure()).0).unwrap()
    };
    let ambiguous = ask(&["rm", "4bit"]);
    assert_eq!(ambiguous["error"]["type"], "ambiguous_match");
    assert_eq!(ambiguous["data"]["action"], "ambiguous");
    assert!(ambiguous["data"]["matches"].as_array().unwrap().len() > 5, "{ambiguous}");
    assert_eq!(ambiguous["data"]["matches"], ambiguous["error"]["matches"]);
    let missing = ask(&["push", "./nosuch", "me/Mine", "--private"]);
    assert_eq!(missing["error"]["type"], "workspace_not_found");
    assert_eq!(missing["data"]["repo_id"], "me/Mine");
}
