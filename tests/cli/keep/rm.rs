//! `mlxk rm`.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::terminal::Terminal;
use super::{snapshot_of, transcript};
use crate::support::{World, streams};

const OTHER: &str = "76543210fedcba9876543210fedcba9876543210";

/// A cache of small fixed files, so that sizes are the same everywhere.
fn world() -> World {
    let world = World::new();
    for name in ["mlx-community/Alpha-4bit", "mlx-community/Beta-4bit", "org/Beta-8bit"] {
        snapshot_of(&world, name);
    }
    world
}

pub(super) fn snapshot(world: &World, name: &str, hash: &str, branch: &str) {
    let repo = world.cache().join(format!("models--{}", name.replace('/', "--")));
    let folder = repo.join("snapshots").join(hash);
    for folder in [&folder, &repo.join("refs"), &repo.join("blobs")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(folder.join("config.json"), "{\"model_type\": \"llama\"}").unwrap();
    std::fs::write(folder.join("model.safetensors"), [0; 5000]).unwrap();
    std::fs::write(repo.join("refs").join(branch), hash).unwrap();
}

#[test]
fn in_a_pipe() {
    let world = world();
    snapshot(&world, "mlx-community/Alpha-4bit", OTHER, "old");
    let commands: [&[&str]; 22] = [
        &["rm"],
        &["rm", "nosuch"],
        &["rm", "alpa-4bit"],
        &["rm", "beta"],
        &["rm", "alpha-4BIT"],
        &["rm", "beta-8"],
        &["rm", "beta-8", "--json"],
        &["rm", "./folder"],
        &["rm", "Alpha-4bit@dddd"],
        &["rm", "Alpha-4bit@old", "--dry-run"],
        &["rm", "Alpha-4bit@old"],
        &["rm", "Alpha-4bit@old", "--json"],
        &["rm", "Alpha-4bit", "nosuch"],
        &["rm", "Alpha-4bit", "--dry-run", "--json"],
        &["rm", "Alpha-4bit", "--json"],
        &["rm", "--unused"],
        &["rm", "--unused", "Alpha-4bit"],
        &["rm", "beta-8", "--force"],
        &["rm", "org/beta-8BIT", "--force", "--json"],
        &["rm", "org/Beta-8bit", "--force"],
        &["rm", "mlx-community/Beta-4bit", "Beta-4bit"],
        &["rm", "mlx-community/Beta-4bit"],
    ];
    insta::assert_snapshot!("rm", transcript(&world, &commands));
    assert!(std::fs::read_dir(world.cache()).unwrap().next().is_none());
}

#[test]
fn what_nobody_uses() {
    let world = world();
    let repo = world.cache().join("models--org--Beta-8bit");
    std::fs::write(repo.join("blobs/orphan"), [1; 2000]).unwrap();
    let partial = repo.join("blobs/x.incomplete");
    std::fs::write(&partial, [1; 300]).unwrap();
    let yesterday = SystemTime::now() - Duration::from_hours(30);
    std::fs::File::options().write(true).open(&partial).unwrap().set_modified(yesterday).unwrap();
    snapshot(&world, "org/Beta-8bit", OTHER, "old");
    std::fs::remove_file(repo.join("refs/old")).unwrap();
    let commands: [&[&str]; 5] = [
        &["rm", "--unused"],
        &["rm", "--unused", "--dry-run"],
        &["rm", "--unused", "--json"],
        &["rm", "--unused", "--force"],
        &["rm", "--unused", "--force", "--json"],
    ];
    insta::assert_snapshot!("rm_unused", transcript(&world, &commands));
    let kept = std::fs::read_dir(repo.join("snapshots")).unwrap().count();
    assert_eq!((kept, std::fs::read_dir(repo.join("blobs")).unwrap().count()), (1, 0));
}

#[test]
fn a_repository_in_use_is_left_alone() {
    let world = world();
    let locks = world.cache().join(".locks/models--org--Beta-8bit");
    std::fs::create_dir_all(&locks).unwrap();
    let held = std::fs::File::create(locks.join("x.lock")).unwrap();
    held.lock().unwrap();
    let (stdout, _) = streams(&world.mlxk(&["rm", "org/Beta-8bit", "--json"]).assert().code(1));
    let envelope: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(envelope["error"]["type"], "locks_present");
    assert_eq!(envelope["data"]["locks_detected"], true);
    assert!(envelope["data"]["lock_files"][0].as_str().unwrap().ends_with("x.lock"));
    let (_, stderr) = streams(&world.mlxk(&["rm", "org/Beta-8bit"]).assert().code(1));
    assert!(stderr.contains("Another program is using `org/Beta-8bit`"), "{stderr}");
    assert!(stderr.contains("hint: ") && stderr.contains("--force"), "{stderr}");
    world.mlxk(&["rm", "org/Beta-8bit", "--force"]).assert().success();
    assert!(!locks.exists() && !world.cache().join("models--org--Beta-8bit").exists());
}

#[cfg(unix)]
#[test]
fn a_terminal_is_asked() {
    let world = world();
    for (answer, gone) in [("n\r", false), ("\r", false), ("\x04", false), ("y\r", true)] {
        let mut terminal = Terminal::start(&world, &["rm", "beta-8"]);
        terminal.wait_for("Remove org/Beta-8bit (5.1 KB)? [y/N]");
        terminal.send(answer);
        assert_eq!(terminal.end(), u32::from(!gone), "{answer:?}");
        terminal.wait_for(if gone {
            "Removed org/Beta-8bit (5.1 KB freed)"
        } else {
            "declined; nothing was deleted"
        });
        assert_ne!(world.cache().join("models--org--Beta-8bit").exists(), gone, "{answer:?}");
    }
    // `--force` does not ask. Without it, `rm` asks even about an exact name.
    assert_eq!(Terminal::start(&world, &["rm", "-f", "Alpha-4bit"]).end(), 0);
    let mut terminal = Terminal::start(&world, &["rm", "mlx-community/Beta-4bit"]);
    terminal.wait_for("[y/N]");
    terminal.send("yes\r");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_name_with_spaces_is_shown_run_and_removed() {
    let world = World::new();
    world.cached("org/My Own--Model");
    let table = streams(&world.mlxk(&["list"]).assert().success()).0;
    assert!(table.contains("org/My Own--Model"), "{table}");
    for name in ["org/My Own--Model", "My Own--Model", "my own"] {
        world.mlxk(&["show", name]).assert().success();
        world.mlxk(&["health", name]).assert().success();
        world.mlxk(&["run", name, "Hi", "--max-tokens", "1", "--no-pull"]).assert().success();
    }
    let (_, stderr) = streams(&world.mlxk(&["pull", "org/No Such"]).assert().code(1));
    assert!(stderr.contains("contains a space, which is not allowed"), "{stderr}");
    world.mlxk(&["rm", "org/My Own--Model", "--force"]).assert().success();
    world.mlxk(&["show", "My Own--Model"]).assert().code(1);
}
