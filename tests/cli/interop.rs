//! The cache is shared with huggingface_hub: each tool finds the downloads of the other.
//!
//! Runs if `MLXK_TEST_PYTHON` names a Python that has huggingface_hub.

use std::process::Command;
use std::time::Duration;

use mlxk_test_hub::Repo;
use serde_json::{Value, json};

use crate::pull::{NAME, Online, tiny};
use crate::support::{path, streams};

const VARIABLE: &str = "MLXK_TEST_PYTHON";

/// Runs `interop.py`, in the world and with the hub of the test.
fn python(online: &Online, arguments: &[&str]) -> Option<Value> {
    let python = std::env::var_os(VARIABLE)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cli/interop.py");
    let output = Command::new(python)
        .arg(script)
        .arg(arguments[0])
        .arg(online.world.cache())
        .args(&arguments[1..])
        .env("HOME", online.world.home.path())
        .env("HF_ENDPOINT", online.hub.endpoint())
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .env("HF_HUB_DISABLE_XET", "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Creates two commits, the first one tagged.
fn two_revisions() -> Repo {
    tiny().file("extra/notes.json", b"[1]").tagged("v1").next_commit().file("README.md", b"# New")
}

fn online() -> Option<Online> {
    std::env::var_os(VARIABLE)?;
    let online = Online::new();
    online.hub.add(two_revisions());
    Some(online)
}

fn complete(online: &Online, arguments: &[&str]) {
    online.hub.reset_counts();
    let (stdout, _) = streams(&online.mlxk(arguments).assert().success());
    assert!(stdout.contains("already complete"), "{arguments:?}: {stdout}");
    assert_eq!(online.hub.served_bytes(), 0, "{arguments:?}");
}

#[test]
fn huggingface_hub_finds_what_we_fetched() {
    let Some(online) = online() else { return };
    for name in [format!("{NAME}@v1"), NAME.to_owned()] {
        online.mlxk(&["pull", &name]).assert().success();
    }
    let found = python(&online, &["scan"]).unwrap();
    assert_eq!(found["warnings"], json!([]));
    let repos = found["repos"].as_array().unwrap();
    assert_eq!((repos.len(), &repos[0]["id"]), (1, &json!(NAME)));
    let revisions = repos[0]["revisions"].as_array().unwrap();
    assert_eq!(revisions.len(), 2);
    for revision in revisions {
        let refs = &revision["refs"];
        let is_main = revision["hash"] == two_revisions().commit();
        assert_eq!(*refs, if is_main { json!(["main"]) } else { json!(["v1"]) });
        let files = revision["files"].as_array().unwrap().len();
        assert_eq!(files, if is_main { 6 } else { 5 }, "{revision}");
    }
    for revision in ["main", "v1", &two_revisions().commit()] {
        let at = python(&online, &["find", NAME, revision]).unwrap();
        let folder = std::path::Path::new(at["path"].as_str().unwrap());
        assert!(folder.join("model.safetensors").is_file() && folder.join("config.json").is_file());
        assert_eq!(folder.join("README.md").is_file(), revision != "v1");
    }
    // It would download nothing again.
    online.hub.reset_counts();
    python(&online, &["fetch", NAME, "main"]).unwrap();
    assert_eq!(online.hub.served_bytes(), 0);
}

#[test]
fn we_find_what_huggingface_hub_fetched() {
    let Some(online) = online() else { return };
    for revision in ["v1", "main"] {
        python(&online, &["fetch", NAME, revision]).unwrap();
    }
    for arguments in
        [vec!["pull", NAME], vec!["pull", NAME, "--all-files"], vec!["pull", "Tiny-4bit@v1"]]
    {
        complete(&online, &arguments);
    }
    let (list, _) = streams(&online.mlxk(&["list"]).assert().success());
    assert!(list.contains(NAME), "{list}");
    let commit = two_revisions().commit();
    assert!(list.contains(&commit[..7]), "refs/main decides: {list}");
    let run = ["run", "tiny", "Hi", "--max-tokens", "1", "--no-pull"];
    online.mlxk(&run).assert().success();
}

/// Either client uploads to the same hub and finds nothing to do after the other.
#[test]
fn huggingface_hub_uploads_what_we_upload() {
    let Some(online) = online() else { return };
    let folder = online.world.home.path().join("model");
    let weights: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let files: [(&str, &[u8]); 4] = [
        ("config.json", b"{}"),
        ("README.md", b"---\nlibrary_name: mlx\n---\n# Model\n"),
        ("model.safetensors", &weights),
        ("extra/notes.txt", b"Notes"),
    ];
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    for (theirs, ours, part_bytes) in [("me/one", "me/two", 0), ("me/three", "me/four", 500_000)] {
        online.hub.set_upload_parts(part_bytes);
        python(&online, &["push", theirs, path(&folder)]).unwrap();
        let arguments = ["push", path(&folder), ours, "--create", "--private"];
        online.mlxk(&arguments).env("HF_TOKEN", "hf_test").assert().success();
        for repo in [theirs, ours] {
            assert_eq!(online.hub.is_private(repo), Some(true));
            for (name, content) in files {
                let found = online.hub.content(repo, "main", name);
                assert!(found.as_deref() == Some(content), "{name} of {repo}");
            }
        }
        // Each finds the other's upload complete.
        let before = (online.hub.received_bytes(), online.hub.names(theirs, "main"));
        let arguments = ["push", path(&folder), theirs, "--private"];
        let again = online.mlxk(&arguments).env("HF_TOKEN", "hf_test").assert().success();
        assert!(streams(&again).0.contains("no changes"), "{}", streams(&again).0);
        python(&online, &["push", ours, path(&folder)]).unwrap();
        assert_eq!((online.hub.received_bytes(), online.hub.names(theirs, "main")), before);
    }
}

/// An unfinished download of one tool does not confuse the other.
#[cfg(unix)]
#[test]
fn either_finishes_what_the_other_began() {
    let Some(online) = online() else { return };
    let content = vec![5; 1 << 20];
    online.hub.add(two_revisions().file("model-extra.safetensors", &content));
    online.hub.set_pace(Duration::from_millis(20));
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mlxk"))
        .args(["pull", NAME, "--part-size", "64", "--quiet"])
        .env_clear()
        .env("HOME", online.world.home.path())
        .env("HF_HUB_CACHE", path(&online.world.cache()))
        .env("HF_ENDPOINT", online.hub.endpoint())
        .spawn()
        .unwrap();
    while online.hub.served("model-extra.safetensors").bytes < 300_000 {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    online.hub.set_pace(Duration::ZERO);
    let at = python(&online, &["fetch", NAME, "main"]).unwrap();
    let file = std::path::Path::new(at["path"].as_str().unwrap()).join("model-extra.safetensors");
    assert!(std::fs::read(file).unwrap() == content);
    complete(&online, &["pull", NAME]);
    let blobs = online.world.cache().join("models--mlx-community--Tiny-4bit/blobs");
    let left: Vec<String> = std::fs::read_dir(blobs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("incomplete"))
        .collect();
    assert_eq!(left, [""; 0], "what is of no use any more is removed");
}
