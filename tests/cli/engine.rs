//! `mlxk run --engine`: other programs that answer, and the choice between them.

use std::time::Duration;

use mlxk_test_peers::{Asked, Part, Peer, head, json as reply, lines, ollama};
use serde_json::{Value, json};

use crate::server::Running;
use crate::support::{World, streams};

#[test]
fn another_program_answers() {
    let peer = ollama::server(|_| lines(&[&ollama::said("Good day"), &ollama::end("/api/chat")]));
    let world = World::new();
    let engine = format!("{}/tiny:latest", peer.address().replace("http", "ollama"));
    let run = ["run", "anything", "Hello", "--system", "Be brief", "--seed", "3", "--engine"];
    let (stdout, _) = streams(&world.mlxk(&[&run[..], &[&engine]].concat()).assert().success());
    assert_eq!(stdout, "Good day\n");
    let asked = peer.asked().pop().unwrap().body;
    assert_eq!((&asked["model"], &asked["options"]["seed"]), (&json!("tiny:latest"), &json!(3)));
    assert_eq!(asked["messages"][0], json!({"role": "system", "content": "Be brief"}));
    let command = [&run[..], &[&engine, "--json"]].concat();
    let (stdout, _) = streams(&world.mlxk(&command).assert().success());
    let data = serde_json::from_str::<Value>(&stdout).unwrap()["data"].take();
    assert_eq!((&data["response"], &data["prompt"]), (&json!("Good day"), &json!("Hello")));
    assert!(data["engine"].as_str().unwrap().starts_with("ollama at http://127.0.0.1:"));
}

#[test]
fn what_cannot_work_is_said() {
    let world = World::new();
    for (words, expected, code) in [
        (&["--engine", "quickest"][..], "`--engine quickest` is not an engine; it takes", 2),
        (&["--engine", "ollama", "--policy", "fastest"], "`--policy` needs `--engine auto`", 2),
        (
            &["--engine", "auto", "--policy", "cheapest-memory"],
            "must be `fastest`, `local-first`",
            2,
        ),
        (&["--engine", "ollama", "--n", "2"], "`--n` works with the engine `mlxk` only", 2),
        (&["--engine", "http://127.0.0.1:1"], "No server at `http://127.0.0.1:1`", 1),
    ] {
        let command = [&["run", "m", "Hello"][..], words].concat();
        let (_, stderr) = streams(&world.mlxk(&command).assert().code(code));
        assert!(stderr.contains(expected), "{stderr}");
    }
}

/// An Ollama that takes this long for every token.
fn paced(pause: Duration) -> Peer {
    ollama::server(move |asked: &Asked| {
        let tokens = asked.body["options"]["num_predict"].as_u64().unwrap_or(8);
        let mut parts = vec![head(200, "application/x-ndjson")];
        for _ in 0..tokens {
            parts.extend([Part::Send(ollama::said("word ") + "\n"), Part::Pause(pause)]);
        }
        let mut end: Value = serde_json::from_str(&ollama::end("/api/chat")).unwrap();
        end["eval_count"] = tokens.into();
        parts.push(Part::Send(format!("{end}\n")));
        parts
    })
}

/// The other direction is a test of the router alone: no peer is certainly faster than a tiny model on a busy machine.
#[test]
fn auto_takes_the_faster_one_and_remembers_the_figures() {
    let world = World::new();
    world.cached("org/tiny");
    let config = world.home.path().join("config.toml");
    std::fs::write(&config, "[pairs]\n\"tiny:latest\" = \"org/tiny\"\n").unwrap();
    let peer = paced(Duration::from_millis(200));
    let run = || {
        // A part of the name is enough, as elsewhere.
        let command = ["run", "tiny", "Hello", "--engine", "auto", "--explain"];
        let mut command = world.mlxk(&[&command[..], &["--max-tokens", "9"]].concat());
        command.env("MLXK_CONFIG", &config).env("OLLAMA_HOST", peer.address());
        streams(&command.assert().success()).1
    };
    let first = run();
    assert!(first.contains("chosen: mlxk, because"), "{first}");
    assert!(first.contains("ollama (0.32.0):") && first.contains("tokens/s"), "{first}");
    let asked = peer.asked().len();
    let second = run();
    assert!(second.contains("chosen: mlxk, because"), "{second}");
    let later = peer.asked().split_off(asked);
    let chats = later.iter().filter(|asked| asked.path == "/api/chat").count();
    // Other tests may disturb the measurement.
    if first.contains("the next run measures again") {
        assert!(first.contains("warning: The ") && chats >= 4, "{first}");
    } else {
        assert!(chats <= 1, "nothing is measured twice");
    }
}

#[test]
fn measuring_engines_is_no_part_of_the_answers_time() {
    let world = World::new();
    world.cached("org/tiny");
    let config = world.home.path().join("config.toml");
    let watts = "[engine]\nwatts = \"mlxk=1 ollama=1e9\"\n";
    let settings = format!("[pairs]\n\"tiny:latest\" = \"org/tiny\"\n{watts}");
    std::fs::write(&config, settings).unwrap();
    let peer = paced(Duration::from_millis(30));
    let run = ["run", "org/tiny", "Hello", "--engine", "auto", "--max-tokens", "9", "--json"];
    let asked = |policy: &str| {
        let mut command = world.mlxk(&[&run[..], &["--verbose", "--policy", policy]].concat());
        command.env("MLXK_CONFIG", &config).env("OLLAMA_HOST", peer.address());
        let (stdout, notes) = streams(&command.assert().success());
        (serde_json::from_str::<Value>(&stdout).unwrap()["data"].take(), notes)
    };
    // The nearest one needs no figures.
    let (data, notes) = asked("local-first");
    assert_eq!((&data["engine"], &data["timings"]["measuring_ms"]), (&json!("mlxk"), &Value::Null));
    assert!(!notes.contains("Measuring"), "{notes}");
    assert!(peer.asked().iter().all(|asked| asked.path != "/api/chat"));
    let (data, notes) = asked("cheapest-energy");
    assert_eq!(data["engine"], "mlxk");
    let time = |data: &Value, name: &str| data["timings"][name].as_f64().unwrap();
    // Three answers of 32 tokens, each of which takes 30 ms.
    let measuring = time(&data, "measuring_ms");
    assert!(measuring > 2_800.0, "{data}");
    for name in ["time_to_first_token_ms", "total_ms"] {
        assert!(time(&data, name) < measuring, "{data}");
    }
    for line in ["engine       mlxk\n", "measuring    ", "[8/8] ollama: answer 3 of 3\n"] {
        assert!(notes.contains(line), "{notes}");
    }
    assert!(notes.contains("later runs use the figures, unless something disturbs"), "{notes}");
    // Both have as many bytes of weights.
    assert!(!notes.contains("not equal"), "{notes}");
}

#[test]
fn auto_says_if_the_weights_differ_in_size() {
    let world = World::new();
    world.cached("org/tiny");
    let config = world.home.path().join("config.toml");
    std::fs::write(&config, "[pairs]\n\"tiny:latest\" = \"org/tiny\"\n").unwrap();
    let peer = Peer::start(|asked| match asked.path.as_str() {
        "/api/version" => reply(200, r#"{"version":"0.32.0"}"#),
        "/api/tags" => reply(200, r#"{"models":[{"name":"tiny:latest","size":900000}]}"#),
        "/api/chat" => lines(&[&ollama::said("Good day"), &ollama::end("/api/chat")]),
        _ => reply(200, r#"{"details":{},"model_info":{"general.parameter_count":200000}}"#),
    });
    let run = |policy: &str| {
        let run =
            ["run", "org/tiny", "Hello", "--engine", "auto", "--max-tokens", "2", "--explain"];
        let mut command = world.mlxk(&[&run[..], &["--policy", policy]].concat());
        command.env("MLXK_CONFIG", &config).env("OLLAMA_HOST", peer.address());
        streams(&command.assert().success()).1
    };
    let installed = "; the files differ, so this compares what is installed, not the programs\n";
    let equal = "Run the same file in mlxk with `mlxk run ollama:tiny:latest --engine auto`";
    // The nearest one is not compared with others.
    let notes = run("local-first");
    assert!(!notes.contains(installed) && !notes.contains(equal), "{notes}");
    crate::keep::ollama::store(&world, "tiny", "latest", "model");
    let notes = run("fastest");
    let unequal =
        "warning: The work is not equal: the weights differ in size: `org/tiny` has 0.1 MB";
    assert!(notes.contains(unequal), "{notes}");
    assert!(notes.contains("`tiny:latest` has 0.9 MB (36.00 bits per weight) (Ollama)"), "{notes}");
    assert!(notes.contains(installed) && notes.contains(equal), "{notes}");
}

#[test]
fn auto_follows_a_policy() {
    let world = World::new();
    world.cached("org/tiny");
    let config = world.home.path().join("config.toml");
    let fast = paced(Duration::ZERO);
    let address = fast.address().replace("http", "ollama") + "/tiny:latest";
    let run = |settings: &str, policy: &[&str]| {
        std::fs::write(&config, settings).unwrap();
        let engine = format!("auto,{address}");
        let run = ["run", "tiny", "Hello", "--explain", "--max-tokens", "9", "--engine", &engine];
        let mut command = world.mlxk(&[&run[..], policy].concat());
        command.env("MLXK_CONFIG", &config).env("OLLAMA_HOST", "127.0.0.1:1");
        streams(&command.assert().success()).1
    };
    let theirs = format!("chosen: ollama at {},", fast.address());
    // Prices alone need no measurement.
    let prices = format!("[engine]\nprices = \"mlxk=2 {address}=0.5\"\n");
    let notes = run(&prices, &["--policy", "cheapest-price"]);
    assert!(notes.contains(&theirs) && notes.contains("mlxk (") && notes.contains("not measured"));
    assert_eq!(fast.asked().iter().filter(|asked| asked.path == "/api/chat").count(), 1);
    let notes = run(&prices.replace("mlxk=2", "mlxk=0.1"), &["--policy", "cheapest-price"]);
    assert!(notes.contains("chosen: mlxk"), "{notes}");
    let watts =
        format!("[engine]\npolicy = \"cheapest-energy\"\nwatts = \"mlxk=1 {address}=1e9\"\n");
    let notes = run(&watts, &[]);
    assert!(notes.contains("chosen: mlxk") && !notes.contains("not measured"), "{notes}");
    let notes = run(&watts.replace("mlxk=1 ", "mlxk=1e12 ").replace("1e9", "1"), &[]);
    assert!(notes.contains(&theirs), "{notes}");
    let notes = run(&watts, &["--policy", "local-first"]);
    assert!(notes.contains("chosen: mlxk, because it is the nearest"), "{notes}");
}

#[test]
fn auto_says_why_ollama_takes_no_part() {
    let world = World::new();
    world.cached("org/tiny");
    let config = world.home.path().join("config.toml");
    std::fs::write(&config, "[pairs]\n\"small:latest\" = \"org/tiny\"\n").unwrap();
    let peer = paced(Duration::ZERO);
    let run = ["run", "tiny", "Hello", "--engine", "auto", "--explain", "--max-tokens", "2"];
    for (config, address, reason) in [
        (Some(&config), peer.address(), "It doesn't have `small:latest`; get it with `ollama pull"),
        (None, peer.address(), "No name in Ollama is known for `tiny`"),
        (None, "127.0.0.1:1".to_owned(), "No server at `http://127.0.0.1:1`"),
    ] {
        let mut command = world.mlxk(&run);
        command.env("OLLAMA_HOST", address).envs(config.map(|file| ("MLXK_CONFIG", file)));
        let (_, notes) = streams(&command.assert().success());
        assert!(notes.contains(&format!("ollama cannot be asked: {reason}")), "{notes}");
    }
}

#[test]
fn auto_knows_the_figures_of_a_benchmark() {
    let world = World::new();
    world.cached("org/tiny");
    let config = world.home.path().join("config.toml");
    std::fs::write(&config, "[pairs]\n\"tiny:latest\" = \"org/tiny\"\n").unwrap();
    let report = world.home.path().join("report.json");
    let server = Running::start(&world, &["--threads", "1"], &[]);
    let bench =
        ["bench", "--model", "org/tiny", "--mlx-model", "org/tiny", "--skip-pull", "--save-choice"];
    let short = ["--runs", "2", "--warmup", "0", "--max-tokens", "6"];
    let files = ["--output", report.to_str().unwrap()];
    let mut command = world.mlxk(&[&bench[..], &short, &files].concat());
    command.env("OLLAMA_HOST", &server.address);
    let (_, notes) = streams(&command.assert().success());
    for name in ["mlxk", "ollama"] {
        let note = format!("`mlxk run org/tiny --engine auto` now knows {name}");
        assert!(notes.contains(&note), "{notes}");
    }
    let peer = paced(Duration::from_millis(1));
    let run = ["run", "org/tiny", "Hello", "--engine", "auto", "--explain", "--max-tokens", "9"];
    let mut command = world.mlxk(&run);
    command.env("MLXK_CONFIG", &config).env("OLLAMA_HOST", peer.address());
    let (_, notes) = streams(&command.assert().success());
    assert!(notes.contains("ollama (0.32.0): ") && notes.contains("2 samples"), "{notes}");
    assert!(!notes.contains("not measured"), "{notes}");
    let chats = peer.asked().iter().filter(|asked| asked.path == "/api/chat").count();
    assert!(chats <= 1, "nothing is measured again");
}

#[test]
fn auto_considers_servers_at_addresses() {
    let world = World::new();
    world.cached("org/tiny");
    let slow = paced(Duration::from_millis(200));
    let address = slow.address().replace("http", "ollama") + "/tiny:latest";
    let engine = format!("auto,{address}");
    let run = ["run", "org/tiny", "Hello", "--explain", "--max-tokens", "9", "--engine"];
    let (_, notes) = streams(&world.mlxk(&[&run[..], &[&engine]].concat()).assert().success());
    let known = format!("ollama at {} (0.32.0, tiny:latest): ", slow.address());
    assert!(notes.contains(&known) && notes.contains("chosen: mlxk"), "{notes}");
    let (_, error) =
        streams(&world.mlxk(&[&run[..], &["auto,quickest"]].concat()).assert().code(2));
    assert!(error.contains("`--engine quickest` is not an engine; it takes"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_measurement_at_once() {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    let world = World::new();
    world.cached("org/tiny");
    let peer = ollama::server(|_| vec![head(200, "application/x-ndjson"), Part::Hang]);
    let address = peer.address().replace("http", "ollama") + "/tiny:latest";
    let engine = format!("auto,{address}");
    for signal in ["-TERM", "-INT"] {
        let asked = peer.asked().len();
        let prepared = world.mlxk(&["run", "org/tiny", "Hello", "--explain", "--engine", &engine]);
        let mut command = Command::new(prepared.get_program());
        for (name, value) in prepared.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("OLLAMA_HOST", "127.0.0.1:1").args(prepared.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        while !peer.asked().iter().skip(asked).any(|asked| asked.path == "/api/chat") {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it was interrupted");
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = child.id().to_string();
        let begun = Instant::now();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let notes = String::from_utf8(output.stderr).unwrap();
        // A log shows how far it is.
        assert!(notes.contains("[1/8] mlxk: warm-up\n"), "{notes}");
    }
}
