//! `mlxk bench` when an engine fails: one sentence, a suggestion, and the results of the other engine.

use std::time::Duration;

use mlxk_test_peers::{Part, Peer, head, json, lines, ollama};
use serde_json::Value;

use crate::bench_compare::{read, world};
use crate::server::Running;
use crate::support::{World, streams};

const SHORT: [&str; 10] =
    ["--runs", "2", "--warmup", "0", "--max-tokens", "4", "--threads", "1", "--timeout", "3"];

/// Runs a comparison in which an engine fails. Returns the report and the output.
fn failed(world: &World, report: &str, arguments: &[&str], host: &str) -> (Value, String) {
    let base = ["bench", "--model", "tiny", "--output", report];
    let mut command = world.mlxk(&[&base[..], &SHORT, arguments].concat());
    command.env("OLLAMA_HOST", host);
    let (text, stderr) = streams(&command.assert().code(1));
    // The reason for the exit code is said once, whatever the report says.
    let errors: Vec<_> = stderr.lines().filter(|line| line.contains("error:")).collect();
    let [error] = errors[..] else { panic!("{stderr}") };
    assert!(error.starts_with("error: Ollama ") || error.starts_with("error: mlxk "), "{error}");
    (read(report), text)
}

#[test]
fn a_fault_of_the_other_engine_keeps_our_results() {
    let peers: [(Peer, &str, &str); 5] = [
        (
            ollama::server(|_| lines(&[&ollama::said("good")])),
            "in the middle of its answer (events received: 1)",
            "Check its log",
        ),
        (
            ollama::server(|_| {
                let good = ollama::said("good");
                vec![head(200, "application/x-ndjson"), Part::Send(good), Part::Hang]
            }),
            "did not finish within 3 s",
            "Raise `--timeout`",
        ),
        (ollama::server(|_| lines(&["<html>"])), ": `<html>`", ""),
        (
            ollama::server(|_| ollama::refused(404, "model 'tiny' not found")),
            "does not have the model `tiny`",
            "`ollama pull tiny`",
        ),
        (
            ollama::server(|_| ollama::refused(500, "llama runner process has terminated")),
            "status 500: llama runner process has terminated",
            "",
        ),
    ];
    let (world, report) = world();
    for (peer, error, suggestion) in peers {
        let ours = ["--mlx-model", "org/tiny", "--unequal"];
        let (found, text) = failed(&world, &report, &ours, &peer.address());
        let theirs = &found["ollama_result"];
        let told = theirs["error"].as_str().unwrap();
        assert!(told.contains(error), "`{error}` is not in `{told}`");
        let what = theirs["suggestion"].as_str().unwrap_or_default();
        assert!(what.contains(suggestion), "`{suggestion}` is not in `{what}`");
        assert!(text.contains("OLLAMA RESULTS:\n  Success: False\n  Error: "), "{text}");
        assert!(text.contains("MLXK RESULTS:\n  Success: True"), "{text}");
        assert_eq!(found["mlx_result"]["success"], true);
        let ours = &found["sides"][0]["workloads"][0]["series"]["total_seconds"]["samples"];
        assert_eq!(ours.as_array().unwrap().len(), 2, "both turns of ours count");
    }
}

#[test]
fn an_engine_that_fails_later_keeps_its_results() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let turns = AtomicUsize::new(0);
    let peer = ollama::server(move |_| match turns.fetch_add(1, Ordering::SeqCst) {
        // A turn sends two requests.
        0 | 1 => lines(&[&ollama::said("one "), &ollama::said("two"), &ollama::end("/api/chat")]),
        _ => ollama::refused(500, "out of memory"),
    });
    let (world, report) = world();
    let arguments = ["--mlx-model", "org/tiny", "--unequal"];
    let (found, text) = failed(&world, &report, &arguments, &peer.address());
    let theirs = &found["sides"][1];
    assert!(theirs["failure"]["error"].as_str().unwrap().contains("out of memory"));
    assert_eq!(theirs["workloads"][0]["response"], "one two");
    assert_eq!(found["ollama_result"]["tokens_per_second"].as_f64().map(|it| it > 0.0), Some(true));
    assert!(text.contains("Error: ") && text.contains("COMPARISON:"), "{text}");
}

#[test]
fn a_workload_that_one_side_cannot_do_leaves_the_others() {
    let peer = ollama::server(|_| ollama::refused(400, "this model does not chat"));
    let (world, report) = world();
    let page = report.replace(".json", ".html");
    let arguments = ["--mlx-model", "org/tiny", "--unequal", "--workload", "chat,code"];
    let more = ["--output", page.as_str()];
    let (found, text) = failed(&world, &report, &[&arguments[..], &more].concat(), &peer.address());
    let (ours, theirs) = (&found["sides"][0], &found["sides"][1]);
    assert_eq!(ours["failed_workloads"], serde_json::json!([]));
    assert_eq!(ours["workloads"].as_array().unwrap().len(), 2);
    assert_eq!(theirs["failure"], Value::Null);
    let refused = &theirs["failed_workloads"][0];
    assert_eq!(refused["workload"], "chat");
    assert!(refused["error"].as_str().unwrap().contains("does not chat"), "{refused}");
    assert_eq!(theirs["workloads"][0]["workload"], "code");
    let samples = &theirs["workloads"][0]["series"]["total_seconds"]["samples"];
    assert_eq!(samples.as_array().unwrap().len(), 2, "both turns count");
    // It is refused once, not in every turn.
    let chats = peer.asked().iter().filter(|asked| asked.path == "/api/chat").count();
    assert_eq!(chats, 1);
    assert!(found["ollama_result"]["error"].as_str().unwrap().contains("does not chat"), "{found}");
    assert!(text.contains("Error, chat: ") && text.contains("\n  code\n"), "{text}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<b>Ollama, chat:</b>"), "{page}");
}

#[test]
fn a_document_that_exceeds_the_context_is_not_sent() {
    let peer = ollama::server(|_| {
        lines(&[&ollama::said("one "), &ollama::said("two"), &ollama::end("/api/chat")])
    });
    let (world, report) = world();
    let arguments = ["--mlx-model", "org/tiny", "--unequal", "--workload", "chat,document"];
    let more = ["--prompt-tokens", "3000", "--ctx", "256", "--prompt", "Hi"];
    let (found, _) = failed(&world, &report, &[&arguments[..], &more].concat(), &peer.address());
    // If nothing else is asked for, nothing is measured.
    let none = world.home.path().join("none.json");
    let alone = ["bench", "--model", "tiny", "--mlx-model", "org/tiny", "--workload", "document"];
    let more = ["--prompt-tokens", "3000", "--output", none.to_str().unwrap()];
    let mut command = world.mlxk(&[&alone[..], &more].concat());
    let (stdout, stderr) = streams(&command.env("OLLAMA_HOST", peer.address()).assert().code(1));
    assert!(stdout.is_empty() && !none.exists(), "{stdout}");
    assert!(
        stderr.contains("don't fit into the model's longest context of 512 tokens"),
        "{stderr}"
    );
    assert!(stderr.contains("`--prompt-tokens`") && !stderr.contains("`--ctx`"), "{stderr}");
    assert!(!stderr.contains("Turn"), "{stderr}");
    let mut command = world.mlxk(&[&alone[..], &["--ctx", "3100"]].concat());
    let (_, stderr) = streams(&command.env("OLLAMA_HOST", peer.address()).assert().code(2));
    assert!(stderr.contains("`--ctx` is 3100, but `org/tiny` supports at most 512"), "{stderr}");
    for side in found["sides"].as_array().unwrap() {
        assert_eq!(side["workloads"].as_array().unwrap().len(), 1, "{side}");
        let error = side["failed_workloads"][0]["error"].as_str().unwrap();
        assert!(error.contains("the model's longest context of 512 tokens"), "{error}");
    }
    assert!(peer.asked().iter().all(|asked| !asked.body.to_string().contains("Summarize")));
}

/// Runs a comparison in which no other engine can take part: it stops before anything is measured. Returns the notes.
fn stopped(world: &World, report: &str, arguments: &[&str], host: &str) -> String {
    let base = ["bench", "--mlx-model", "org/tiny", "--output", report];
    let mut command = world.mlxk(&[&base[..], &SHORT, arguments].concat());
    command.env("OLLAMA_HOST", host);
    let (stdout, stderr) = streams(&command.assert().code(1));
    assert!(stdout.is_empty() && !std::path::Path::new(report).exists(), "{stdout}");
    assert!(
        stderr.contains("error: Nothing was measured, because no other engine can"),
        "{stderr}"
    );
    assert!(stderr.ends_with("with `mlxk bench model org/tiny`\n"), "{stderr}");
    assert!(!stderr.contains("are unknown"), "{stderr}");
    stderr
}

#[test]
fn missing_programs_and_servers_are_told_apart() {
    let (world, report) = world();
    // The server at the given address is not running.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let notes = stopped(&world, &report, &["--model", "tiny"], &nobody);
    assert!(notes.contains("connection refused") && notes.contains("`ollama serve`"), "{notes}");
    // The server is running without the model, or is another program.
    let server = Running::start(&world, &[], &[]);
    let arguments = ["--skip-pull", "--model", "absent:1b"];
    let notes = stopped(&world, &report, &arguments, &server.address);
    assert!(notes.contains("Ollama has no model `absent:1b`"), "{notes}");
    assert!(notes.contains("ollama pull absent:1b"), "{notes}");
    let other = Peer::start(|_| json(200, "no version"));
    let notes = stopped(&world, &report, &["--model", "tiny"], &other.address());
    assert!(notes.contains(": `no version`"), "{notes}");
    // Programs that are not installed.
    for (peer, error) in [
        ("llama-server=/nowhere/llama-server", "No GGUF file for llama-server"),
        ("mlx-lm=/nowhere/python", "`/nowhere/python` has no mlx-lm"),
        ("mlx-knife=/nowhere/python", "`/nowhere/python` has no mlx-knife"),
        ("mlxk=/nowhere/mlxk", "Cannot start `/nowhere/mlxk`: No such file"),
    ] {
        let notes = stopped(&world, &report, &["--vs", peer], &nobody);
        assert!(notes.contains(" will not be measured: ") && notes.contains(error), "{notes}");
    }
}

#[test]
fn nothing_is_measured_if_ours_cannot_run() {
    let (world, report) = world();
    let peer = ollama::server(|_| lines(&[&ollama::said("good")]));
    world.cached("org/damaged");
    let snapshots = world.cache().join("models--org--damaged/snapshots");
    let snapshot = std::fs::read_dir(snapshots).unwrap().next().unwrap().unwrap().path();
    std::fs::write(snapshot.join("tokenizer.json"), "{").unwrap();
    for (name, problem) in [("org/absent", "org/absent"), ("org/damaged", "tokenizer.json")] {
        let arguments = ["--mlx-model", name, "--skip-pull", "--model", "tiny"];
        let base = ["bench", "--output", &report];
        let mut command = world.mlxk(&[&base[..], &SHORT, &arguments].concat());
        command.env("OLLAMA_HOST", peer.address());
        let (text, error) = streams(&command.assert().code(1));
        assert!(error.contains("error: ") && error.contains(problem), "{error}");
        assert!(text.is_empty() && !std::path::Path::new(&report).exists(), "{text}");
    }
    let was_asked = |path: &str| peer.asked().iter().any(|asked| asked.path == path);
    assert!(!was_asked("/api/chat") && !was_asked("/api/generate"));
}

#[test]
fn a_stalled_pull_times_out() {
    let (world, report) = world();
    let status = r#"{"status":"pulling ab","total":100,"completed":40}"#;
    let peer = Peer::start(move |asked| match asked.path.as_str() {
        "/api/version" => json(200, r#"{"version":"0.32.0"}"#),
        "/api/tags" => json(200, r#"{"models":[]}"#),
        _ => {
            let mut parts = lines(&[status]);
            for _ in 0..100 {
                parts.push(Part::Pause(Duration::from_millis(50)));
                parts.push(Part::Send(format!("{status}\n")));
            }
            parts
        }
    });
    let arguments = ["--model", "tiny", "--pull-timeout", "1"];
    let notes = stopped(&world, &report, &arguments, &peer.address());
    assert!(notes.contains("Ollama is pulling tiny"), "{notes}");
    assert!(notes.contains("made no progress for 1 s"), "{notes}");
    assert!(notes.contains("--pull-timeout"), "{notes}");
}

#[test]
fn unequal_work_is_refused_before_it_is_measured() {
    let (world, report) = world();
    let peer = Peer::start(|asked| match asked.path.as_str() {
        "/api/version" => json(200, r#"{"version":"0.32.0"}"#),
        "/api/tags" => json(200, r#"{"models":[{"name":"tiny:latest","size":900000}]}"#),
        _ => json(200, r#"{"details":{},"model_info":{"general.parameter_count":200000}}"#),
    });
    let arguments = ["bench", "--model", "tiny", "--mlx-model", "org/tiny", "--output", &report];
    let mut command = world.mlxk(&[&arguments[..], &SHORT].concat());
    command.env("OLLAMA_HOST", peer.address());
    let (stdout, error) = streams(&command.assert().code(1));
    assert_eq!(stdout, "");
    assert!(
        error.contains("The work is not equal: the weights differ in size: `org/tiny` has 0.1 MB"),
        "{error}"
    );
    assert!(error.contains("0.9 MB (36.00 bits per weight) (Ollama)"), "{error}");
    assert!(error.contains("`--unequal`"), "{error}");
    assert!(error.contains("They have ") && error.contains("million parameters"), "{error}");
    assert!(error.contains("`--model tiny --mlx-model ollama:tiny`"), "{error}");
    // Its store cannot be read here.
    assert!(error.contains("`OLLAMA_MODELS` set to a folder"), "{error}");
    assert!(!peer.asked().iter().any(|asked| asked.path == "/api/generate"));
}

#[test]
fn prompts_of_unequal_length_are_not_compared() {
    let peer = ollama::server(|_| {
        let end = ollama::end("/api/chat").replace(":80,", ":500,");
        lines(&[&ollama::said("one "), &ollama::said("two"), &end])
    });
    let (world, report) = world();
    let base = ["bench", "--model", "tiny", "--mlx-model", "org/tiny", "--output", &report];
    let run = |more: &[&str], code| {
        let mut command = world.mlxk(&[&base[..], &SHORT, more].concat());
        command.env("OLLAMA_HOST", peer.address());
        streams(&command.assert().code(code))
    };
    // The first turns show it, so the others don't take place.
    let (text, error) = run(&[], 1);
    assert_eq!(text, "");
    let chats = || peer.asked().iter().filter(|asked| asked.path == "/api/chat").count();
    assert_eq!(chats(), 2, "the answer and its repetition of one turn");
    let said = "error: The work is not equal: the prompt of `chat` has ";
    assert!(error.contains(said) && error.contains("and 500 in Ollama"), "{error}");
    assert!(error.contains("hint: Measure both without a winner with `--unequal`"), "{error}");
    assert!(!std::path::Path::new(&report).exists());
    // Even if both are measured anyway, there is no winner.
    let (text, _) = run(&["--unequal"], 0);
    assert!(text.contains("Not equal work") && !text.contains("faster"), "{text}");
    assert!(text.contains("Winner: none (the work is not equal)"), "{text}");
    let (markdown, _) = run(&["--unequal", "--markdown"], 0);
    assert!(markdown.contains("**Winner:** none") && !markdown.contains("better"), "{markdown}");
}

#[test]
fn invalid_options_are_refused_first() {
    let world = World::new();
    for (arguments, part) in [
        (&["--vs", "vllm"][..], "must be ollama, llama-server"),
        (&["--vs", "mlx-knife"], "needs its Python"),
        (&["--vs", "openai:box"], "needs an address after `openai:`"),
        (&["--output", "report.csv"], "`report.csv` must end in .json, .md or .html"),
        (&["--fail-below", "95"], "must be a ratio from 0 to 10"),
        (
            &["--model", "nobody:1b"],
            "No MLX model is known for the Ollama name `nobody:1b`; pass one with",
        ),
        (&["--mlx-model", "org/tiny"], "pass it with `--model`"),
        (&["--synthetic", "smollm2-135m"], "`--synthetic` works only with"),
        (&["--synthetic", "smollm2-135m", "--workload", "code"], "exclude each other"),
        (&["--runs", "0"], "--runs"),
    ] {
        let arguments = [&["bench"][..], arguments].concat();
        let (stdout, error) = streams(&world.mlxk(&arguments).assert().code(2));
        assert_eq!(stdout, "");
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_comparison_unloads_the_model() {
    use std::process::Command;

    let peer = ollama::server(|_| vec![head(200, "application/x-ndjson"), Part::Hang]);
    let (world, report) = world();
    let base = ["bench", "--model", "tiny", "--mlx-model", "org/tiny", "--unequal"];
    let prepared = world.mlxk(&[&base[..], &["--output", &report]].concat());
    let mut command = Command::new(prepared.get_program());
    for (name, value) in prepared.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("OLLAMA_HOST", peer.address()).args(prepared.get_args());
    let mut child = command.spawn().unwrap();
    while !peer.asked().iter().any(|asked| asked.path == "/api/chat") {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it was interrupted");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let last = peer.asked().pop().unwrap();
    assert_eq!((last.path.as_str(), &last.body["keep_alive"]), ("/api/generate", &0.into()));
}
