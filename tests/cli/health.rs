//! `mlxk list`, `show` and `health` over a cache that has an example of every rule, written by
//! `tests/keeper/fabricate.py`. `tests/keeper/verdicts.json` has the expected verdict on
//! each model; `INSTA_UPDATE=always` rewrites it.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};

use crate::support::{World, path, streams};

fn keeper() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/keeper")
}

/// A world with that cache.
fn fabricated() -> World {
    let world = World::new();
    let script = keeper().join("fabricate.py");
    let status = std::process::Command::new("python3").arg(script).arg(world.home.path()).status();
    assert!(status.unwrap().success());
    world
}

/// Returns the `data` of an envelope.
fn data(world: &World, arguments: &[&str], code: i32) -> Value {
    let (stdout, _) = streams(&world.mlxk(arguments).arg("--extended").assert().code(code));
    let mut envelope: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(envelope["command"], arguments[0]);
    envelope["data"].take()
}

#[test]
fn every_rule_gives_its_verdict() {
    let world = fabricated();
    let listed = data(&world, &["list", "--json"], 0);
    let checked = data(&world, &["health", "--json"], 1);
    let summary = &checked["summary"];
    assert_eq!(listed["count"], summary["total"]);
    let mut problems: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let both = ["healthy", "unhealthy"].map(|key| checked[key].as_array().unwrap());
    assert_eq!(summary["healthy_count"], both[0].len());
    for model in both.into_iter().flatten() {
        let findings = model["findings"].as_array().unwrap().iter();
        let lines = findings.map(|found| {
            let word = |key: &str| found[key].as_str().unwrap();
            format!("{}: {} {}", word("severity"), word("problem"), word("file"))
        });
        problems.insert(model["name"].as_str().unwrap(), lines.collect());
    }
    let mut found = BTreeMap::new();
    for model in listed["models"].as_array().unwrap() {
        let name = model["name"].as_str().unwrap();
        let what = format!(
            "{} {} ({})",
            model["framework"].as_str().unwrap(),
            model["model_type"].as_str().unwrap(),
            model["capabilities"].as_array().unwrap().len()
        );
        let verdict = json!({
            "is": what, "health": model["health"], "runs": model["runtime_compatible"],
            "reason": model["reason"], "findings": problems[name],
        });
        found.insert(name, verdict);
    }
    let table = keeper().join("verdicts.json");
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        std::fs::write(&table, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(&table).unwrap()).unwrap();
    for (name, verdict) in &expected {
        assert_eq!(found.get(name.as_str()), Some(verdict), "{name}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn deep_finds_what_headers_hide_and_nothing_else() {
    let world = fabricated();
    let deep = |name: &str, code: i32| {
        let found = data(&world, &["health", name, "--deep", "--json"], code);
        let key = if code == 0 { "healthy" } else { "unhealthy" };
        found[key][0].clone()
    };
    for (name, file) in [("Bits-Flipped", "model.safetensors"), ("Readme-Changed", "README.md")] {
        world.mlxk(&["health", name]).assert().success();
        let found = deep(name, 1);
        let finding = &found["findings"][0];
        assert_eq!(finding["file"], file);
        assert_eq!(finding["problem"], "wrong_hash");
        let repair = format!("mlxk health mlx-community/{name} --deep --repair");
        assert_eq!(finding["repair"], repair.as_str());
    }
    let found = deep("mlx-community/Sharded-4bit", 0);
    assert_eq!(found["deep"]["files"], 6);
    assert_eq!(found["findings"], json!([]));
}

#[test]
fn folders_and_files_are_checked_in_place() {
    let world = fabricated();
    let folder = world.home.path().join("workspaces/dense");
    world.mlxk(&["health", path(&folder)]).assert().success();
    let (listed, _) = streams(&world.mlxk(&["list", path(folder.parent().unwrap())]).assert());
    assert_eq!(listed.lines().count(), 9, "{listed}");
    let weights = folder.join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 1]).unwrap();
    let (stdout, _) = streams(&world.mlxk(&["health", path(&folder)]).assert().code(1));
    let expected =
        format!("its header asks for {} bytes, but it has only {}", bytes.len(), bytes.len() - 1);
    assert!(stdout.contains("unhealthy") && stdout.contains(&expected), "{stdout}");
    std::fs::write(&weights, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
    let (stdout, _) = streams(&world.mlxk(&["health", path(&folder)]).assert().code(1));
    assert!(stdout.contains(" lfs pull"), "{stdout}");
    let gguf = world.home.path().join("x.gguf");
    std::fs::write(&gguf, b"GGUF\x03\0\0\0").unwrap();
    let (stdout, _) = streams(&world.mlxk(&["health", path(&gguf)]).assert().code(1));
    assert!(stdout.contains("x.gguf") && stdout.contains("damaged"), "{stdout}");
}

#[test]
fn workspaces_are_models_too() {
    let world = fabricated();
    let home = world.home.path().join("workspaces");
    let run = |arguments: &[&str]| {
        let mut command = world.mlxk(arguments);
        streams(&command.env("MLXK_WORKSPACE_HOME", &home).assert().success()).0
    };
    let hash = |shown: &str| {
        let envelope: Value = serde_json::from_str(shown).unwrap();
        let model = &envelope["data"]["model"];
        (model["content_hash"].clone(), model["clean"].clone(), model["origin"].clone())
    };
    assert!(run(&["list", "plain"]).contains("| ws? | chat"));
    let unknown = hash(&run(&["show", "plain-4bit", "--json"]));
    assert_eq!(unknown, (Value::Null, Value::Null, json!("org/Quantized")));
    let known = hash(&run(&["show", "plain-4bit", "--json", "--recalc-hash"]));
    assert_eq!(known.1, true);
    assert!(known.0.as_str().unwrap().starts_with("sha256:"));
    assert!(run(&["list", "plain"]).contains("| ws  | chat"));
    let config = home.join("plain-4bit/config.json");
    let text = std::fs::read_to_string(&config).unwrap() + " ";
    std::fs::write(&config, text).unwrap();
    let listed = run(&["list", "--all", "plain"]);
    assert!(listed.contains("| ws* | ✗     | MLX"), "{listed}");
    assert!(run(&["show", "plain-4bit"]).contains("Clean: ✗ modified"));
    world.mlxk(&["show", "org/Dense-Mlx", "--recalc-hash"]).assert().code(2);
}

/// Returns the output of a command on a terminal, with both streams together.
fn in_a_terminal(world: &World, arguments: &[&str]) -> (u32, String) {
    let size = PtySize { rows: 40, cols: 300, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("mlxk"));
    command.args(arguments);
    command.env("HF_HUB_CACHE", world.cache());
    command.env("HOME", world.home.path());
    command.env("XDG_DATA_HOME", world.home.path().join("data"));
    command.env("XDG_CONFIG_HOME", world.home.path().join("config"));
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let read = std::thread::spawn(move || {
        let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
        // Some systems report the end of a terminal as an error.
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            shown.extend_from_slice(&bytes[..count]);
        }
        shown
    });
    let code = child.wait().unwrap().exit_code();
    drop(pair.master);
    let shown = String::from_utf8(read.join().unwrap()).unwrap();
    (code, shown.replace("\r\n", "\n"))
}

#[test]
fn a_terminal_shows_what_a_pipe_gets() {
    let world = fabricated();
    let commands: [&[&str]; 4] = [
        &["list", "org/"],
        &["show", "mlx-community/Shard-Missing"],
        &["health", "mlx-community/Shard-Missing"],
        &["health", "nosuch"],
    ];
    for words in commands {
        let assert = world.mlxk(words).assert();
        let code = assert.get_output().status.code().unwrap();
        let (stdout, stderr) = streams(&assert);
        let (shown_code, shown) = in_a_terminal(&world, words);
        assert_eq!((shown_code, shown), (code as u32, stdout + &stderr), "{words:?}");
    }
}

/// Whole commands, word for word.
const COMMANDS: [&[&str]; 23] = [
    &["list"],
    &["list", "--all", "revisions"],
    &["list", "--health", "org/"],
    &["list", "--all", "--health", "org/"],
    &["list", "--all", "--health", "--verbose", "org/"],
    &["list", "--framework", "gguf"],
    &["list", "--framework", "mlx", "org/"],
    &["list", "nosuch"],
    &["list", "strange"],
    &["list", "unsupported"],
    &["list", "--verbose", "Dense-Mlx"],
    &["list", "--json", "dense-mlx"],
    &["show", "Dense-Mlx"],
    &["show", "mlx-community/Vision-4bit"],
    &["show", "Shard-Missing", "--files"],
    &["show", "Dense-Mlx", "--config"],
    &["show", "Dense-Mlx", "--json"],
    &["show", "Dense-Mlx", "--json", "--files"],
    &["show", "readme", "--json"],
    &["show", "nosuch", "--json"],
    &["health", "shard-missing"],
    &["health", "org/Quantized", "--deep"],
    &["health", "nosuch"],
];

#[test]
fn whole_commands_are_as_they_were() {
    let world = fabricated();
    let mut transcript = String::new();
    for words in COMMANDS {
        let assert = world.mlxk(words).assert();
        let code = assert.get_output().status.code().unwrap();
        let (stdout, stderr) = streams(&assert);
        let text = format!("$ mlxk {}\n{stdout}{stderr}exit {code}\n\n", words.join(" "));
        transcript.push_str(&text.replace(path(world.home.path()), "[HOME]"));
    }
    insta::assert_snapshot!("models", transcript.trim_end());
}
