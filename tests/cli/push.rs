//! `mlxk push` to a hub over real HTTP.

use assert_cmd::Command;
use mlxk_test_hub::{Hub, Repo};
use serde_json::Value;

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

const NAME: &str = "me/Mine-4bit";

struct Scene {
    world: World,
    hub: Hub,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = checkpoint(Kind::Llama, Stored::Bits(4));
        Self { world: World::new(), hub: Hub::start(), folder }
    }

    fn mlxk(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.mlxk(&["push", path(self.folder.path()), NAME]);
        command.args(arguments);
        command.env("HF_ENDPOINT", self.hub.endpoint()).env("HF_TOKEN", "secret");
        command
    }

    /// Returns the exit code and both streams, without what differs between machines.
    fn transcript(&self, mut command: Command, shown: &str) -> String {
        let assert = command.assert();
        let code = assert.get_output().status.code().unwrap();
        let (stdout, stderr) = streams(&assert);
        let text = format!("$ mlxk push {shown}\n{stdout}{stderr}exit {code}\n");
        text.replace(self.hub.endpoint(), "[HUB]").replace(path(self.folder.path()), "[FOLDER]")
    }
}

#[test]
fn a_model_goes_up_and_comes_down_again() {
    let scene = Scene::new();
    let (stdout, _) = streams(&scene.mlxk(&["--private", "--create"]).assert().success());
    assert!(stdout.starts_with("push: me/Mine-4bit@main — commit "), "{stdout}");
    assert!(stdout.contains("(+4 ~0 -0)"), "{stdout}");
    let (stdout, _) = streams(&scene.mlxk(&["--private"]).assert().success());
    assert_eq!(stdout, "push: me/Mine-4bit@main — no changes\n");

    let mut pull = scene.world.mlxk(&["pull", NAME, "--quiet"]);
    pull.env("HF_ENDPOINT", scene.hub.endpoint()).env("HF_TOKEN", "secret").assert().success();
    let run = ["run", NAME, "Hello", "--max-tokens", "3", "--temperature", "0"];
    scene.world.mlxk(&run).assert().success();
}

#[test]
fn json_has_the_words_of_mlx_knife() {
    let scene = Scene::new();
    let envelope = |arguments: &[&str]| -> Value {
        let assert = scene.mlxk(arguments).arg("--json").assert();
        serde_json::from_str(&streams(&assert).0).unwrap()
    };
    let dry = envelope(&["--public", "--create", "--dry-run"]);
    assert_eq!((&dry["status"], &dry["command"]), (&"success".into(), &"push".into()));
    assert_eq!(dry["data"]["would_create_repo"], true);
    assert_eq!(dry["data"]["change_summary"]["added"], 4);
    assert_eq!(scene.hub.is_private(NAME), None);
    let done = envelope(&["--public", "--create"]);
    assert_eq!(done["data"]["created_repo"], true);
    assert_eq!(done["data"]["uploaded_files_count"], 4);
    assert_eq!(done["data"]["commit_sha"].as_str().map(str::len), Some(40));
    assert_eq!(scene.hub.is_private(NAME), Some(false));
    let refused = envelope(&["--public", "--branch", "nosuch"]);
    assert_eq!(refused["status"], "error");
    assert_eq!(refused["error"]["type"], "hash_not_found");
    let checked = envelope(&["--check-only"]);
    assert_eq!(checked["data"]["local_files_count"], 4);
}

#[test]
fn refusals_are_explained() {
    let scene = Scene::new();
    let mut all = String::new();
    let mut say = |command, shown: &str| all += &scene.transcript(command, shown);
    say(scene.mlxk(&[]), "[FOLDER] me/Mine-4bit");
    say(scene.mlxk(&["--private"]), "[FOLDER] me/Mine-4bit --private");
    let mut no_token = scene.mlxk(&["--private"]);
    no_token.env_remove("HF_TOKEN");
    say(no_token, "[FOLDER] me/Mine-4bit --private    # without a token");
    scene.hub.add(Repo::new(NAME));
    let mut read_only = scene.mlxk(&["--private"]);
    read_only.env("HF_TOKEN", "read-only");
    say(read_only, "[FOLDER] me/Mine-4bit --private    # with a token to read only");
    say(scene.mlxk(&["--private", "--branch", "b"]), "[FOLDER] me/Mine-4bit --private --branch b");
    for (folder, repo) in [("nosuch", NAME), (path(scene.folder.path()), "bare")] {
        let command = scene.world.mlxk(&["push", folder, repo, "--private"]);
        say(command, &format!("{folder} {repo} --private"));
    }
    insta::assert_snapshot!(all.replace(path(scene.world.home.path()), "[HOME]"));
}
