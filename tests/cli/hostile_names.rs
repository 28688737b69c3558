//! Names and texts of checkpoints, hubs, Modelfiles and servers that would control a terminal: they set its title,
//! write to the clipboard, clear the screen, or turn the direction of the text around.
//!
//! Every command runs on a terminal and in a pipe, and what it prints has none of them.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};

use crate::support::{World, path};
use mlxk_testkit::{Kind, Stored, checkpoint_with};

/// A title, the clipboard, a cleared screen, one byte that introduces a sequence, a direction, a deletion.
const EVIL: &str =
    "x\u{1b}]0;owned\u{7}\u{1b}]52;c;b3duZWQ=\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{7f}\u{8}y";

/// Returns the characters of an output that control a terminal.
fn harmful(text: &str) -> Vec<char> {
    let is_bidi = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // A terminal's driver adds the carriage return.
    let is_line = |c: char| matches!(c, '\n' | '\r' | '\t');
    text.chars().filter(|&c| is_bidi(c) || c.is_control() && !is_line(c)).collect()
}

/// Runs a command on a terminal. Returns what it prints.
fn on_terminal(command: &assert_cmd::Command, words: &[String]) -> String {
    let size = PtySize { rows: 50, cols: 300, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut builder = CommandBuilder::new(assert_cmd::cargo::cargo_bin("mlxk"));
    builder.args(words);
    builder.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            builder.env(name, value);
        }
    }
    builder.env("TERM", "xterm-256color");
    builder.env("NO_COLOR", "1");
    builder.cwd(command.get_current_dir().unwrap());
    let mut child = pair.slave.spawn_command(builder).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut keyboard = pair.master.take_writer().unwrap();
    // A question is answered with no.
    keyboard.write_all(b"n\n").unwrap();
    let read = std::thread::spawn(move || {
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            all.extend_from_slice(&bytes[..count]);
        }
        all
    });
    child.wait().unwrap();
    drop((keyboard, pair.master));
    String::from_utf8_lossy(&read.join().unwrap()).into_owned()
}

/// Answers every request with the same status and JSON. Returns its address.
fn server(status: &'static str, body: impl Fn(&str) -> Value + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut first = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _ = reader.read_line(&mut first);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let body = body(&first).to_string();
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(name), content).unwrap();
}

/// Makes weights of which one tensor, of one value, has this name and type.
fn weights(tensor: &str, dtype: &str) -> Vec<u8> {
    let header =
        json!({tensor: {"dtype": dtype, "shape": [1], "data_offsets": [0, 4]}}).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// Makes the head of a GGUF file of this architecture.
fn gguf(architecture: &str) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.extend_from_slice(&1_u64.to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    text(&mut bytes, "general.architecture");
    bytes.extend_from_slice(&8_u32.to_le_bytes());
    text(&mut bytes, architecture);
    bytes
}

/// Puts a tiny model into the cache, changes it, and returns its folder.
fn cached(world: &World, name: &str, changes: &Value) -> PathBuf {
    world.cached(name);
    let repo = world.cache().join(format!("models--{}", name.replace('/', "--")));
    let snapshot = repo.join("snapshots/0123456789abcdef0123456789abcdef01234567");
    let changed = checkpoint_with(Kind::Llama, Stored::Bits(4), changes);
    std::fs::copy(changed.path().join("config.json"), snapshot.join("config.json")).unwrap();
    snapshot
}

/// Makes a machine full of hostile names.
fn hostile() -> World {
    let world = World::new();
    let home = world.home.path();
    cached(&world, "org/type", &json!({"model_type": EVIL, "architectures": [EVIL]}));
    cached(
        &world,
        "org/mode",
        &json!({"quantization": {"bits": 4, "group_size": 64, "mode": EVIL}}),
    );
    cached(&world, "org/rope", &json!({"rope_scaling": {"rope_type": EVIL}, "hidden_act": EVIL}));
    cached(&world, "org/method", &json!({"quantization_config": {"quant_method": EVIL}}));
    let folder = cached(&world, "org/tensor", &json!({}));
    write(&folder, "model.safetensors", weights(EVIL, "F32"));
    let folder = cached(&world, "org/dtype", &json!({}));
    write(&folder, "model.safetensors", weights("a", EVIL));
    let folder = cached(&world, "org/shard", &json!({}));
    let index = json!({"weight_map": {EVIL: EVIL}}).to_string();
    write(&folder, "model.safetensors.index.json", index);
    let folder = cached(&world, "org/template", &json!({}));
    write(&folder, "chat_template.jinja", format!("{{{{ raise_exception('{EVIL}') }}}}"));
    let folder = cached(&world, "org/syntax", &json!({}));
    write(&folder, "chat_template.jinja", format!("{{% {EVIL} %}}"));
    let folder = cached(&world, "org/tokenizer", &json!({}));
    write(
        &folder,
        "tokenizer.json",
        json!({"model": {"type": EVIL, "vocab": {EVIL: 0}}}).to_string(),
    );
    let folder = cached(&world, "org/generation", &json!({}));
    write(&folder, "generation_config.json", json!({"temperature": EVIL, EVIL: 1}).to_string());
    let folder = cached(&world, "org/file", &json!({}));
    write(&folder, EVIL, "text");
    write(&folder, "README.md", format!("---\nlibrary_name: {EVIL}\ntags: [{EVIL}]\n---\n{EVIL}"));
    write(&world.cache().join(format!("models--org--{EVIL}/snapshots/0")), "config.json", "{}");
    let store = home.join("data/mlxk/models");
    let config = json!({"model_type": EVIL}).to_string();
    write(&store.join(EVIL), "config.json", &config);
    write(&store.join("import"), "config.json", &config);
    let origin = json!({"source": EVIL, "imported_unix_s": 1, "converted_by": EVIL, "tool": EVIL});
    write(&store.join("import"), "mlxk-origin.json", origin.to_string());
    write(&home.join("spaces").join(EVIL), "config.json", &config);
    write(&home.join("spaces/mine"), "config.json", &config);
    let sentinel = json!({"mlxk_version": EVIL, "managed": true, "operation": EVIL,
        "source_repo": EVIL, "created_at": EVIL, "content_hash": EVIL, "hash_modified": EVIL});
    write(&home.join("spaces/mine"), ".mlxk_workspace.json", sentinel.to_string());
    let text = serde_json::to_string(EVIL).unwrap().replace('\u{7f}', "\\u007f");
    write(
        &store,
        "named.toml",
        format!("from = \"org/file\"\nsystem = {text}\nlicense = [{text}]\n"),
    );
    write(&store, "broken.toml", format!("from = \"org/file\"\n{text} = 1\n"));
    write(&store, "away.toml", format!("from = {text}\n"));
    write(home, "good", format!("FROM org/file\nSYSTEM {EVIL}\nLICENSE {EVIL}\n"));
    write(home, "wrong", format!("FROM org/file\nPARAMETER {EVIL} 1\n"));
    write(home, "unknown", format!("FROM org/file\n{EVIL} 1\n"));
    write(home, "from", format!("FROM {EVIL}\n"));
    write(home, "evil.gguf", gguf(EVIL));
    write(home, &format!("{EVIL}.gguf"), gguf(EVIL));
    write(home, "report.json", json!({"schema": format!("mlxk-bench-{EVIL}")}).to_string());
    write(home, "other.json", json!({"schema": "mlxk-bench-model/1"}).to_string());
    write(home, "prompts", json!({"id": EVIL, "prompt": "hello", "max_tokens": 1}).to_string());
    let choices = json!({"text": [EVIL], "label": ["A"]});
    let question = json!({"question": EVIL, "choices": choices, "answerKey": EVIL});
    write(home, "questions", question.to_string());
    let ollama = json!({"layers": [{"mediaType": EVIL, "digest": EVIL}]}).to_string();
    write(&home.join("ollama/manifests/registry.ollama.ai/library/evil"), "latest", ollama);
    world
}

#[test]
#[expect(clippy::too_many_lines, reason = "most lines are commands")]
fn nothing_that_a_command_prints_controls_the_terminal() {
    let world = hostile();
    let refusing = server("403 Forbidden", |_| json!({"error": EVIL, "message": EVIL}));
    let listing = server("200 OK", |first| {
        if first.contains("search=") {
            return json!([{"id": format!("org/{EVIL}"), "modelId": EVIL, "lastModified": EVIL,
                "downloads": 1, "likes": 2, "tags": [EVIL]}]);
        }
        json!({"sha": "0123456789abcdef0123456789abcdef01234567", "id": EVIL, "siblings": [
            {"rfilename": EVIL, "size": 1}, {"rfilename": "config.json", "size": 2}]})
    });
    let serving = server(
        "200 OK",
        |_| json!({"data": [{"id": EVIL, "context": 1, "requests": 0, "weights_bytes": 1}]}),
    );
    let failing = server("404 Not Found", |_| json!({"error": {"message": EVIL}}));
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut add =
        |words: &[&str]| commands.push(words.iter().map(|&word| word.to_owned()).collect());
    let models = [
        "org/type",
        "org/mode",
        "org/rope",
        "org/method",
        "org/tensor",
        "org/dtype",
        "org/shard",
        "org/template",
        "org/syntax",
        "org/tokenizer",
        "org/generation",
        "org/file",
        "import",
        "named",
        "broken",
        "away",
        "mine",
        "./evil.gguf",
        "evil",
    ];
    let names = [
        EVIL.to_owned(),
        format!("./spaces/{EVIL}"),
        format!("./{EVIL}.gguf"),
        format!("org/{EVIL}"),
    ];
    for name in models.into_iter().chain(names.iter().map(String::as_str)) {
        add(&["run", name, "hello", "--max-tokens", "1", "--no-pull"]);
        add(&["run", name, "hello", "--max-tokens", "1", "--no-pull", "--json"]);
        add(&["run", "org/file", "hello", "--draft-model", name, "--no-pull"]);
        add(&["show", name]);
        add(&["show", name, "--files", "--config"]);
        add(&["show", name, "--json"]);
        add(&["show", name, "--files", "--json"]);
        add(&["show", name, "--modelfile"]);
        add(&["health", name]);
        add(&["health", name, "--deep"]);
        add(&["list", name, "--all", "--health", "--verbose"]);
        add(&["rm", name, "--dry-run"]);
        add(&["cp", name, "copy"]);
        add(&["cp", "org/file", name]);
        add(&["convert", name, "./out"]);
        add(&["convert", "org/file", name]);
        add(&["clone", name, "./out"]);
        add(&["push", name, "org/x", "--check-only", "--verbose"]);
        add(&["perplexity", name, "prompts", "--no-pull"]);
        add(&["perplexity", name, "org/file", "prompts", "--no-pull"]);
        add(&["eval", name, "--tasks", "prompts", "--no-pull"]);
        add(&["bench", "model", name, "--no-pull", "--no-run"]);
        add(&["server", "--port", "0", "--model", name, "--no-pull", "--max-models", "0"]);
    }
    for words in [
        &[][..],
        &["list"],
        &["list", "--all", "--health", "--verbose"],
        &["list", "--json"],
        &["list", "./spaces"],
        &["health"],
        &["health", "--json"],
        &["doctor", "--quick"],
        &["doctor", "--quick", "--json"],
        &["config"],
        &["create", "made", "-f", "good"],
        &["show", "made"],
        &["show", "made", "--modelfile"],
        &["show", "made", "--json"],
        &["create", "x", "-f", "wrong"],
        &["create", "x", "-f", "unknown"],
        &["create", "x", "-f", "from"],
        &["create", "x", "-f", EVIL],
        &["create", EVIL, "-f", "good"],
        &["rm", "--unused", "--dry-run"],
        &["bench", "compare", "report.json", "other.json"],
        &["bench", "compare", EVIL, EVIL],
        &["eval", "org/file", "--tasks", "questions"],
        &["eval", "org/file", "--tasks", EVIL],
        &["run", "org/file", "--batch", "prompts"],
        &["run", "org/file", "Hi", "--format", EVIL],
        &["run", "org/file", "Hi", "--max-tokens", EVIL],
        &[EVIL],
        &["run", EVIL, EVIL, EVIL],
        &["search", EVIL],
        &["pull", EVIL],
        &["doctor", EVIL],
        &["completions", EVIL],
    ] {
        add(words);
    }
    for address in [&serving, &failing] {
        let port = port(address);
        add(&["ps", "--port", &port]);
        add(&["ps", "--port", &port, "--json"]);
        add(&["stop", EVIL, "--port", &port]);
    }
    let online = [
        &["search", "tiny"][..],
        &["search", "tiny", "--json"],
        &["pull", "org/new"],
        &["pull", "org/new", "--json"],
        &["run", "org/new", "Hi"],
        &["clone", "org/new", "./out"],
        &["push", "./spaces/mine", "org/x", "--private"],
        &["push", "./spaces/mine", "org/x", "--private", "--json"],
        &["doctor", "hub", "--online"],
        &["health", "org/file", "--repair"],
    ];
    let offline = "http://127.0.0.1:9".to_owned();
    let mut runs: Vec<(Vec<String>, String)> =
        commands.into_iter().map(|words| (words, offline.clone())).collect();
    for hub in [&refusing, &listing] {
        let words = |words: &&[&str]| words.iter().map(|&word| word.to_owned()).collect();
        runs.extend(online.iter().map(|it| (words(it), format!("http://{hub}"))));
    }
    let mut printed = 0;
    for (words, hub) in runs {
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = world.mlxk(&arguments);
        command.current_dir(world.home.path());
        command.env("HF_ENDPOINT", hub).env("HF_TOKEN", "x");
        command.env("MLXK_WORKSPACE_HOME", world.home.path().join("spaces"));
        command.env("MLXK_CONFIG_UNUSED", "");
        let drawn = on_terminal(&command, &words);
        assert_eq!(harmful(&drawn), [], "{words:?} on a terminal: {drawn:?}");
        printed += usize::from(drawn.contains("owned"));
        // `--modelfile`, `--config` and completions keep a file's own text in a pipe.
        if words.iter().any(|word| ["--modelfile", "--config"].contains(&word.as_str())) {
            continue;
        }
        let output = command.output().unwrap();
        // So does an answer.
        let is_answer = words.first().is_some_and(|word| word == "run")
            && !words.iter().any(|word| word == "--json");
        let stdout = if is_answer { &Vec::new() } else { &output.stdout };
        for bytes in [stdout, &output.stderr] {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(harmful(&text), [], "{words:?}: {text:?}");
        }
        let _ = path(world.home.path());
    }
    assert!(printed > 60, "only {printed} commands showed a hostile name");
}
