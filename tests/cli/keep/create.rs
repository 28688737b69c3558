//! `mlxk create`: Modelfiles, and the models they create.

use serde_json::Value;

use super::{snapshot_of, transcript};
use crate::support::{World, streams};

fn write(world: &World, name: &str, text: &str) {
    std::fs::write(world.home.path().join(name), text).unwrap();
}

/// Runs a command. Returns its output.
fn printed(world: &World, arguments: &[&str]) -> String {
    streams(&world.mlxk(arguments).current_dir(world.home.path()).assert().success()).0
}

#[test]
fn modelfiles_in_a_pipe() {
    let world = World::new();
    snapshot_of(&world, "mlx-community/Alpha-4bit");
    write(
        &world,
        "coder.ollama",
        "# As the Makefile wants it.\nFROM Alpha-4bit\nTEMPLATE \"\"\"{{ .Prompt }}\n\"\"\"\n\
         SYSTEM \"\"\"Answer with\ncode only.\"\"\"\nPARAMETER num_ctx 4096\nPARAMETER stop <end>\n\
         MESSAGE user Hi\nLICENSE MIT\n",
    );
    write(&world, "plain.ollama", "FROM coder:latest\nPARSER x\nSYSTEM \"\"\n");
    write(&world, "lora.ollama", "FROM Alpha-4bit\nADAPTER ./lora\n");
    write(&world, "unknown.ollama", "FROM Alpha-4bit\n\nPARAMETER temprature 1\n");
    write(&world, "circle.ollama", "FROM plain\n");
    write(&world, "nosuch.ollama", "FROM org/nosuch\n");
    let no_template: &[&str] = &["create", "coder", "-f", "coder.ollama"];
    let mut seen = transcript(&world, &[no_template]);
    let snapshot =
        "hub/models--mlx-community--Alpha-4bit/snapshots/0123456789abcdef0123456789abcdef01234567";
    write(&world, &format!("{snapshot}/chat_template.jinja"), "{{ messages[0].content }}");
    let commands: [&[&str]; 20] = [
        &["create"],
        &["create", "coder"],
        &["create", "coder", "-f", "coder.ollama", "--strict"],
        &["create", "coder", "-f", "coder.ollama"],
        &["create", "coder", "--file", "coder.ollama"],
        &["create", "coder", "--file", "coder.ollama", "--json"],
        &["create", "coder", "--file", "coder.ollama", "--json", "--force"],
        &["create", "plain", "-f", "plain.ollama"],
        &["show", "coder", "--modelfile"],
        &["show", "plain", "--modelfile"],
        &["show", "Alpha-4bit", "--modelfile"],
        &["show", "plain", "--modelfile", "--files"],
        &["create", "Alpha-4bit", "-f", "coder.ollama"],
        &["create", "x", "-f", "lora.ollama"],
        &["create", "x", "-f", "unknown.ollama", "--json"],
        &["create", "coder", "-f", "circle.ollama", "--force"],
        &["create", "x", "-f", "nosuch.ollama", "--no-pull"],
        &["rm", "coder"],
        &["rm", "coder", "--force"],
        &["show", "plain", "--modelfile"],
    ];
    seen.push_str("\n\n");
    seen.push_str(&transcript(&world, &commands));
    insta::assert_snapshot!("create", seen);
}

#[test]
fn what_show_prints_makes_the_same_model() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    let text = "FROM mlx-community/Alpha-4bit\nSYSTEM \"\"\"Two\n\"lines\".\"\"\"\n\
                PARAMETER num_predict 3\nPARAMETER stop \"\"\"\n\"\"\"\nMESSAGE user Hi\n";
    write(&world, "Modelfile", text);
    printed(&world, &["create", "mine"]);
    assert_eq!(printed(&world, &["show", "mine", "--modelfile"]), text);
    let page = printed(&world, &["show", "mine"]);
    for line in [
        "Base model: mlx-community/Alpha-4bit",
        r#"System: Two "lines"."#,
        "Parameter: num_predict 3",
        r"Parameter: stop \n",
        "Message: user Hi",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    let found: Value = serde_json::from_str(&printed(&world, &["show", "mine", "--json"])).unwrap();
    let overrides = &found["data"]["overrides"];
    assert_eq!(overrides["parameters"]["max_tokens"], 3);
    assert_eq!(overrides["messages"][0]["content"], "Hi");
}

#[test]
fn a_created_model_answers_as_its_modelfile_says() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    write(
        &world,
        "Modelfile",
        "FROM Alpha-4bit\nSYSTEM abc\nMESSAGE user ab\nMESSAGE assistant cab\n\
         PARAMETER num_predict 2\nPARAMETER temperature 0\n",
    );
    printed(&world, &["create", "mine"]);
    let usage = |arguments: &[&str]| -> (u64, u64) {
        let text = printed(&world, &[&["run"], arguments, &["Hi", "--json"]].concat());
        let found: Value = serde_json::from_str(&text).unwrap();
        let data = found.get("data").filter(|data| data.is_object()).unwrap_or(&found);
        let usage = &data["usage"];
        (usage["prompt_tokens"].as_u64().unwrap(), usage["completion_tokens"].as_u64().unwrap())
    };
    let (plain, _) = usage(&["alpha", "--max-tokens", "1"]);
    let (with_all, answered) = usage(&["mine"]);
    assert!(with_all > plain + 4, "{with_all} and {plain} tokens");
    assert_eq!(answered, 2);
    // A model based on it can remove its system prompt, and keeps its messages.
    write(&world, "Modelfile", "FROM mine\nSYSTEM \"\"\nPARAMETER num_predict 3\n");
    printed(&world, &["create", "silent"]);
    let (without_system, answered) = usage(&["silent"]);
    assert!(plain < without_system && without_system < with_all, "{without_system} tokens");
    assert_eq!(answered, 3);
    // The same holds in a batch, and in a chat, which shows them.
    write(&world, "prompts", "\"Hi\"\n");
    let batch = printed(&world, &["run", "mine", "--batch", "prompts"]);
    let found: Value = serde_json::from_str(&batch).unwrap();
    assert_eq!(found["usage"]["prompt_tokens"], with_all);
    let chat = world.mlxk(&["chat", "mine"]).write_stdin("/history\n/undo\n/bye\n").assert();
    let (stdout, stderr) = streams(&chat.success());
    assert!(stderr.contains(">>> ab") && stdout.contains("cab"), "{stdout}{stderr}");
    assert!(stderr.contains("Nothing to undo"), "{stderr}");
}

#[test]
fn names_without_a_model_are_marked() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    printed(&world, &["cp", "alpha", "mine"]);
    std::fs::remove_dir_all(world.cache()).unwrap();
    let table = printed(&world, &["list"]);
    let line = table.lines().find(|line| line.starts_with("mine ")).unwrap();
    assert!(line.contains("| name? "), "{table}");
    let found: Value =
        serde_json::from_str(&printed(&world, &["list", "--json", "--extended"])).unwrap();
    let model = &found["data"]["models"][0];
    assert_eq!((&model["health"], &model["cached"]), (&"unhealthy".into(), &false.into()));
    assert_eq!(model["derived_from"], "mlx-community/Alpha-4bit");
    let reason = model["reason"].as_str().unwrap();
    assert!(reason.contains("is not on this machine"), "{reason}");
}
