//! `mlxk doctor` on a healthy machine, and on machines that are broken in one way each.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use assert_cmd::Command;
use mlxk_test_hub::{Fault, Hub};
use serde_json::{Value, json};

use crate::support::{World, path, streams};

const NAME: &str = "mlx-community/Tiny-4bit";

/// Returns the command, with the program on the search path and a shell that completes.
fn doctor(world: &World, arguments: &[&str]) -> Command {
    let home = world.home.path();
    std::fs::write(home.join(".bashrc"), "source <(mlxk completions bash)\n").unwrap();
    let bin = home.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let _ = std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin("mlxk"), bin.join("mlxk"));
    let mut words = vec!["doctor"];
    words.extend(arguments);
    let mut command = world.mlxk(&words);
    command.env("SHELL", "/bin/bash").env("LC_ALL", "C.UTF-8").current_dir(home);
    // A port without a server.
    command.env("OLLAMA_HOST", "127.0.0.1:9").env_remove("VIRTUAL_ENV").env_remove("MLXK_PYTHON");
    search(&mut command, &[&bin]);
    command
}

/// Puts folders in front of the caller's search path.
fn search(command: &mut Command, folders: &[&Path]) {
    let callers = std::env::var_os("PATH").unwrap_or_default();
    let all = folders.iter().map(|&folder| folder.to_owned());
    let all = all.chain(std::env::split_paths(&callers));
    command.env("PATH", std::env::join_paths(all).unwrap());
}

fn world() -> World {
    let world = World::new();
    world.cached(NAME);
    world
}

/// Returns the `data` of a command that ends with this exit code.
fn data(command: &mut Command, code: i32) -> Value {
    let (stdout, stderr) = streams(&command.arg("--json").assert().code(code));
    let mut envelope: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
    assert_eq!((&envelope["status"], &envelope["command"]), (&json!("success"), &json!("doctor")));
    envelope["data"].take()
}

/// Returns the lines of a check at this level.
fn lines<'a>(data: &'a Value, check: &str, level: &str) -> Vec<&'a Value> {
    let all = data["checks"].as_array().unwrap().iter();
    all.filter(|line| line["check"] == check && line["level"] == level).collect()
}

/// Expects exactly one broken line, of this check and with these words. Returns its fix.
fn broken(command: &mut Command, check: &str, words: &str) -> String {
    let data = data(command, 1);
    assert_eq!(data["healthy"], false);
    let all = data["checks"].as_array().unwrap();
    let broken: Vec<&Value> = all.iter().filter(|line| line["level"] == "broken").collect();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(broken[0]["check"], check, "{broken:?}");
    assert!(broken[0]["text"].as_str().unwrap().contains(words), "{broken:?}");
    broken[0]["fix"].as_str().unwrap().to_owned()
}

fn program(file: PathBuf, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the folder of the model's files.
fn snapshot(world: &World) -> PathBuf {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    world.cache().join("models--mlx-community--Tiny-4bit/snapshots").join(hash)
}

#[test]
fn a_healthy_machine_has_nothing_broken() {
    let world = world();
    let found = data(&mut doctor(&world, &["--quick"]), 0);
    assert_eq!((&found["healthy"], &found["summary"]["broken"]), (&json!(true), &json!(0)));
    for check in ["platform", "config", "path", "completions", "models", "downloads", "hub"] {
        assert_eq!(lines(&found, check, "ok").len(), 1, "{check}: {found}");
        assert!(lines(&found, check, "warning").is_empty(), "{check}: {found}");
    }
    let models = &lines(&found, "models", "ok")[0]["data"];
    assert_eq!(models, &json!({"models": 1, "whole": 1, "run": 1}));
    assert!(lines(&found, "numerics", "ok").is_empty() && lines(&found, "speed", "ok").is_empty());
    let (stdout, _) = streams(&doctor(&world, &["path", "models"]).assert().success());
    assert!(stdout.starts_with("✓ path         Your shell starts `"), "{stdout}");
    assert!(stdout.ends_with("\n\nEverything works\n"), "{stdout}");
    let plain = streams(&doctor(&world, &["path"]).env("LC_ALL", "C").assert().success()).0;
    assert!(plain.starts_with("ok path         Your shell"), "{plain}");
}

#[test]
fn all_kernels_of_this_processor_are_correct() {
    let found = data(&mut doctor(&world(), &["numerics", "kernels"]), 0);
    let tested = lines(&found, "numerics", "ok");
    let kernels = &found["checks"][0]["data"];
    assert_eq!(tested.len(), kernels["available"].as_array().unwrap().len());
    for line in tested {
        assert!(line["data"]["forms"].as_u64().unwrap() > 20, "{line}");
        assert_eq!(line["data"]["differences"], json!([]));
    }
}

#[test]
fn a_damaged_model_comes_with_its_repair() {
    let world = world();
    let weights = snapshot(&world).join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 1]).unwrap();
    let fix = broken(&mut doctor(&world, &["--quick"]), "models", "ends too early");
    assert_eq!(fix, format!("mlxk health {NAME} --repair"));
}

#[test]
fn interrupted_and_stale_downloads_differ() {
    let world = world();
    let blobs = world.cache().join("models--mlx-community--Tiny-4bit/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let part = blobs.join(format!("{}.incomplete", "a".repeat(64)));
    std::fs::write(&part, "begun").unwrap();
    let weights = snapshot(&world).join("model.safetensors");
    std::fs::remove_file(&weights).unwrap();
    std::os::unix::fs::symlink(format!("../../blobs/{}", "a".repeat(64)), &weights).unwrap();
    let mut command = doctor(&world, &["models", "downloads"]);
    let fix =
        broken(&mut command, "models", "`model.safetensors` has not been downloaded completely");
    assert_eq!(fix, format!("mlxk health {NAME} --repair"));
    let long_ago = SystemTime::now() - Duration::from_hours(72);
    std::fs::File::options().write(true).open(&part).unwrap().set_modified(long_ago).unwrap();
    let found = data(&mut doctor(&world, &["downloads"]), 0);
    let line = lines(&found, "downloads", "warning")[0];
    assert_eq!(line["fix"], "mlxk rm --unused");
    assert!(line["text"].as_str().unwrap().contains("stale downloads (1)"), "{line}");
}

#[test]
fn a_cache_that_is_a_file_is_broken() {
    let world = World::new();
    std::fs::write(world.cache(), "a file").unwrap();
    let fix = broken(&mut doctor(&world, &["disk"]), "disk", "is not a folder");
    assert!(fix.contains("HF_HUB_CACHE"), "{fix}");
    // The other checks report it too, and nothing panics.
    doctor(&world, &["--quick"]).assert().code(1);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_broken() {
    let world = world();
    let file = world.home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut command = doctor(&world, &["disk"]);
    let fix = broken(command.env("XDG_DATA_HOME", file.join("data")), "disk", "is not a folder");
    assert!(fix.contains("XDG_DATA_HOME"), "{fix}");
    if cfg!(target_os = "linux") {
        // Not even root can create files there.
        let mut command = doctor(&world, &["disk"]);
        broken(command.env("XDG_DATA_HOME", "/proc"), "disk", "is not writable");
    }
}

#[test]
fn another_mlxk_that_wins_on_the_search_path_is_broken() {
    let world = world();
    let other = world.home.path().join("other");
    program(other.join("mlxk"), "#!/bin/sh\necho mlxk 9.9.9\n");
    let bin = world.home.path().join("bin");
    let mut command = doctor(&world, &["path"]);
    search(&mut command, &[&other, &bin]);
    let fix = broken(&mut command, "path", "which is version 9.9.9");
    assert!(fix.starts_with("export PATH="), "{fix}");
    // Later on the search path, it is only a warning.
    let mut command = doctor(&world, &["path"]);
    search(&mut command, &[&bin, &other]);
    assert_eq!(lines(&data(&mut command, 0), "path", "warning").len(), 1);
    let script = "#!/usr/bin/env python3\nprint('mlxk 2.0.7')\n";
    program(other.join("mlxk"), script);
    let mut command = doctor(&world, &["path"]);
    search(&mut command, &[&other]);
    broken(&mut command, "path", "MLX-Knife for Python, version 2.0.7");
    // A wrapper of the same version counts as the program itself.
    program(other.join("mlxk"), &format!("#!/bin/sh\necho mlxk {}\n", env!("CARGO_PKG_VERSION")));
    let mut command = doctor(&world, &["path"]);
    search(&mut command, &[&other]);
    assert!(lines(&data(&mut command, 0), "path", "warning").is_empty());
    let mut command = doctor(&world, &["path"]);
    command.env("PATH", "/nonexistent");
    let found = data(&mut command, 0);
    assert!(lines(&found, "path", "warning")[0]["text"].as_str().unwrap().contains("not on the"));
}

#[test]
fn a_bad_configuration_is_reported_as_a_finding() {
    let world = world();
    let folder = world.home.path().join("config/mlxk");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[defaults]\ntemprature = 1\n").unwrap();
    world.mlxk(&["list"]).assert().code(2);
    let fix = broken(&mut doctor(&world, &["--quick"]), "config", "line 2");
    assert!(fix.contains("mlxk config --help"), "{fix}");
}

#[test]
fn a_damaged_model_of_ollama_is_broken() {
    let world = world();
    let root = world.home.path().join("ollama");
    let manifests = root.join("manifests/registry.ollama.ai/library/llama3.2");
    std::fs::create_dir_all(&manifests).unwrap();
    std::fs::create_dir_all(root.join("blobs")).unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    let layer = |kind: &str| {
        let kind = format!("application/vnd.ollama.image.{kind}");
        json!({"layers": [{"mediaType": kind, "digest": digest, "size": 9}]}).to_string()
    };
    std::fs::write(manifests.join("1b"), layer("model")).unwrap();
    // A model that cannot be imported is not damaged.
    std::fs::write(manifests.join("own"), layer("tensor")).unwrap();
    let check = || broken(&mut doctor(&world, &["ollama"]), "ollama", "`llama3.2:1b` is damaged");
    assert_eq!(check(), "Download it again with `ollama pull llama3.2:1b`");
    let blob = root.join("blobs").join(digest.replace(':', "-"));
    std::fs::write(&blob, "short").unwrap();
    check();
    std::fs::write(&blob, "just long").unwrap();
    let found = data(&mut doctor(&world, &["ollama"]), 0);
    assert_eq!(lines(&found, "ollama", "ok")[0]["data"]["models"], 2);
}

#[test]
fn the_hub_is_contacted_only_with_online() {
    let world = world();
    let hub = Hub::start();
    let ask = |arguments: &[&str], endpoint: &str| {
        let mut command = doctor(&world, arguments);
        command.env("HF_ENDPOINT", endpoint);
        command
    };
    data(&mut ask(&["hub"], hub.endpoint()), 0);
    assert!(hub.log().is_empty());
    let found = data(&mut ask(&["hub", "--online"], hub.endpoint()), 0);
    assert!(lines(&found, "hub", "ok")[0]["data"]["answered_after_s"].is_number(), "{found}");
    assert_eq!(hub.log().len(), 1);
    // A port without a server.
    let mut command = ask(&["hub", "--online"], "http://127.0.0.1:9");
    let fix = broken(&mut command, "hub", "127.0.0.1:9");
    assert!(!fix.is_empty());
    hub.fault_api(Fault::Status(401), 1);
    let mut command = ask(&["hub", "--online"], hub.endpoint());
    let fix = broken(command.env("HF_TOKEN", "hf_old"), "hub", "401");
    assert!(fix.contains("HF_TOKEN"), "{fix}");
    broken(&mut ask(&["hub", "--online"], "no address"), "hub", "HF_ENDPOINT");
}

#[test]
fn a_python_that_does_not_start_is_broken() {
    let world = world();
    let mut command = doctor(&world, &["python"]);
    let fix =
        broken(command.env("MLXK_PYTHON", "/nonexistent/python3"), "python", "does not start");
    assert!(fix.contains("MLXK_PYTHON"), "{fix}");
    let mut command = doctor(&world, &["python"]);
    let found = data(command.env("VIRTUAL_ENV", world.home.path()), 0);
    let line = lines(&found, "python", "warning");
    assert!(line[0]["fix"].as_str().unwrap().contains("unset VIRTUAL_ENV"), "{found}");
    let bin = world.home.path().join("old");
    let said = r#"{"version": "3.9.1", "packages": {"pip": null, "mlx": "0.29.0"}}"#;
    program(bin.join("python3"), &format!("#!/bin/sh\necho '{said}'\n"));
    let mut command = doctor(&world, &["python"]);
    search(&mut command, &[&bin]);
    let found = data(&mut command, 0);
    let line = lines(&found, "python", "warning")[0];
    assert!(line["text"].as_str().unwrap().contains("has no pip"), "{line}");
    assert!(line["text"].as_str().unwrap().contains("mlx 0.29.0"), "{line}");
}

#[test]
fn a_shell_without_completions_is_told_how_to_get_them() {
    let world = world();
    let mut command = doctor(&world, &["completions"]);
    let found = data(command.env("SHELL", "/usr/bin/fish"), 0);
    let line = lines(&found, "completions", "warning")[0];
    assert_eq!(line["fix"], "mlxk completions fish > ~/.config/fish/completions/mlxk.fish");
}

#[test]
fn what_is_safe_to_repair_is_repaired() {
    let world = world();
    let fish = |arguments: &[&str]| {
        let mut command = doctor(&world, arguments);
        data(command.env("SHELL", "/usr/bin/fish"), 0)
    };
    let fixed = fish(&["completions", "--fix"]);
    assert!(lines(&fixed, "completions", "ok")[0]["text"].as_str().unwrap().starts_with("Fixed"));
    let file = world.home.path().join(".config/fish/completions/mlxk.fish");
    assert!(std::fs::read_to_string(file).unwrap().contains("mlxk"));
    assert_eq!(lines(&fish(&["completions"]), "completions", "warning"), [&Value::Null; 0]);
    // Zsh loads them from its startup file, whose text stays. A comment loads nothing.
    let startup = world.home.path().join(".zshrc");
    std::fs::write(&startup, "# source <(mlxk completions zsh)\nalias a=b").unwrap();
    let zsh = |arguments: &[&str]| {
        let mut command = doctor(&world, arguments);
        data(command.env("SHELL", "/bin/zsh"), 0)
    };
    assert_eq!(lines(&zsh(&["completions"]), "completions", "warning").len(), 1);
    zsh(&["completions", "--fix"]);
    assert_eq!(
        std::fs::read_to_string(startup).unwrap(),
        "# source <(mlxk completions zsh)\nalias a=b\nsource <(mlxk completions zsh)\n"
    );
    assert_eq!(lines(&zsh(&["completions"]), "completions", "warning"), [&Value::Null; 0]);
}

#[test]
fn broken_lines_have_a_mark_and_a_fix() {
    let world = world();
    std::fs::remove_file(snapshot(&world).join("config.json")).unwrap();
    let (stdout, stderr) = streams(&doctor(&world, &["config", "models"]).assert().code(1));
    let home = path(world.home.path());
    insta::assert_snapshot!("doctor", format!("{}{stderr}", stdout.replace(home, "[HOME]")));
    doctor(&world, &["nosuch"]).assert().code(2);
}

/// Mesa's layer for displays would print a line of its own for each look at the GPUs.
#[test]
fn without_a_session_only_the_checks_are_printed() {
    let world = World::new();
    let mut command = world.mlxk(&["doctor", "gpu"]);
    command.env_remove("XDG_RUNTIME_DIR").env_remove("WAYLAND_DISPLAY");
    let (text, stderr) = streams(&command.assert().success());
    assert!(text.contains("gpu") && !stderr.contains("XDG_RUNTIME_DIR"), "{stderr}");
}
