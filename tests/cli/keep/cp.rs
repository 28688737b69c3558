//! `mlxk cp`, and the commands that accept the new names.

use serde_json::Value;

use super::{snapshot_of, transcript};
use crate::support::{World, streams};

#[test]
fn names_in_a_pipe() {
    let world = World::new();
    snapshot_of(&world, "mlx-community/Alpha-4bit");
    snapshot_of(&world, "org/Beta-8bit");
    let commands: [&[&str]; 19] = [
        &["cp"],
        &["cp", "alpha"],
        &["cp", "nosuch", "mine"],
        &["cp", "a-4", "mine"],
        &["cp", "mine", "second", "--json"],
        &["cp", "Alpha-4bit", "mine"],
        &["cp", "Alpha-4bit", "beta-8bit"],
        &["cp", "Alpha-4bit", "smollm2"],
        &["cp", "Alpha-4bit", "a/b/c"],
        &["cp", "Alpha-4bit", "x@y", "--json"],
        &["rm", "mine@main"],
        &["rm", "mine", "--json"],
        &["rm", "mine"],
        &["rm", "Alpha-4bit"],
        &["rm", "Alpha-4bit", "--force"],
        &["run", "second", "Hi", "--no-pull"],
        &["rm", "sec"],
        &["rm", "sec", "-f"],
        &["rm", "second"],
    ];
    insta::assert_snapshot!("cp", transcript(&world, &commands));
}

#[test]
fn a_name_without_its_model_says_how_to_get_it() {
    let world = World::new();
    let models = world.home.path().join("data/mlxk/models");
    std::fs::create_dir_all(&models).unwrap();
    for (name, base) in [("mine", "smollm2"), ("yours", "gone"), ("theirs", "org/Gone")] {
        let path = models.join(format!("{name}.toml"));
        std::fs::write(path, format!("from = \"{base}\"\n")).unwrap();
    }
    let (_, stderr) = streams(&world.mlxk(&["list"]).assert().success());
    for expected in [
        "smollm2 is not here. Get it with `mlxk pull mine`",
        "gone is not here. Create `gone` again",
        "org/Gone is not here. Get it with `mlxk pull theirs`",
    ] {
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn a_name_brings_its_settings_and_flags_win() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    world.mlxk(&["cp", "alpha", "mine"]).assert().success();
    let path = world.home.path().join("data/mlxk/models/mine.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "from = \"mlx-community/Alpha-4bit\"\n");
    std::fs::write(&path, text + "\n[parameters]\nmax_tokens = 3\ntemperature = 0.0\n").unwrap();
    let tokens = |arguments: &[&str]| -> (u64, Value) {
        let more = ["Hi", "--json", "--no-chat-template", "--temperature", "0"];
        let assert = world.mlxk(&[&["run"], arguments, &more].concat()).assert().success();
        let (stdout, _) = streams(&assert);
        let envelope: Value = serde_json::from_str(&stdout).unwrap();
        let data = envelope.get("data").filter(|data| data.is_object()).unwrap_or(&envelope);
        (data["usage"]["completion_tokens"].as_u64().unwrap(), data["model"].clone())
    };
    assert_eq!(tokens(&["mine"]), (3, "mine".into()));
    assert_eq!(tokens(&["mine", "--max-tokens", "5"]).0, 5);
    // The user's own defaults come after the model's.
    let config = world.home.path().join("config/mlxk");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "[defaults]\nmax_tokens = 4\n").unwrap();
    assert_eq!(tokens(&["mine"]).0, 3);
    assert_eq!(tokens(&["alpha"]).0, 4);
    assert_eq!(tokens(&["alpha", "--max-tokens", "6"]).0, 6);
}

#[test]
fn names_are_listed_with_their_base_model() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    world.mlxk(&["cp", "alpha", "mine"]).assert().success();
    let (table, _) = streams(&world.mlxk(&["list"]).assert().success());
    let line = table.lines().find(|line| line.starts_with("mine ")).unwrap();
    assert!(line.contains("| name "), "{table}");
    let (page, _) = streams(&world.mlxk(&["show", "mine"]).assert().success());
    assert!(page.contains("Base model: mlx-community/Alpha-4bit"), "{page}");
    let (json, _) = streams(&world.mlxk(&["list", "--json", "--extended"]).assert().success());
    let models: Value = serde_json::from_str(&json).unwrap();
    let found: Vec<_> = models["data"]["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (model["name"].clone(), model["derived_from"].clone()))
        .collect();
    let base = Value::from("mlx-community/Alpha-4bit");
    assert_eq!(found, [("mine".into(), base.clone()), (base, Value::Null)]);
    // A derived name has no files of its own to check.
    let (health, _) = streams(&world.mlxk(&["health"]).assert().success());
    assert!(!health.contains("mine"), "{health}");
}
