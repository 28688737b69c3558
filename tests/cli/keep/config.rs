//! `mlxk config`, and that the settings it shows are in effect.

use serde_json::Value;

use super::transcript;
use crate::support::{World, streams};

#[test]
fn from_nothing_to_a_file() {
    let world = World::new();
    let commands: [&[&str]; 5] = [
        &["config"],
        &["config", "--init"],
        &["config", "--init"],
        &["config", "--init", "--json"],
        &["config"],
    ];
    insta::assert_snapshot!("config", transcript(&world, &commands));
    let path = world.home.path().join("config/mlxk/config.toml");
    // Every setting of the example works without its comment sign.
    let text = std::fs::read_to_string(&path).unwrap();
    let uncommented: Vec<String> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => setting.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    std::fs::write(&path, uncommented.join("\n")).unwrap();
    insta::assert_snapshot!("config_full", transcript(&world, &[&["config"]]));
}

#[test]
fn the_environment_wins_and_is_named() {
    let world = World::new();
    let folder = world.home.path().join("config/mlxk");
    std::fs::create_dir_all(&folder).unwrap();
    let text = "offline = true\n[defaults]\nctx = 100\nthreads = 2\n[pairs]\n\"a:b\" = \"org/B\"\n";
    std::fs::write(folder.join("config.toml"), text).unwrap();
    let assert =
        world.mlxk(&["config", "--json"]).env("MLXK_CTX", "200").env("MLXK_TOP_K", "").assert();
    let envelope: Value = serde_json::from_str(&streams(&assert.success()).0).unwrap();
    let data = &envelope["data"];
    let found = |name: &str| {
        let settings = data["settings"].as_array().unwrap();
        let setting = settings.iter().find(|setting| setting["name"] == name).unwrap();
        (setting["value"].clone(), setting["origin"].clone(), setting["line"].clone())
    };
    assert_eq!(found("offline"), (true.into(), "file".into(), 1.into()));
    assert_eq!(found("defaults.ctx"), (200.into(), "environment".into(), Value::Null));
    assert_eq!(found("defaults.threads"), (2.into(), "file".into(), 4.into()));
    assert_eq!(found("defaults.top_k"), (Value::Null, "default".into(), Value::Null));
    assert_eq!(data["pairs"]["a:b"], "org/B");
    // Offline mode and the pair are in effect.
    let (_, stderr) = streams(&world.mlxk(&["run", "a:b", "Hi"]).assert().code(1));
    assert!(stderr.contains("org/B"), "{stderr}");
}

#[test]
fn one_setting_is_changed() {
    let world = World::new();
    let out = |words: &[&str], code| {
        let words = [&["config"], words].concat();
        streams(&world.mlxk(&words).assert().code(code))
    };
    assert_eq!(out(&["get", "defaults.ctx"], 0).0, "");
    let (_, said) = out(&["set", "defaults.ctx", "4096"], 0);
    assert!(said.starts_with("Set defaults.ctx to 4096 in "), "{said}");
    out(&["set", "defaults.system", "-- be brief"], 0);
    assert_eq!(out(&["get", "defaults.ctx"], 0).0, "4096\n");
    assert_eq!(out(&["get", "defaults.system"], 0).0, "-- be brief\n");
    let (_, refused) = out(&["set", "defaults.ctx", "many"], 2);
    assert!(refused.contains("`defaults.ctx` is `many`, but must be a whole number"), "{refused}");
    assert!(out(&["get", "defaults.ctxx"], 2).1.contains("is not a setting"));
    for meant in ["server.ctx", "num_ctx", "ctx"] {
        assert!(out(&["get", meant], 2).1.contains("did you mean `defaults.ctx`?"), "{meant}");
    }
    assert!(out(&["get", "offline", "--init"], 2).1.contains("--init"));
    let assert = world.mlxk(&["config", "unset", "defaults.ctx"]).env("MLXK_CTX", "100").assert();
    let (_, said) = streams(&assert.success());
    assert!(said.contains("warning: `MLXK_CTX` is set and overrides the file"), "{said}");
    let file = world.home.path().join("config/mlxk/config.toml");
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text, "[defaults]\nsystem = \"-- be brief\"\n");
}

#[test]
fn an_invalid_file_stops_every_command() {
    let world = World::new();
    let path = world.home.path().join("config.toml");
    std::fs::write(&path, "\n[defaults]\ntemprature = 1\n").unwrap();
    for words in [&["list"][..], &["run", "x", "Hi"], &["config"], &[]] {
        let assert = world.mlxk(words).env("MLXK_CONFIG", &path).assert().code(2);
        let (stdout, stderr) = streams(&assert);
        assert_eq!(stdout, "", "{words:?}");
        assert!(
            stderr.contains("config.toml`, line 3: unknown setting `defaults.temprature`"),
            "{stderr}"
        );
        assert!(stderr.contains("hint: "), "{stderr}");
    }
    let assert = world.mlxk(&["list", "--json"]).env("MLXK_CONFIG", &path).assert().code(2);
    let envelope: Value = serde_json::from_str(&streams(&assert).0).unwrap();
    assert_eq!(envelope["error"]["type"], "ValidationError");
    world.mlxk(&["--help"]).env("MLXK_CONFIG", &path).assert().success();
    world.mlxk(&["completions", "bash"]).env("MLXK_CONFIG", &path).assert().success();
    let assert = world.mlxk(&["list"]).env("MLXK_CONFIG", "/no/such.toml").assert().code(2);
    assert!(streams(&assert).1.contains("`MLXK_CONFIG`: the file `/no/such.toml` does not exist"));
    let assert = world.mlxk(&["list"]).env("MLXK_THREADS", "some").assert().code(2);
    let expected = "`MLXK_THREADS` is `some`, but must be a whole number from 1 to 4096";
    assert!(streams(&assert).1.contains(expected));
}
