//! `mlxk run` on a tiny checkpoint with arbitrary weights.

use serde_json::Value;

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

#[test]
fn streams_what_it_would_print_at_once() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let run = |more: &[&str]| {
        let mut arguments = vec!["run", path(model.path()), "Hello there", "--seed", "5"];
        arguments.extend(["--max-tokens", "40"]);
        arguments.extend(more);
        streams(&world.mlxk(&arguments).assert().success()).0
    };
    let streamed = run(&[]);
    assert!(!streamed.trim().is_empty());
    assert_eq!(run(&["--no-stream"]).trim_end_matches('\n'), streamed.trim_end_matches('\n'));
    assert_eq!(run(&["--threads", "1"]), streamed);
    assert_ne!(run(&["--seed", "6"]), streamed);
}

#[test]
fn json_is_one_object_with_the_same_answer() {
    let (world, model) = (World::new(), checkpoint(Kind::Qwen2, Stored::Bits(8)));
    let arguments = ["run", path(model.path()), "Hello", "--temperature", "0", "--max-tokens", "7"];
    let (plain, _) = streams(&world.mlxk(&arguments).assert().success());
    let mut with_json = arguments.to_vec();
    with_json.push("--json");
    let (json, stderr) = streams(&world.mlxk(&with_json).assert().success());
    assert_eq!(stderr, "");
    let envelope: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&envelope["status"], &envelope["command"]), (&"success".into(), &"run".into()));
    let envelope = &envelope["data"];
    assert_eq!(envelope["response"].as_str().unwrap(), plain.trim_end_matches('\n'));
    assert_eq!(envelope["prompt"], "Hello");
    assert_eq!(envelope["finish_reason"], "length");
    assert_eq!(envelope["usage"]["completion_tokens"], 7);
    let usage = &envelope["usage"];
    assert_eq!(usage["total_tokens"].as_u64(), Some(usage["prompt_tokens"].as_u64().unwrap() + 7));
    assert!(envelope["timings"]["time_to_first_token_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn files_are_part_of_the_prompt() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let file = |name: &str, text: &str| {
        let file = world.home.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let (one, two) = (file("one.rs", "fn a() {}\n"), file("two.txt", "b"));
    let run = |words: &[&str]| {
        let fixed = ["run", path(model.path()), "--max-tokens", "1", "--json"];
        let mut command = world.mlxk(&[&fixed[..], words].concat());
        let (json, _) = streams(&command.write_stdin("piped").assert().success());
        serde_json::from_str::<Value>(&json).unwrap()["data"]["prompt"].take()
    };
    let (one, two) = (path(&one), path(&two));
    let blocks =
        format!("File `{one}`:\n\n```rs\nfn a() {{}}\n```\n\nFile `{two}`:\n\n```txt\nb\n```");
    assert_eq!(run(&["-f", one, "-f", two, "Why?"]), format!("{blocks}\n\npiped\n\nWhy?"));
    assert_eq!(run(&["-f", one, "--file", two, "--no-stdin"]), blocks);
    let missing = ["run", path(model.path()), "-f", "nosuch.rs", "x"];
    let (_, error) = streams(&world.mlxk(&missing).assert().code(1));
    assert!(error.contains("Cannot read `nosuch.rs` for `--file`"), "{error}");
}

#[test]
fn a_chat_needs_no_name_if_there_is_one_model() {
    let world = World::new();
    let chat = |code| {
        let words = ["chat", "--max-tokens", "1", "--no-history"];
        streams(&world.mlxk(&words).write_stdin("/bye\n").assert().code(code)).1
    };
    let expected = "error: Name the model to chat with, as in `mlxk chat smollm2`\n";
    assert_eq!(chat(2), expected);
    world.cached("org/one");
    assert_eq!(chat(0), "");
    world.cached("org/two");
    assert_eq!(chat(2), expected.replace("smollm2", "org/one"));
}

#[test]
fn a_stop_string_ends_the_answer_and_is_not_part_of_it() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Dense));
    let base = ["run", path(model.path()), "Hello", "--temperature", "0", "--max-tokens", "60"];
    let (whole, _) = streams(&world.mlxk(&base).assert().success());
    let middle = whole.char_indices().nth(whole.chars().count() / 2).unwrap().0;
    let stop: String = whole[middle..].chars().take(2).collect();
    let mut arguments = base.to_vec();
    arguments.extend(["--stop", &stop]);
    let (cut, _) = streams(&world.mlxk(&arguments).assert().success());
    assert_eq!(
        cut.trim_end_matches('\n'),
        whole[..whole.find(&stop).unwrap()].trim_end_matches('\n')
    );
}

#[test]
fn the_prompt_may_be_piped_in() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let options = ["--temperature", "0", "--max-tokens", "12"];
    let base = ["run", path(model.path())];
    let typed = world.mlxk(&base).arg("Hello there").args(options).assert().success();
    for dash in [&[][..], &["-"]] {
        let mut command = world.mlxk(&base);
        let piped =
            command.args(dash).args(options).write_stdin("Hello there\n").assert().success();
        assert_eq!(streams(&piped).0, streams(&typed).0);
    }
}

#[test]
fn verbose_tells_on_stderr_what_it_took() {
    let (world, model) = (World::new(), checkpoint(Kind::Mistral, Stored::Bits(4)));
    let arguments = ["run", path(model.path()), "Hi", "--max-tokens", "9", "--temperature", "0"];
    let (plain, _) = streams(&world.mlxk(&arguments).assert().success());
    let (stdout, stderr) = streams(&world.mlxk(&arguments).arg("--verbose").assert().success());
    assert_eq!(stdout, plain);
    for word in ["load ", "prompt ", "answer ", "tokens/s", "first token ", "peak memory "] {
        assert!(stderr.contains(word), "{stderr}");
    }
}

#[test]
fn exact_mode_and_fast_mode_both_answer() {
    let (world, model) = (World::new(), checkpoint(Kind::LlamaOptions, Stored::Bits(4)));
    for mode in [&[][..], &["--exact"]] {
        let base = ["run", path(model.path()), "Hi", "--max-tokens", "5", "--seed", "1"];
        world.mlxk(&base).args(mode).assert().success();
    }
}

#[test]
fn thinking_is_refused_if_the_model_cannot_do_as_told() {
    let (world, model) = (World::new(), checkpoint(Kind::Llama, Stored::Bits(4)));
    let file = model.path().join("tokenizer_config.json");
    let original: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let with_template_end = |end: &str| {
        let mut settings = original.clone();
        let template = settings["chat_template"].as_str().unwrap();
        settings["chat_template"] = format!("{template}{end}").into();
        std::fs::write(&file, settings.to_string()).unwrap();
    };
    let base = ["run", path(model.path()), "Hi", "--max-tokens", "2"];
    world.mlxk(&base).arg("--think=false").assert().success();
    world.mlxk(&base).arg("--think=true").assert().code(2);
    with_template_end("{# [THINK] #}");
    world.mlxk(&base).arg("--think=true").assert().success();
    world.mlxk(&base).arg("--think=false").assert().code(2);
    with_template_end("{# <think> #}{% if enable_thinking %}{% endif %}");
    world.mlxk(&base).arg("--think=false").assert().success();
    world.mlxk(&base).arg("--think=low").assert().code(2);
}
