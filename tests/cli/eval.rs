//! `mlxk eval`: against lm-evaluation-harness with the starter model, and on tiny checkpoints.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::starter;
use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/eval")
}

fn file(name: &str) -> String {
    folder().join(name).to_str().unwrap().to_owned()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// Runs the starter model in exact mode. Returns the scores by task, and the log-likelihoods of each question.
fn starter(tasks: &[&str], more: &[&str]) -> (Value, Vec<Value>) {
    let world = World::new();
    let samples = world.home.path().join("samples.jsonl");
    let mut command = world.mlxk(&["eval", "smollm2", "--exact", "--json"]);
    command
        .args(["--samples", path(&samples), "--tasks"])
        .args(tasks.iter().map(|name| file(name)));
    let assert = command.args(more).env("XDG_DATA_HOME", starter::data()).assert().success();
    let found: Value = serde_json::from_str(&streams(&assert).0).unwrap();
    let lines = std::fs::read_to_string(samples).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (found["data"]["models"][0]["tasks"].clone(), lines)
}

/// Compares the scores of a task with those of lm_eval.
fn compare(scores: &Value, samples: &[Value], expected: &Value) {
    let task = scores["task"].as_str().unwrap();
    for key in ["acc", "acc_stderr", "acc_norm", "acc_norm_stderr"] {
        if let Some(expected) = expected[key].as_f64() {
            assert!((number(&scores[key]) - expected).abs() < 1e-12, "{task}, {key}: {scores}");
        } else {
            assert_eq!(scores[key], Value::Null, "{task}, {key}");
        }
    }
    let ours = samples.iter().filter(|line| line["task"] == task);
    let ours: Vec<&Value> = ours.map(|line| &line["log_likelihoods"]).collect();
    let theirs = expected["log_likelihoods"].as_array().unwrap();
    assert_eq!(ours.len(), theirs.len(), "{task}");
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
        assert_eq!(ours.len(), theirs.len(), "{task}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((number(ours) - number(theirs)).abs() < 1e-3, "{task}: {ours}, {theirs}");
        }
    }
}

/// The committed reference comes from lm_eval's tasks and mlx-lm's model, in f32.
#[test]
fn scores_are_those_of_lm_evaluation_harness() {
    let expected = std::fs::read(folder().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let tasks = ["arc.jsonl", "hellaswag.jsonl", "astronomy_test.csv", "world_history.jsonl"];
    let (scores, samples) = starter(&tasks, &[]);
    for (index, name) in ["arc", "hellaswag", "astronomy", "history"].into_iter().enumerate() {
        compare(&scores[index], &samples, &expected["tasks"][name]);
    }
    // Both files of MMLU together.
    let mmlu = &scores[4];
    assert_eq!((&mmlu["task"], &mmlu["questions"]), (&json!("MMLU"), &json!(10)));
    for key in ["acc", "acc_stderr"] {
        assert!((number(&mmlu[key]) - number(&expected["mmlu"][key])).abs() < 1e-12, "{mmlu}");
    }
    for (task, examples, shots, name) in [
        ("arc.jsonl", "arc_examples.jsonl", "2", "arc_shots"),
        ("astronomy_test.csv", "astronomy_dev.csv", "3", "astronomy_shots"),
    ] {
        let more = ["--examples", &file(examples), "--shots", shots];
        let (scores, samples) = starter(&[task], &more);
        compare(&scores[0], &samples, &expected["tasks"][name]);
    }
}

#[test]
fn several_models_in_one_table() {
    let world = World::new();
    let dense = checkpoint(Kind::Llama, Stored::Dense);
    let small = checkpoint(Kind::Llama, Stored::Bits(4));
    let models = [path(dense.path()), path(small.path())];
    let (arc, hellaswag) = (file("arc.jsonl"), file("hellaswag.jsonl"));
    let words = ["eval", models[0], models[1], "--tasks", &arc, &hellaswag, "--limit", "3"];
    let (table, stderr) = streams(&world.mlxk(&words).assert().success());
    assert_eq!(stderr, "");
    for words in [
        "arc (ARC): 3 questions, 0 examples; guessing answers 28 %",
        "hellaswag (HellaSwag): 3 questions, 0 examples; guessing answers 25 %",
        "acc_norm",
        "reference",
    ] {
        assert!(table.contains(words), "`{words}` is not in:\n{table}");
    }
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(models[1])).collect();
    assert_eq!(rows.len(), 2, "{table}");
    let assert = world.mlxk(&[&words[..], &["--json"]].concat()).assert().success();
    let found: Value = serde_json::from_str(&streams(&assert).0).unwrap();
    assert_eq!((&found["status"], &found["command"]), (&json!("success"), &json!("eval")));
    let models = &found["data"]["models"];
    assert_eq!(models[0]["tasks"][0]["against_first"], Value::Null);
    let score = |model: usize| number(&models[model]["tasks"][0]["acc_norm"]);
    let difference = &models[1]["tasks"][0]["against_first"]["difference"];
    assert!((number(difference) - (score(1) - score(0))).abs() < 1e-12, "{models}");
}

#[test]
fn what_is_wrong_with_a_file_is_one_sentence() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Dense));
    let folder = world.home.path();
    let arc = |key: &str| {
        let choices = json!({"text": ["a", "b"], "label": ["A", "B"]});
        json!({"question": "?", "choices": choices, "answerKey": key}).to_string()
    };
    let hellaswag = json!({"activity_label": "a", "ctx_a": "b", "ctx_b": "c", "endings": ["d", "e"], "label": ""});
    for (name, text) in [
        ("empty.jsonl", String::new()),
        ("text.jsonl", "Hello\n".to_owned()),
        ("other.jsonl", "{\"prompt\": 1}\n".to_owned()),
        ("key.jsonl", arc("A") + "\n\n" + &arc("C")),
        ("field.jsonl", arc("A") + "\n{\"question\": \"?\"}"),
        ("secret.jsonl", hellaswag.to_string()),
        ("letter.csv", "What?,a,b,c,d,E\n".to_owned()),
        ("astronomy_test.csv", "question,A,B,C,D,answer\nWhat?,a,b,c,d,A\n".to_owned()),
        ("history_dev.csv", "Who?,a,b,c,d,B\n".to_owned()),
        ("list.json", format!("[{}]", arc("B"))),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let name = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let cases: [(&str, &[&str], i32, &[&str]); 11] = [
        ("missing.jsonl", &[], 1, &["Cannot read", "missing.jsonl`"]),
        ("empty.jsonl", &[], 1, &["empty.jsonl` has no questions"]),
        (
            "text.jsonl",
            &[],
            1,
            &["text.jsonl` is neither JSON Lines nor", "ARC, HellaSwag or MMLU"],
        ),
        ("other.jsonl", &[], 1, &["other.jsonl` is not a file of questions"]),
        ("key.jsonl", &[], 1, &["key.jsonl`, question 2: its answer `C` is not one of A, B"]),
        ("field.jsonl", &[], 1, &["question 2: missing field `choices`"]),
        ("secret.jsonl", &[], 1, &["question 1: it has no label; use the validation file"]),
        ("letter.csv", &[], 1, &["letter.csv`, question 1: its last field `E`", "it has 4"]),
        (
            "astronomy_test.csv",
            &["--shots", "1", "--examples", &name("history_dev.csv")],
            1,
            &[
                "`--shots` is 1, but there are only 0 examples about astronomy in the format of MMLU",
            ],
        ),
        ("list.json", &["--samples", &name("no/file")], 1, &["Cannot write `", "no/file`"]),
        ("list.json", &["--limit", "0"], 2, &["`--limit"]),
    ];
    for (tasks, more, code, words) in cases {
        let tasks = name(tasks);
        let arguments = [&["eval", path(model.path()), "--tasks", &tasks][..], more].concat();
        let (stdout, stderr) = streams(&world.mlxk(&arguments).assert().code(code));
        assert_eq!(stdout, "", "{arguments:?}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: `{word}` is not in:\n{stderr}");
        }
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}:\n{stderr}");
    }
    let (_, stderr) =
        streams(&world.mlxk(&["eval", "m", "--tasks", "f", "--shots", "2"]).assert().code(2));
    assert!(stderr.contains("--examples"), "{stderr}");
}
