//! Typical mistakes of the first day: every answer names what to do.

use std::net::TcpListener;

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

/// Runs a command that must fail. Returns what it prints.
fn refused(world: &World, words: &[&str], code: i32) -> String {
    let mut command = world.mlxk(words);
    command.current_dir(world.home.path());
    let (stdout, stderr) = streams(&command.assert().code(code));
    assert_eq!(stdout, "", "{words:?}");
    stderr
}

/// Returns the address of a hub at which nothing listens.
fn silent_hub() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

#[test]
fn a_model_that_is_not_here_is_said_before_the_hub_is() {
    let world = World::new();
    let mut command = world.mlxk(&["run", "nosuch-model", "Hi"]);
    let (_, stderr) = streams(&command.env("HF_ENDPOINT", silent_hub()).assert().code(1));
    let expected = "Model `nosuch-model` is not on this machine, and the hub could not be asked for \
                    `mlx-community/nosuch-model`: Could not reach `127.0.0.1:";
    assert!(stderr.contains(expected), "{stderr}");
    assert!(stderr.contains("hint: List your models with `mlxk list`. Check the"), "{stderr}");
    world.cached("org/nosuch-mode12");
    for (words, offline) in
        [(&["run", "nosuch-model", "Hi"][..], false), (&["pull", "nosuch-model"], true)]
    {
        let mut command = world.mlxk(words);
        command
            .env("HF_ENDPOINT", silent_hub())
            .env("HF_HUB_OFFLINE", if offline { "1" } else { "0" });
        let (_, stderr) = streams(&command.assert().code(1));
        assert!(stderr.contains("Model `nosuch-model` is not on this machine, and"), "{stderr}");
        assert!(stderr.contains("hint: Did you mean `org/nosuch-mode12`? "), "{stderr}");
    }
}

#[test]
fn a_name_of_ollama_stands_for_a_checkpoint_and_a_guess_does_not() {
    let world = World::new();
    let said = |words: &[&str]| {
        let mut command = world.mlxk(words);
        streams(&command.env("HF_ENDPOINT", silent_hub()).assert().code(1)).1
    };
    let repo = "mlx-community/Llama-3.2-3B-Instruct-4bit";
    let stderr = said(&["run", "llama3.2", "Hi"]);
    assert!(stderr.contains(&format!("`llama3.2` (it stands for `{repo}`)")), "{stderr}");
    let stderr = said(&["pull", "llama3.2"]);
    let expected =
        format!("Cannot download `{repo}`, which `llama3.2` stands for: Could not reach");
    assert!(stderr.contains(&expected), "{stderr}");
    for words in [&["run", "llama3.9", "Hi"][..], &["pull", "llama3.9"]] {
        let stderr = said(words);
        assert!(!stderr.contains("stands for"), "{stderr}");
        assert!(stderr.contains("`mlx-community/llama3.9`: Could not reach"), "{stderr}");
    }
    let stderr = said(&["run", "llama3.9", "Hi"]);
    assert!(stderr.contains("Did you mean `llama3.3`, `llama3.2` or `llama3.1`?"), "{stderr}");
}

#[test]
fn a_mistyped_name_is_corrected_without_the_hub() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    for (name, meant) in
        [("smolm2", "smollm2"), ("smolm", "smollm2"), ("Alpa-4bit", "mlx-community/Alpha-4bit")]
    {
        // The address is invalid, so a request would be an error of its own.
        let mut command = world.mlxk(&["run", name, "Hi"]);
        let (_, stderr) = streams(&command.env("HF_ENDPOINT", silent_hub()).assert().code(1));
        assert!(stderr.contains(&format!("Did you mean `{meant}`?")), "{stderr}");
        assert!(!stderr.contains("Could not reach"), "{stderr}");
        assert!(stderr.contains(&format!("`mlxk pull mlx-community/{name}`")), "{stderr}");
    }
    // Another size of the same model is another model, which the hub may have.
    let mut command = world.mlxk(&["run", "Alpha-8bit", "Hi"]);
    let (_, stderr) = streams(&command.env("HF_ENDPOINT", silent_hub()).assert().code(1));
    assert!(stderr.contains("Could not reach"), "{stderr}");
}

#[test]
fn a_model_that_does_not_run_yet_is_not_offered() {
    let world = World::new();
    for words in [
        &["run", "llama3.2-vision", "Hi"][..],
        &["show", "llama3.2-vision:11b"],
        &["pull", "llama3.2-vision"],
    ] {
        // The address is invalid, so a request would be an error of its own.
        let mut command = world.mlxk(words);
        let (_, stderr) = streams(&command.env("HF_ENDPOINT", silent_hub()).assert().code(1));
        assert!(stderr.contains("mlxk does not run `llama3.2-vision"), "{stderr}");
        assert!(stderr.contains("`mllama`"), "{stderr}");
        let exact = "`mlxk pull mlx-community/Llama-3.2-11B-Vision-Instruct-4bit`";
        assert!(stderr.contains(exact), "{stderr}");
    }
    let exact = ["pull", "mlx-community/Llama-3.2-11B-Vision-Instruct-4bit"];
    let mut command = world.mlxk(&exact);
    let (_, stderr) = streams(&command.env("HF_ENDPOINT", silent_hub()).assert().code(1));
    assert!(stderr.contains("Could not reach"), "{stderr}");
}

#[test]
fn offline_mode_is_named_instead_of_a_pull_that_must_fail() {
    let world = World::new();
    for words in [&["run", "llama3.2", "Hi"][..], &["show", "llama3.2"], &["run", "org/A", "Hi"]] {
        let mut command = world.mlxk(words);
        let (_, stderr) = streams(&command.env("HF_HUB_OFFLINE", "1").assert().code(1));
        assert!(stderr.contains("is not on this machine: offline mode is on"), "{stderr}");
        assert!(stderr.contains("unset `HF_HUB_OFFLINE`"), "{stderr}");
        assert!(!stderr.contains("mlxk pull"), "{stderr}");
    }
}

#[test]
fn a_mistyped_name_of_ollamas_library_is_corrected_in_a_search() {
    let world = World::new();
    for (typed, meant) in [("llam3.2", "llama3.2"), ("smolm2", "smollm2")] {
        let (_, stderr) = streams(&world.mlxk(&["search", "--ollama", typed]).assert().success());
        assert!(stderr.contains(&format!("Did you mean `{meant}`?")), "{stderr}");
    }
    // The table doesn't have all of Ollama's names.
    let (_, stderr) = streams(&world.mlxk(&["search", "--ollama", "llava"]).assert().success());
    let told = "No name in mlxk's table of Ollama names matches `llava`. Search the hub";
    assert!(stderr.contains(told), "{stderr}");
}

#[test]
fn folders_and_tables_in_the_wrong_place() {
    let world = World::new();
    let folder = path(world.home.path());
    let stderr = refused(&world, &["perplexity", "org/tiny", folder], 2);
    assert!(stderr.contains("The text to score is missing: `"), "{stderr}");
    let stderr = refused(&world, &["config", "set", "pairs", "x"], 2);
    assert!(stderr.contains("`pairs` is a table and not one setting"), "{stderr}");
    let stderr =
        refused(&world, &["run", "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "Hi"], 1);
    assert!(stderr.contains("a repository of GGUF files on the hub"), "{stderr}");
    assert!(stderr.contains("`mlxk pull mlx-community/Llama-3.2-1B-Instruct-4bit`"), "{stderr}");
}

#[test]
fn paths_that_lead_nowhere() {
    let world = World::new();
    let stderr = refused(&world, &["run", "./smollm2", "Hi"], 1);
    assert!(stderr.contains("`./smollm2` does not exist\nhint: Check the path; "), "{stderr}");
    assert!(stderr.contains("write `smollm2` without the folder"), "{stderr}");
    let stderr = refused(&world, &["run", "./nosuch.gguf", "Hi"], 1);
    assert!(stderr.contains("does not exist\nhint: Check the path"), "{stderr}");
}

/// Returns the words of a conversion.
fn convert<'a>(source: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["convert", source, "./out"], more].concat()
}

#[test]
fn patterns_of_a_conversion() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Dense));
    let source = path(model.path());
    let stderr = refused(&world, &convert(source, &["--module", "zzz=8"]), 2);
    let expected = "`--module zzz=8`: no weight matrix of the model matches `zzz`";
    assert!(stderr.contains(expected), "{stderr}");
    let stderr = refused(&world, &convert(source, &["--module", "lm_head"]), 2);
    assert!(stderr.contains("`--module lm_head` must have the form"), "{stderr}");
    let stderr = refused(&world, &convert(source, &["--module", "lm_head=8:63"]), 2);
    assert!(stderr.contains("`--module lm_head=8:63` is impossible: MLX has no"), "{stderr}");
    std::fs::write(world.home.path().join("wrong"), "lm_head\n").unwrap();
    let stderr = refused(&world, &convert(source, &["--recipe", "wrong"]), 2);
    assert!(stderr.contains("`--recipe wrong`: `lm_head` must have the form"), "{stderr}");
    assert!(!world.home.path().join("out").exists());
    // A recipe may be made for several models.
    std::fs::write(world.home.path().join("recipe"), "zzz = 8\nq_proj = 8\n").unwrap();
    let words = convert(source, &["--recipe", "recipe"]);
    let assert = world.mlxk(&words).current_dir(world.home.path()).assert().success();
    assert!(streams(&assert).1.contains("warning: `--recipe recipe`: no weight matrix"));
}

#[test]
fn an_unchanged_conversion_counts_the_parameters_and_not_the_packed_words() {
    let world = World::new();
    for (number, stored) in [Stored::Dense, Stored::Bits(4), Stored::Bits(8)].iter().enumerate() {
        let model = checkpoint(Kind::Llama, *stored);
        let target = format!("./out{number}");
        let mut command = world.mlxk(&["convert", path(model.path()), &target, "--json"]);
        let assert = command.current_dir(world.home.path()).assert().success();
        let (stdout, _) = streams(&assert);
        let index = world.home.path().join(&target).join("model.safetensors.index.json");
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(index).unwrap()).unwrap();
        let bits: f64 = stdout
            .split(" bits per weight")
            .next()
            .and_then(|text| text.rsplit(' ').next())
            .and_then(|text| text.parse().ok())
            .unwrap();
        let expected = [16.0, 4.5, 8.5][number];
        assert!((bits - expected).abs() < 0.5, "{stdout}");
        let counted = index["metadata"]["total_parameters"].as_u64().unwrap();
        assert_eq!(counted, dense_parameters(), "{number}");
    }
}

/// Returns the number of parameters of the test model, by its dense form.
fn dense_parameters() -> u64 {
    let model = checkpoint(Kind::Llama, Stored::Dense);
    let checkpoint = mlxk_format::Checkpoint::open(model.path()).unwrap();
    let count = |name: &str| checkpoint.dense(name).unwrap().0.iter().product::<usize>() as u64;
    checkpoint.names().map(count).sum()
}

#[test]
fn files_that_are_not_reports() {
    let world = World::new();
    std::fs::write(world.home.path().join("a.json"), "{}").unwrap();
    let stderr = refused(&world, &["bench", "compare", "a.json", "a.json"], 1);
    let said =
        "`a.json`: it is not a report of `mlxk bench`; write one with `mlxk bench --output FILE`";
    assert!(stderr.contains(said), "{stderr}");
}

#[test]
fn rm_without_a_model() {
    let world = World::new();
    let stderr = refused(&world, &["rm"], 2);
    assert!(stderr.contains("`--unused`"), "{stderr}");
}

#[test]
fn an_invalid_configuration_stays() {
    let world = World::new();
    let file = world.home.path().join("c.toml");
    std::fs::write(&file, "broken =").unwrap();
    let mut command = world.mlxk(&["config", "--init"]);
    let (_, stderr) = streams(&command.env("MLXK_CONFIG", &file).assert().code(1));
    assert!(stderr.contains("already exists and was left unchanged"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "broken =");
}

#[test]
fn a_draft_model_of_another_vocabulary_is_named_as_it_was_typed() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    let other = checkpoint(Kind::Llama, Stored::Dense);
    let tokenizer = other.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&tokenizer).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vocabulary = value["model"]["vocab"].as_object_mut().unwrap();
    let (first, second) = {
        let mut names = vocabulary.keys().cloned();
        (names.next().unwrap(), names.next().unwrap())
    };
    let swapped = (vocabulary[&first].clone(), vocabulary[&second].clone());
    vocabulary.insert(first, swapped.1);
    vocabulary.insert(second, swapped.0);
    std::fs::write(&tokenizer, value.to_string()).unwrap();
    let words = ["run", path(other.path()), "Hi", "--draft-model", "Alpha-4bit"];
    let stderr = refused(&world, &words, 1);
    let expected =
        "`--draft-model Alpha-4bit`: The draft model doesn't share the model's vocabulary";
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn an_origin_has_a_scheme() {
    let world = World::new();
    let stderr = refused(&world, &["server", "--cors-origin", "foo"], 2);
    assert!(stderr.contains("`--cors-origin` is `foo`, but must be an origin"), "{stderr}");
}

#[test]
fn a_name_is_replaced_only_by_force() {
    let world = World::new();
    world.cached("mlx-community/Alpha-4bit");
    world.cached("mlx-community/Beta-4bit");
    let file = world.home.path().join("Modelfile");
    std::fs::write(&file, "FROM Alpha-4bit\n").unwrap();
    world.mlxk(&["cp", "Alpha-4bit", "mine"]).assert().success();
    for words in [&["create", "mine"][..], &["cp", "Beta-4bit", "mine"]] {
        let stderr = refused(&world, words, 1);
        assert!(stderr.contains("Name `mine` already exists\nhint: Replace it with `--force`"));
        let forced = [words, &["--force"]].concat();
        world.mlxk(&forced).current_dir(world.home.path()).assert().success();
    }
    let (shown, _) = streams(&world.mlxk(&["show", "mine"]).assert().success());
    assert!(shown.contains("Base model: mlx-community/Beta-4bit"), "{shown}");
    // Not even by force does a name stand for itself.
    world.mlxk(&["cp", "mine", "other"]).assert().success();
    std::fs::write(&file, "FROM mine\n").unwrap();
    let mut command = world.mlxk(&["create", "other", "--force"]);
    command.current_dir(world.home.path()).assert().success();
    refused(&world, &["cp", "other", "mine", "--force"], 1);
    // A model is never replaced.
    refused(&world, &["cp", "mine", "Alpha-4bit", "--force"], 1);
}
