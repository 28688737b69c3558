//! `mlxk server`, `ps` and `stop` as processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{World, streams};

/// A running server.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    #[cfg_attr(not(unix), allow(dead_code, reason = "its test ends the server with a signal"))]
    /// Lines of the log until the server listens.
    before: Vec<String>,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

/// Returns the command of a server that waits at a free port.
fn command(world: &World) -> Command {
    let prepared = world.mlxk(&[]);
    let mut command = Command::new(prepared.get_program());
    for (name, value) in prepared.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["server", "--port", "0"]);
    command
}

impl Running {
    pub(crate) fn start(world: &World, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(world);
        command.args(arguments);
        command.envs(environment.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut before: Vec<String> = Vec::new();
        let line = loop {
            let line = lines.next().expect("the server says where it listens").unwrap();
            if line.contains("Listening on") {
                break line;
            }
            before.push(line);
        };
        before.push(line.clone());
        let address = line.split("http://").nth(1).unwrap().split(';').next().unwrap().to_owned();
        Self { child, address, before, lines }
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    fn get(&self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// Returns the JSON of the answer.
    #[cfg(unix)]
    fn post(&self, path: &str, body: &Value) -> Value {
        serde_json::from_str(&self.post_for_text(path, body)).unwrap()
    }

    /// Returns the text of the answer.
    fn post_for_text(&self, path: &str, body: &Value) -> String {
        let body = body.to_string();
        let length = body.len();
        let start = format!(
            "POST {path} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
        );
        let answer = self.send(&start, &body);
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn send(&self, start: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{start}host: localhost\r\nconnection: close\r\n\r\n{body}").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[cfg(unix)]
    fn end_politely(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn loaded_models_are_listed_and_unloaded() {
    let world = World::new();
    world.cached("org/tiny");
    let server = Running::start(&world, &["--model", "org/tiny", "--log-json"], &[]);
    let port = server.port();
    let (table, _) = streams(&world.mlxk(&["ps", "--port", port]).assert().success());
    assert!(table.contains("org/tiny") && table.contains("forever"), "{table}");
    let (json, _) = streams(&world.mlxk(&["ps", "--port", port, "--json"]).assert().success());
    let envelope: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(envelope["data"]["models"][0]["id"], "org/tiny");
    world.mlxk(&["stop", "tiny", "--port", port]).assert().success();
    let (table, note) = streams(&world.mlxk(&["ps", "--port", port]).assert().success());
    assert_eq!((table.as_str(), note.as_str()), ("", "The server has no models loaded\n"));
    // A model that isn't on this machine isn't loaded, either, and pulling it would not help.
    for name in ["tiny", "nosuch"] {
        let (_, error) = streams(&world.mlxk(&["stop", name, "--port", port]).assert().code(1));
        let hint = "hint: List the loaded models with `mlxk ps`";
        assert_eq!(error, format!("error: The model `{name}` is not loaded\n{hint}\n"));
    }
}

#[test]
fn the_page_shows_a_report_as_bench_prints_it() {
    let world = World::new();
    let server = Running::start(&world, &[], &[]);
    let mut report: Value =
        serde_json::from_str(include_str!("../../docs/examples/smollm2-135m.json")).unwrap();
    let path = world.home.path().join("report.json");
    let printed = |report: &Value| {
        std::fs::write(&path, report.to_string()).unwrap();
        let words = ["bench", "show", path.to_str().unwrap(), "--markdown"];
        streams(&world.mlxk(&words).assert().success()).0
    };
    let shown = |report: &Value| server.post_for_text("/bench/report", &json!({"report": report}));
    let text = shown(&report);
    assert!(text.contains("\n| chat: decode | "), "{text}");
    assert_eq!(text, printed(&report));
    // What `--json` prints is a report, too.
    assert_eq!(text, shown(&json!({"command": "bench", "data": report, "error": null})));
    let other = report["sides"][1]["title"].clone();
    report["unequal"] = json!([{"against": other, "reason": "too large", "suggestion": null}]);
    let text = shown(&report);
    assert!(text.contains("**Winner:** none, because the work is not equal."), "{text}");
    assert_eq!(text, printed(&report));
    let problem = shown(&json!({"schema": "mlxk-bench-compare/1"}));
    assert!(problem.contains("Cannot show the report: it is damaged"), "{problem}");
    let problem = shown(&json!({}));
    assert!(problem.contains("it is not a report of `mlxk bench`"), "{problem}");
}

#[test]
fn a_model_is_stopped_by_a_name_that_is_gone() {
    let world = World::new();
    world.cached("org/tiny");
    let server = Running::start(&world, &[], &[]);
    let port = server.port();
    world.mlxk(&["cp", "org/tiny", "mine"]).assert().success();
    let request = json!({"model": "mine:latest", "prompt": "a", "max_tokens": 1});
    server.post("/v1/completions", &request);
    world.mlxk(&["rm", "mine", "--force"]).assert().success();
    let (table, _) = streams(&world.mlxk(&["ps", "--port", port]).assert().success());
    let shown = table.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(shown, "mine:latest");
    world.mlxk(&["stop", "mine", "--port", port]).assert().success();
    let (_, note) = streams(&world.mlxk(&["ps", "--port", port]).assert().success());
    assert_eq!(note, "The server has no models loaded\n");
}

#[test]
fn the_only_model_is_stopped_and_ollamas_address_is_tried() {
    let world = World::new();
    world.cached("org/one");
    world.cached("org/two");
    let server = Running::start(&world, &["--model", "org/one"], &[]);
    let url = format!("http://{}", server.address);
    let stop = |words: &[&str], code| {
        let words = [&["stop"], words].concat();
        streams(&world.mlxk(&words).assert().code(code)).1
    };
    assert_eq!(stop(&["--host", &url], 0), "Unloaded `org/one`\n");
    assert_eq!(stop(&["--host", &server.address], 0), "The server has no models loaded\n");
    assert!(stop(&["--host", "https://x"], 2).contains("`--host` is `https://x`, but must be"));
    let contradiction = stop(&["--host", "box:1", "--port", "2"], 2);
    assert!(contradiction.contains("`--host` has port 1, but `--port` is 2"), "{contradiction}");
    let body = json!({"model": "org/one", "prompt": "a", "max_tokens": 1}).to_string();
    let length = body.len();
    let head = format!(
        "POST /v1/completions HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
    );
    for model in ["org/one", "org/two"] {
        let answer = server.send(&head, &body.replace("org/one", model));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let several = stop(&["--host", &url], 2);
    assert!(several.contains("Name the model to unload: org/"), "{several}");
    let assert = world.mlxk(&["ps"]).env("MLXK_HOST", &url).assert().success();
    assert!(streams(&assert).0.contains("org/two"));
}

#[test]
fn a_wrong_address_in_a_variable_is_refused_with_the_reason() {
    let world = World::new();
    for (variable, example) in [("MLXK_HOST", "127.0.0.1:9000"), ("OLLAMA_HOST", "127.0.0.1:11434")]
    {
        let assert = world.mlxk(&["ps"]).env(variable, "box:x").assert().code(2);
        let (_, stderr) = streams(&assert);
        assert!(
            stderr.contains(&format!("`{variable}` is `box:x`, but must be an address")),
            "{stderr}"
        );
        assert!(stderr.contains(&format!("`{example}`")), "{stderr}");
        assert!(stderr.contains("the port `x` is not a number"), "{stderr}");
    }
}

#[test]
fn variables_of_ollama_are_named_with_the_option_for_the_same() {
    let world = World::new();
    let variables = [("OLLAMA_KEEP_ALIVE", "1h"), ("OLLAMA_NEW_ENGINE", "1"), ("OLLAMA_DEBUG", "")];
    let mut child = command(&world).envs(variables).stderr(Stdio::piped()).spawn().unwrap();
    let first = BufReader::new(child.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let expected =
        "warning: mlxk doesn't read `OLLAMA_KEEP_ALIVE` (use `--keep-alive`), `OLLAMA_NEW_ENGINE`";
    assert_eq!(first, expected);
}

#[test]
fn ollamas_address_is_named_unless_it_is_ours() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (host, is_told) in [("http://localhost:PORT", false), ("0.0.0.0:PORT", true), ("box", true)]
    {
        let mut command = world.mlxk(&["server", "--port", &port]);
        command.env("OLLAMA_HOST", host.replace("PORT", &port));
        let (_, stderr) = streams(&command.assert().code(1));
        assert_eq!(stderr.contains("`OLLAMA_HOST` doesn't move mlxk"), is_told, "{stderr}");
    }
}

#[cfg(unix)]
#[test]
fn a_server_ends_although_nobody_reads_its_log() {
    let world = World::new();
    let mut child = command(&world).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next().expect("the server says where it listens").unwrap().contains("Ollama") {}
    drop(lines);
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_model_is_listed_as_it_was_called_and_a_client_that_leaves_is_logged() {
    let world = World::new();
    world.cached("org/Tiny-Model");
    let mut server = Running::start(&world, &["--ctx", "256"], &[]);
    let list = server.get("/v1/models");
    assert!(list.contains("\"context_length\":256"), "{list}");
    let request = json!({"model": "tiny-model", "prompt": "a", "max_tokens": 1});
    assert_eq!(server.post("/v1/completions", &request)["choices"].as_array().unwrap().len(), 1);
    // `/api/ps` names a model as it was asked for, and so does `ps`.
    let (table, _) = streams(&world.mlxk(&["ps", "--port", server.port()]).assert().success());
    assert!(table.contains("\ntiny-model "), "{table}");
    let (_, note) = streams(&world.mlxk(&["stop", "--port", server.port()]).assert().success());
    assert_eq!(note, "Unloaded `tiny-model`\n");
    let (_, note) = streams(&world.mlxk(&["ps", "--port", server.port()]).assert().success());
    assert_eq!(note, "The server has no models loaded\n");
    let request = json!({"model": "tiny-model", "prompt": "a", "max_tokens": 250, "stream": true});
    let body = request.to_string();
    let head = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}",
        body.len()
    );
    // A client that leaves at once may still come too late.
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        write!(stream, "{head}\r\ncontent-type: application/json\r\n\r\n{body}").unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
    }
    server.end_politely();
    let log: Vec<String> = server.lines.by_ref().map_while(Result::ok).collect();
    assert!(log.iter().any(|line| line.contains("the client left")), "{log:?}");
}

#[cfg(unix)]
#[test]
fn the_json_log_has_the_keys_of_mlx_knife_from_the_first_line() {
    let world = World::new();
    world.cached("org/tiny");
    let environment =
        [("MLXK2_LOG_JSON", "1"), ("MLXK2_VISION_CHUNK_SIZE", "2"), ("MLXK2_LOG_LEVEL", "debug")];
    let mut server = Running::start(&world, &["--chunk", "2", "--model", "tiny"], &environment);
    assert!(server.get("/health").starts_with("HTTP/1.1 200"));
    server.end_politely();
    let mut lines = server.before.clone();
    lines.extend(server.lines.by_ref().map_while(Result::ok));
    let lines: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        let level = line["level"].as_str().unwrap();
        assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&level), "{line}");
        assert!(line["ts"].as_f64().unwrap() > 1.7e9 && line["msg"].is_string(), "{line}");
    }
    let said = |level: &str, words: &str| {
        lines
            .iter()
            .any(|line| line["level"] == level && line["msg"].as_str().unwrap().contains(words))
    };
    assert!(said("WARN", "MLXK2_VISION_CHUNK_SIZE") && said("WARN", "--chunk"), "{lines:?}");
    assert!(lines.iter().any(|line| line.to_string().contains("req_")), "{lines:?}");
}

#[cfg(unix)]
#[test]
fn a_polite_kill_ends_it_and_nothing_secret_is_logged() {
    let world = World::new();
    let environment = [("MLXK_API_KEY", "a-secret")];
    let mut server = Running::start(&world, &["--log-level", "debug"], &environment);
    assert!(server.get("/health").starts_with("HTTP/1.1 200"));
    assert!(server.get("/models").starts_with("HTTP/1.1 401"));
    let mut with_key = world.mlxk(&["ps", "--port", server.port()]);
    with_key.envs(environment).assert().success();
    server.end_politely();
    let log: Vec<String> = server.lines.by_ref().map_while(Result::ok).collect();
    assert!(log.iter().any(|line| line.contains("req_") && line.contains("/health")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("a-secret")), "{log:?}");
}

#[cfg(unix)]
#[test]
fn a_restart_reuses_computed_prefixes() {
    let world = World::new();
    world.cached("org/tiny");
    let request = json!({"prompt": "To be, or not to be. ".repeat(10), "max_tokens": 4, "seed": 1});
    let ask = |arguments: &[&str]| {
        let mut server =
            Running::start(&world, &[&["--model", "org/tiny"], arguments].concat(), &[]);
        let answer = server.post("/v1/completions", &request);
        server.end_politely();
        let cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        (cached, answer["choices"][0]["text"].clone())
    };
    let (cached, expected) = ask(&[]);
    assert_eq!(cached, 0);
    assert_eq!(ask(&["--spill", "1GB"]), (0, expected.clone()));
    let (cached, text) = ask(&["--spill", "1GB"]);
    assert!(cached > 64, "{cached}");
    assert_eq!(text, expected);
    // It is off by default.
    assert_eq!(ask(&[]).0, 0);
}

#[test]
fn invalid_options_are_refused_before_anything_is_loaded() {
    let world = World::new();
    for (arguments, code, part) in [
        (
            &["--max-models", "0"][..],
            2,
            "`--max-models` is 0, but must be a whole number, 1 or more",
        ),
        (&["--keep-alive", "soon"], 2, "must be a time such as `90s`, `5m` or `1h`, or -1"),
        (&["--memory-limit", "much"], 2, "must be a size such as `12GB`"),
        (&["--embed-backend", "http://x"], 2, "`--embed-backend` is not needed"),
        (&["--port", "70000"], 2, "70000"),
        (&["--api-key-file", "/nowhere/key"], 1, "Cannot read the API key in `/nowhere/key`"),
        (&["--host", "256.0.0.1"], 1, "Cannot find the address `256.0.0.1`"),
        (&["--model", "nowhere", "--no-pull"], 1, "nowhere"),
    ] {
        let arguments = [&["server"][..], arguments].concat();
        let (_, error) = streams(&world.mlxk(&arguments).assert().code(code));
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (_, error) = streams(&world.mlxk(&["server", "--port", &port]).assert().code(1));
    assert!(error.contains(&format!("Cannot listen on `127.0.0.1:{port}`")), "{error}");
    assert!(error.contains("in use") && !error.contains("os error"), "{error}");
    drop(taken);
    let (_, error) = streams(&world.mlxk(&["ps", "--port", &port]).assert().code(1));
    assert!(error.contains("hint: Start one with `mlxk server`"), "{error}");
}
