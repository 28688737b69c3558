//! Behaviour that scripts rely on: sources of the prompt, answers as data, many prompts at once.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint, checkpoint_with};

/// Returns the envelope of a short greedy answer.
fn envelope(world: &World, arguments: &[&str], stdin: &str) -> Value {
    let mut command = world.mlxk(arguments);
    command.args(["--json", "--temperature", "0", "--max-tokens", "4"]);
    let (stdout, stderr) = streams(&command.write_stdin(stdin).assert().success());
    assert_eq!(stderr, "", "{arguments:?}");
    data(&stdout)
}

/// Returns the `data` of a successful envelope.
fn data(stdout: &str) -> Value {
    let mut envelope: Value = serde_json::from_str(stdout).unwrap();
    let head = [&envelope["status"], &envelope["command"], &envelope["error"]];
    assert_eq!(head, [&json!("success"), &json!("run"), &Value::Null]);
    envelope["data"].take()
}

#[test]
fn the_prompt_is_what_was_piped_then_what_was_typed() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let model = path(model.path());
    let file = world.home.path().join("prompt.txt");
    std::fs::write(&file, "from a file\n").unwrap();
    let file = path(&file);
    let cases: [(&[&str], &str, &str); 9] = [
        (&["one", "two"], "", "one two"),
        (&["explain"], "some code\n", "some code\n\nexplain"),
        (&["explain", "-"], "some code", "some code\n\nexplain"),
        (&["explain", "--no-stdin"], "some code", "explain"),
        (&[], "alone\r\n", "alone"),
        (&["-"], "alone", "alone"),
        (&["--prompt", "an option"], "", "an option"),
        (&["--prompt-file", file], "", "from a file"),
        (&["--prompt-file", file], "piped", "piped\n\nfrom a file"),
    ];
    for (words, stdin, expected) in cases {
        let found = envelope(&world, &[&["run", model][..], words].concat(), stdin);
        assert_eq!(found["prompt"], expected, "{words:?}");
    }
}

#[test]
fn a_silent_pipe_is_waited_for_with_a_hint() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mlxk"))
        .args(["run", path(model.path()), "Hi", "--max-tokens", "2"])
        .env("XDG_DATA_HOME", world.home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut hint = String::new();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut stderr, &mut hint).unwrap();
    assert!(hint.contains("--no-stdin"), "{hint}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn several_answers_differ_by_their_seeds_and_come_again() {
    let (world, model) = (World::new(), checkpoint(Kind::Qwen2, Stored::Bits(8)));
    let run = |more: &[&str]| {
        let arguments = ["run", path(model.path()), "Hello", "--max-tokens", "12", "--no-stdin"];
        streams(&world.mlxk(&[&arguments[..], more].concat()).assert().success()).0
    };
    let lines: Vec<Value> = run(&["--n", "3", "--seed", "7", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!((&line["index"], &line["seed"]), (&json!(index), &json!(7 + index)));
        let seed = (7 + index).to_string();
        let alone = data(&run(&["--seed", &seed, "--json"]));
        assert_eq!(alone["response"], line["response"]);
    }
    let text = run(&["--n", "2", "--seed", "7"]);
    for part in ["=== 1 of 2 ===", "=== 2 of 2 ===", lines[1]["response"].as_str().unwrap()] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn log_probabilities_are_part_of_the_envelope() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Dense));
    let found = envelope(&world, &["run", path(model.path()), "Hello", "--logprobs", "3"], "");
    let tokens = found["logprobs"].as_array().unwrap();
    assert_eq!(tokens.len(), 4);
    for token in tokens {
        assert!(token["logprob"].as_f64().unwrap() < 0.0);
        let top = token["top"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["id"]), (3, &token["id"]), "{token}");
    }
}

#[test]
fn a_batch_gives_the_answers_of_single_runs_in_order() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let model = path(model.path());
    let mut lines = vec![
        json!("A plain line").to_string(),
        json!({"id": "x", "prompt": "With an id", "max_tokens": 3}).to_string(),
        String::new(),
        json!({"messages": [{"role": "user", "content": "As messages"}], "seed": 9}).to_string(),
        json!({"prompt": "word ".repeat(200)}).to_string(),
    ];
    lines.extend((0..40).map(|n| json!(format!("Prompt number {n}")).to_string()));
    let file = world.home.path().join("prompts.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let options = ["--seed", "4", "--max-tokens", "16", "--no-stdin"];
    let arguments = [&["run", model, "--batch", path(&file)][..], &options[..4]].concat();
    // One prompt is longer than the context. Its error is in its place, and the command fails.
    let (stdout, _) = streams(&world.mlxk(&arguments).assert().code(1));
    let answers: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 44);
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer["index"], index);
    }
    assert_eq!(answers[1]["id"], "x");
    assert_eq!(answers[1]["usage"]["completion_tokens"], 3);
    assert!(answers[3]["error"].as_str().unwrap().contains("context of 512"), "{}", answers[3]);
    for index in [0, 4, 20, 43] {
        let prompt = answers[index]["prompt"].as_str().unwrap();
        let single = [&["run", model, prompt, "--json"][..], &options].concat();
        let (stdout, _) = streams(&world.mlxk(&single).assert().success());
        assert_eq!(data(&stdout)["response"], answers[index]["response"], "{prompt}");
    }
    let mut piped = world.mlxk(&["run", model, "--batch", "-", "--max-tokens", "2"]);
    let piped = piped.write_stdin("\"Hello\"\n").assert().success();
    assert_eq!(streams(&piped).0.lines().count(), 1);
}

#[test]
fn a_format_is_enforced() {
    let changes = json!({"max_position_embeddings": 4096});
    let (world, model) = (World::new(), checkpoint_with(Kind::Llama, Stored::Bits(4), &changes));
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"], "additionalProperties": false})
    .to_string();
    let file = world.home.path().join("schema.json");
    std::fs::write(&file, &schema).unwrap();
    for format in [schema.as_str(), path(&file)] {
        let arguments = ["run", path(model.path()), "Well?", "--no-stdin", "--format", format];
        let (stdout, _) = streams(&world.mlxk(&arguments).assert().success());
        let value: Value = serde_json::from_str(&stdout).unwrap();
        assert!(value["ok"].is_boolean() && value.as_object().unwrap().len() == 1, "{stdout}");
    }
}

#[test]
fn a_prompt_cache_saves_the_prompt_and_changes_no_answer() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let file = world.home.path().join("prompt.cache");
    let long = "A prefix that is long enough to be worth something. ".repeat(4);
    let run = |prompt: &str, more: &[&str]| {
        let arguments = ["run", path(model.path()), prompt];
        envelope(&world, &[&arguments[..], more].concat(), "")
    };
    let cached = ["--prompt-cache", path(&file)];
    let reused = |found: &Value| found["usage"]["cached_tokens"].as_u64().unwrap();
    let first = run(&format!("{long}One"), &cached);
    assert_eq!(reused(&first), 0);
    let bytes = std::fs::read(&file).unwrap();
    // Another prompt with the same beginning.
    let second = run(&format!("{long}Two"), &cached);
    assert!(reused(&second) > 200, "{second}");
    assert_eq!(second["response"], run(&format!("{long}Two"), &[])["response"]);
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "half of it was reused: the file stays");
    run("Something else", &cached);
    assert_ne!(std::fs::read(&file).unwrap(), bytes, "nothing was reused: the file is replaced");

    std::fs::write(&file, &bytes).unwrap();
    let other = checkpoint(Kind::Llama, Stored::Bits(8));
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    let cases: [(&std::path::Path, Vec<u8>, &[&str], &str); 6] = [
        (other.path(), bytes.clone(), &[], "other weights"),
        (model.path(), bytes.clone(), &["--exact"], "exact"),
        (model.path(), damaged, &[], "damaged"),
        (model.path(), bytes[..bytes.len() - 9].to_vec(), &[], "truncated"),
        (model.path(), b"hello".to_vec(), &[], "not a prompt cache"),
        (model.path(), bytes.clone(), &["--ctx", "32"], "context of 32"),
    ];
    for (model, bytes, more, word) in cases {
        std::fs::write(&file, &bytes).unwrap();
        let arguments = [&["run", path(model), "Hi", "--no-stdin"][..], &cached, more].concat();
        let (stdout, stderr) = streams(&world.mlxk(&arguments).assert().code(1));
        assert_eq!(stdout, "");
        assert!(stderr.contains(word) && stderr.contains("prompt.cache`"), "{stderr}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "a file that is refused stays as it is");
    }
}

#[test]
fn options_of_the_older_tool_are_accepted() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let base = ["run", path(model.path()), "Hi", "--no-stdin", "--max-tok", "3"];
    for more in [
        &["--hide-reasoning"][..],
        &["--no-reasoning", "-v"],
        &["--temp", "0.5", "--repetition-penalty", "1.1", "--top-p", "0.9"],
        &["--no-chat-template", "--no-stream"],
    ] {
        world.mlxk(&[&base[..], more].concat()).assert().success();
    }
}
