//! `mlxk embed` on a tiny encoder whose tokens are bytes.

use serde_json::{Value, json};

use crate::support::{World, path, streams};
use mlxk_testkit::{ENCODER_POSITIONS, HIDDEN, Kind, Stored, checkpoint, encoder};

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_text_is_one_line_however_it_arrives() {
    let (world, model) = (World::new(), encoder(false));
    let model = path(model.path());
    let run = |arguments: &[&str], stdin: &str| {
        let mut command = world.mlxk(&["embed", model, "--pooling", "cls"]);
        streams(&command.args(arguments).write_stdin(stdin).assert().success())
    };
    let (stdout, stderr) = run(&["a", "cat"], "");
    assert_eq!(stderr, "");
    let row = rows(&stdout).remove(0);
    assert_eq!((&row["text"], &row["metadata"]["dimensions"]), (&json!("a cat"), &json!(HIDDEN)));
    let vector = row["embedding"].as_array().unwrap();
    let length: f64 = vector.iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert!(vector.len() == HIDDEN && (length - 1.0).abs() < 1e-5);
    assert_eq!(rows(&run(&[], "a cat\n").0)[0]["embedding"], row["embedding"]);
    assert_eq!(rows(&run(&["-"], "a cat\n").0)[0]["embedding"], row["embedding"]);
    let (stdout, _) = run(&["--batch"], "a cat\n\n{\"id\": 7, \"text\": \"a cat\"}\n{a dog\n");
    let found = rows(&stdout);
    assert_eq!((found.len(), &found[1]["id"]), (3, &json!(7)));
    assert_eq!(found[0]["embedding"], row["embedding"]);
    assert_eq!(found[1]["embedding"], row["embedding"]);
    assert_eq!(found[2]["text"], "{a dog");
    let (stdout, _) = run(&["--json", "--dimensions", "8"], "a cat");
    let envelope: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&envelope["command"], &envelope["status"]), (&json!("embed"), &json!("success")));
    let record = &envelope["data"]["records"][0];
    assert_eq!(record["embedding"].as_array().unwrap().len(), 8);
    assert_eq!(record["metadata"]["dimensions"], 8);
}

#[test]
fn files_of_the_model_decide_and_guesses_are_told() {
    let (world, model) = (World::new(), encoder(false));
    let folder = path(model.path());
    let embed = |more: &[&str]| {
        let assert = world.mlxk(&["embed", folder, "a cat"]).args(more).assert().success();
        streams(&assert)
    };
    let (mean, stderr) = embed(&[]);
    assert!(stderr.contains("pools"), "{stderr}");
    let pooling = model.path().join("1_Pooling");
    std::fs::create_dir_all(&pooling).unwrap();
    std::fs::write(pooling.join("config.json"), r#"{"pooling_mode_cls_token": true}"#).unwrap();
    let prompts = r#"{"prompts": {"query": "seek: ", "code": "code: "}}"#;
    std::fs::write(model.path().join("config_sentence_transformers.json"), prompts).unwrap();
    let (first, stderr) = embed(&[]);
    assert!(stderr.is_empty() && first != mean, "{stderr}");
    assert_eq!(rows(&embed(&["--pooling", "mean"]).0), rows(&mean));
    let vector = |text: &str| rows(text)[0]["embedding"].clone();
    let query = embed(&["--query"]).0;
    assert_eq!(vector(&query), vector(&embed(&["--prompt-name", "query"]).0));
    let whole = streams(&world.mlxk(&["embed", folder, "seek: a cat"]).assert().success()).0;
    assert_eq!(vector(&query), vector(&whole));
    assert_eq!(rows(&query)[0]["text"], "a cat");
    let (_, stderr) =
        streams(&world.mlxk(&["embed", folder, "x", "--prompt-name", "sql"]).assert().code(1));
    assert!(stderr.contains("`code`, `query`"), "{stderr}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let (world, model, ranks) = (World::new(), encoder(false), encoder(true));
    let (folder, ranks) = (path(model.path()), path(ranks.path()));
    let long = "x".repeat(200);
    for (arguments, code, words) in [
        (vec!["embed", folder, "x", "--no-truncate", &long], 1, "tokens"),
        (vec!["embed", folder, "x", "--dimensions", "65"], 1, "from 1 to 64"),
        (vec!["embed", folder, "x", "--instruct", "Find it"], 1, "no instruction"),
        (vec!["embed", folder, "x", "--batch"], 2, "--batch"),
        (vec!["embed", folder, "x", "--pooling", "sum"], 2, "cls, last, mean or max"),
        (vec!["embed", ranks, "x"], 1, "/v1/rerank"),
        (vec!["run", folder, "x"], 1, "does not write text"),
    ] {
        let (stdout, stderr) = streams(&world.mlxk(&arguments).assert().code(code));
        assert!(stdout.is_empty() && stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let (_, stderr) = streams(&world.mlxk(&["embed", folder, &long]).assert().success());
    assert!(stderr.contains(&format!("cut to {ENCODER_POSITIONS} tokens")), "{stderr}");
}

#[test]
fn a_decoder_gives_its_last_state_and_lists_say_what_encoders_do() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let (stdout, stderr) =
        streams(&world.mlxk(&["embed", path(model.path()), "a cat"]).assert().success());
    assert_eq!(rows(&stdout)[0]["embedding"].as_array().unwrap().len(), HIDDEN);
    assert!(stderr.contains("using the last token (see `--pooling`)"), "{stderr}");
    for (scores, role, ability) in [(false, "embedding", "embeddings"), (true, "rerank", "rerank")]
    {
        let model = encoder(scores);
        let (stdout, _) = streams(&world.mlxk(&["show", path(model.path())]).assert().success());
        assert!(stdout.contains(&format!("Type: {role}\nCapabilities: {ability}\n")), "{stdout}");
    }
}

#[test]
fn a_converted_model_keeps_its_modules() {
    let (world, model) = (World::new(), encoder(false));
    let pooling = model.path().join("1_Pooling");
    std::fs::create_dir_all(&pooling).unwrap();
    std::fs::write(pooling.join("config.json"), r#"{"pooling_mode_cls_token": true}"#).unwrap();
    let target = world.home.path().join("eight");
    let convert = ["convert", path(model.path()), path(&target), "-q", "8", "--q-group-size", "32"];
    world.mlxk(&convert).assert().success();
    let vector = |folder| {
        let (stdout, stderr) =
            streams(&world.mlxk(&["embed", folder, "a cat", "--exact"]).assert().success());
        assert_eq!(stderr, "");
        let row = rows(&stdout).remove(0)["embedding"].clone();
        serde_json::from_value::<Vec<f64>>(row).unwrap()
    };
    let (before, after) = (vector(path(model.path())), vector(path(&target)));
    let cosine: f64 = before.iter().zip(&after).map(|(a, b)| a * b).sum();
    assert!(cosine > 0.999, "{cosine}");
}
