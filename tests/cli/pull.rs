//! `mlxk pull`, `mlxk search`, and the automatic pull of `mlxk run`, from a hub over real HTTP.

use assert_cmd::Command;
use mlxk_test_hub::{Fault, Hub, Repo};
use serde_json::{Value, json};

use crate::support::{World, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

pub(crate) const NAME: &str = "mlx-community/Tiny-4bit";

/// A home folder, and a hub with a supported model.
pub(crate) struct Online {
    pub(crate) world: World,
    pub(crate) hub: Hub,
}

impl Online {
    pub(crate) fn new() -> Self {
        let hub = Hub::start();
        hub.add(tiny());
        Self { world: World::new(), hub }
    }

    pub(crate) fn mlxk(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.mlxk(arguments);
        command.env("HF_ENDPOINT", self.hub.endpoint());
        command
    }

    /// Removes from the output what differs between machines.
    fn shown(&self, text: &str) -> String {
        let home = self.world.home.path().to_str().unwrap();
        let text = text.replace(self.hub.endpoint(), "[HUB]").replace(home, "[HOME]");
        let lines = text.lines().map(|line| match line.split_once("Disk          ") {
            Some((start, _)) => format!("{start}Disk          [ROOM] free"),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn tiny() -> Repo {
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    Repo::new(NAME).folder(folder.path()).downloads(7)
}

/// Returns the exit code and both streams of a command.
fn transcript(online: &Online, arguments: &[&str]) -> String {
    let assert = online.mlxk(arguments).assert();
    let code = assert.get_output().status.code().unwrap();
    let (stdout, stderr) = streams(&assert);
    let blocks = format!("$ mlxk {}\n{stdout}{stderr}exit {code}\n", arguments.join(" "));
    online.shown(&blocks)
}

#[test]
fn pulls_for_people() {
    let online = Online::new();
    let hub = &online.hub;
    hub.add(Repo::new("org/Gated").file("config.json", b"{}").gated("hf_x"));
    hub.add(
        Repo::new("org/Mamba")
            .file("config.json", br#"{"model_type": "plamo3"}"#)
            .file("model.safetensors", b"weights"),
    );
    hub.add(Repo::new("org/Gguf").file("model.gguf", b"GGUF"));
    let commands: [&[&str]; 13] = [
        &["pull", "Tiny-4bit"],
        &["pull", NAME],
        &["pull", NAME, "--quiet"],
        &["pull", "Tiny-4bit@v1"],
        &["pull", "org/Nothing"],
        &["pull", "org/Gated"],
        &["pull", "org/Mamba"],
        &["pull", "org/Mamba", "--force"],
        &["pull", "org/Gguf"],
        &["pull", "tiny"],
        &["pull", "a/b/c"],
        &["pull", "nosuch:1b"],
        &["pull", NAME, "org/Mamba", "--json"],
    ];
    let all: Vec<String> = commands.iter().map(|words| transcript(&online, words)).collect();
    insta::assert_snapshot!("pulls", all.join("\n\n"));
}

#[test]
fn json_is_one_envelope_and_progress_is_lines_of_it() {
    let online = Online::new();
    let ask = |arguments: &[&str], code| {
        let assert = online.mlxk(arguments).assert().code(code);
        let (stdout, stderr) = streams(&assert);
        let events: Vec<Value> =
            stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        (serde_json::from_str::<Value>(&stdout).unwrap(), events)
    };
    let (envelope, events) = ask(&["pull", "Tiny-4bit", "--json"], 0);
    assert_eq!(envelope["status"], "success");
    let data = &envelope["data"];
    assert_eq!(data["model"], NAME);
    assert_eq!(data["download_status"], "success");
    assert_eq!(data["expanded_name"], NAME);
    assert_eq!(data["commit_hash"], tiny().commit());
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["stage", "plan", "stage"]);
    let plan = &events[1];
    assert_eq!((&plan["model_type"], &plan["runs"]), (&json!("llama"), &json!(true)));
    assert_eq!(plan["download_bytes"], data["fetched_bytes"]);
    let last = events.iter().rfind(|event| event["event"] == "progress").unwrap();
    assert_eq!(last["done_bytes"], last["total_bytes"]);
    let (envelope, events) = ask(&["pull", NAME, "--json"], 0);
    assert_eq!(envelope["data"]["download_status"], "already_exists");
    assert_eq!(envelope["data"]["expanded_name"], Value::Null);
    assert_eq!(events.len(), 0);
    let (envelope, _) = ask(&["pull", "org/Nothing", "--json"], 1);
    assert_eq!(envelope["error"]["type"], "access_denied");
    assert_eq!(envelope["data"]["download_status"], "access_denied");
    let (envelope, _) = ask(&["pull", "a/b/c", "--json"], 1);
    assert_eq!(envelope["error"]["type"], "ValidationError");
}

#[test]
fn an_intact_model_needs_no_hub_and_a_damaged_one_does() {
    let online = Online::new();
    online.mlxk(&["pull", NAME]).assert().success();
    online.hub.reset_counts();
    for words in [&["pull", NAME][..], &["pull", "Tiny-4bit"], &["pull", NAME, "--json"]] {
        // No one listens on this port.
        let mut alone = online.mlxk(words);
        let assert = alone.env("HF_ENDPOINT", "http://127.0.0.1:9").assert().success();
        assert!(streams(&assert).0.contains("already here and intact"), "{words:?}");
    }
    assert!(online.hub.log().is_empty());
    online.mlxk(&["pull", NAME, "--update"]).assert().success();
    assert!(!online.hub.log().is_empty(), "the hub was asked for a newer revision");
    let snapshot = online
        .world
        .cache()
        .join("models--mlx-community--Tiny-4bit/snapshots")
        .join(tiny().commit());
    let tokenizer = snapshot.join("tokenizer.json");
    std::fs::remove_file(std::fs::canonicalize(&tokenizer).unwrap()).unwrap();
    let mut alone = online.mlxk(&["pull", NAME]);
    alone.env("HF_ENDPOINT", "http://127.0.0.1:9").assert().code(1);
    online.mlxk(&["pull", NAME]).assert().success();
    assert!(tokenizer.is_file());
}

#[test]
fn run_pulls_a_missing_model_unless_refused() {
    let online = Online::new();
    let prompt = ["run", "Tiny-4bit", "Hi", "--max-tokens", "1"];
    let refused = online.mlxk(&prompt).arg("--no-pull").assert().code(1);
    let (_, stderr) = streams(&refused);
    assert!(stderr.contains("with `mlxk pull mlx-community/Tiny-4bit`"), "{stderr}");
    let offline = online.mlxk(&prompt).env("HF_HUB_OFFLINE", "1").assert().code(1);
    assert!(streams(&offline).1.contains("offline mode is on"));
    assert!(online.hub.log().is_empty(), "no word to the hub");
    let (_, stderr) = streams(&online.mlxk(&prompt).assert().success());
    let first = stderr.lines().next().unwrap();
    assert!(first.starts_with(&format!("Downloading {NAME} from ")), "{stderr}");
    assert!(first.contains("llama, 4-bit"), "{stderr}");
    online.hub.reset_counts();
    online.mlxk(&prompt).assert().success();
    assert!(online.hub.log().is_empty(), "what is here needs no hub");
    let nowhere = online.mlxk(&["run", "Tiny-4bat", "Hi"]).assert().code(1);
    let (_, stderr) = streams(&nowhere);
    assert!(stderr.contains(&format!("Did you mean `{NAME}`?")), "{stderr}");
    assert!(online.hub.log().is_empty(), "a mistyped name needs no hub");
    let nowhere = online.mlxk(&["run", "Tony-4but", "Hi"]).assert().code(1);
    let (_, stderr) = streams(&nowhere);
    assert!(stderr.contains("the hub has no repository `mlx-community/Tony-4but`"), "{stderr}");
}

#[test]
fn search_lists_models_of_the_hub() {
    let online = Online::new();
    online.hub.add(Repo::new("org/Tiny-PyTorch").tags(&["pytorch"]).downloads(100));
    online.hub.add(Repo::new("org/Tiny-Gated").gated("hf_x").downloads(50));
    online.mlxk(&["pull", NAME, "--quiet"]).assert().success();
    let commands: [&[&str]; 4] = [
        &["search", "tiny"],
        &["search", "tiny", "--all", "--limit", "2"],
        &["search", "nosuch", "words"],
        &["search"],
    ];
    let all: Vec<String> = commands.iter().map(|words| transcript(&online, words)).collect();
    insta::assert_snapshot!("searches", all.join("\n\n"));
    let (stdout, _) = streams(&online.mlxk(&["search", "tiny", "--json"]).assert().success());
    let envelope: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(envelope["data"]["count"], 2);
    assert_eq!(envelope["data"]["models"][0]["name"], "org/Tiny-Gated");
    assert_eq!(envelope["data"]["models"][1]["cached"], true);
    let offline = online.mlxk(&["search", "x"]).env("HF_HUB_OFFLINE", "1").assert().code(1);
    assert!(streams(&offline).1.contains("offline mode is on"));
}

#[test]
fn a_token_is_used_and_named_and_never_shown() {
    let online = Online::new();
    online.hub.add(tiny().gated("hf_good"));
    let refused = online.mlxk(&["pull", NAME]).env("HF_TOKEN", "hf_bad").assert().code(1);
    let (_, stderr) = streams(&refused);
    assert!(stderr.contains("token from the variable `HF_TOKEN` was used"), "{stderr}");
    assert!(!stderr.contains("hf_bad"), "{stderr}");
    let folder = online.world.home.path().join(".cache/huggingface");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("token"), "hf_good\n").unwrap();
    online.mlxk(&["pull", NAME]).assert().success();
}

#[test]
fn a_silent_connection_times_out_and_the_pull_resumes() {
    let online = Online::new();
    online.hub.fault("model.safetensors", Fault::Stall(2000), 1);
    let pull = ["pull", NAME, "--stall-timeout", "1"];
    online.mlxk(&pull).assert().success();
    assert!(online.hub.faults_are_over());
}

#[test]
fn health_repairs_damaged_files_and_downloads_nothing_else() {
    let online = Online::new();
    online.mlxk(&["pull", NAME]).assert().success();
    let snapshot = online
        .world
        .cache()
        .join("models--mlx-community--Tiny-4bit/snapshots")
        .join(tiny().commit());
    let file = snapshot.join("model.safetensors");
    let whole = std::fs::read(&file).unwrap();
    let damage = |bytes: &[u8]| std::fs::write(std::fs::canonicalize(&file).unwrap(), bytes);
    let health = |more: &[&str], code| {
        online.hub.reset_counts();
        let arguments = [&["health", "Tiny-4bit"], more].concat();
        let (stdout, _) = streams(&online.mlxk(&arguments).assert().code(code));
        (stdout, online.hub.served_bytes())
    };
    damage(&whole[..whole.len() - 9]).unwrap();
    let (stdout, served) = health(&[], 1);
    assert!(stdout.contains(&format!("repair: mlxk health {NAME} --repair")), "{stdout}");
    assert_eq!(served, 0);
    let (stdout, served) = health(&["--repair"], 0);
    assert!(stdout.starts_with(&format!("healthy   {NAME}")), "{stdout}");
    assert!(stdout.contains("repaired: model.safetensors ("), "{stdout}");
    assert_eq!(served, whole.len() as u64);
    assert!(std::fs::read(&file).unwrap() == whole);
    // Only `--deep` sees a flipped bit in the weights.
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    damage(&flipped).unwrap();
    let (stdout, served) = health(&["--repair"], 0);
    assert!(stdout.contains("add `--deep` to compare every file"), "{stdout}");
    assert_eq!(served, 0);
    let (stdout, _) = health(&["--repair", "--deep", "--json", "--extended"], 0);
    let envelope: Value = serde_json::from_str(&stdout).unwrap();
    let repaired = &envelope["data"]["healthy"][0]["repaired"];
    assert_eq!(repaired["files"], json!(["model.safetensors"]));
    assert!(std::fs::read(&file).unwrap() == whole);
    online.mlxk(&["health", "--repair"]).assert().code(2);
    let folder = snapshot.to_str().unwrap();
    let refused = online.mlxk(&["health", folder, "--repair"]).assert().code(1);
    assert!(streams(&refused).1.contains("is not a repository in the Hugging Face cache"));
}
