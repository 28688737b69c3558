//! Files, keys and addresses that would harm the user.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{World, path, streams};
use mlxk_testkit::{Kind, Stored, checkpoint};

/// Returns the names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_blank_key_is_refused() {
    let world = World::new();
    for key in [" ", "\t \n"] {
        let mut command = world.mlxk(&["server", "--port", "0"]);
        let (_, stderr) = streams(&command.env("MLXK_API_KEY", key).assert().code(2));
        assert!(stderr.contains("`MLXK_API_KEY` is blank"), "{stderr}");
    }
}

#[test]
fn a_password_in_the_address_of_the_hub_is_sent_and_never_shown() {
    let world = World::new();
    world.cached("org/tiny");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = format!("http://me:sesame@{}", listener.local_addr().unwrap());
    let heads = std::thread::spawn(move || {
        let mut sent = String::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                sent.push_str(&line);
                line.clear();
            }
            if sent.contains("/stop") {
                return sent;
            }
            let _ =
                write!(stream, "HTTP/1.1 403 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        sent
    });
    let folder = checkpoint(Kind::Llama, Stored::Dense);
    let push = ["push", path(folder.path()), "org/x", "--private", "--dry-run"];
    for words in [
        &["config"][..],
        &["config", "--json"],
        &["doctor", "hub"],
        &["doctor", "hub", "--json"],
        &["doctor", "hub", "--online"],
        &["search", "x"],
        &["search", "x", "--json"],
        &["pull", "org/new"],
        &["pull", "org/new", "--json"],
        &["run", "org/new", "Hi"],
        &push,
        &[&push[..], &["--json"]].concat(),
    ] {
        let mut command = world.mlxk(words);
        let output = command.env("HF_ENDPOINT", &hub).output().unwrap();
        let shown = [output.stdout, output.stderr].concat();
        let shown = String::from_utf8(shown).unwrap();
        assert!(!shown.contains("sesame"), "{words:?}: {shown}");
        assert!(!shown.is_empty(), "{words:?}");
    }
    let address = hub.rsplit('@').next().unwrap();
    let mut last = std::net::TcpStream::connect(address).unwrap();
    last.write_all(b"GET /stop HTTP/1.1\r\n\r\n").unwrap();
    let sent = heads.join().unwrap();
    // `me:sesame`, as RFC 7617 encodes it.
    assert!(sent.to_lowercase().contains("authorization: basic bwu6c2vzyw1l"), "{sent}");
}

#[test]
fn a_killed_conversion_leaves_nothing_for_long() {
    let world = World::new();
    let model = checkpoint(Kind::Llama, Stored::Dense);
    let place = world.home.path().join("place");
    std::fs::create_dir(&place).unwrap();
    for round in 0..20_u64 {
        let words = match round % 2 {
            0 => ["convert", path(model.path()), "./a"],
            _ => ["clone", path(model.path()), "./b"],
        };
        let mut command: std::process::Command = {
            let made = world.mlxk(&words);
            let mut command = std::process::Command::new(made.get_program());
            command.args(made.get_args());
            for (name, value) in made.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command
        };
        command.current_dir(&place).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(3 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        for done in ["a", "b"] {
            let _ = std::fs::remove_dir_all(place.join(done));
        }
    }
    // What a kill in the middle leaves, for certain.
    let data = world.home.path().join("data/mlxk/making");
    std::fs::create_dir_all(place.join(".c.making-AbC123")).unwrap();
    std::fs::write(place.join(".c.making-AbC123/config.json"), "{}").unwrap();
    let target = place.canonicalize().unwrap().join("c");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("0123"), path(&target)).unwrap();
    let (listed, _) = streams(&world.mlxk(&["list", path(&place), "--all"]).assert().success());
    assert!(!listed.contains("making"), "{listed}");
    let output = world.mlxk(&["doctor", "downloads"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("An interrupted `convert` or `clone` left") && told.contains(".c.making-")
    );
    let mut next = world.mlxk(&["clone", path(model.path()), "./d"]);
    next.current_dir(&place).assert().success();
    assert_eq!(names(&place), ["d"]);
    assert_eq!(names(&data), [".lock"]);
    let (told, _) = streams(&world.mlxk(&["doctor", "downloads"]).assert().success());
    assert!(!told.contains("interrupted"), "{told}");
}

#[test]
fn a_copy_never_contains_what_a_link_leads_to() {
    let world = World::new();
    let model = checkpoint(Kind::Llama, Stored::Dense);
    let key = world.home.path().join("key");
    std::fs::write(&key, "private").unwrap();
    std::os::unix::fs::symlink(&key, model.path().join("NOTICE")).unwrap();
    for words in [
        &["convert", path(model.path()), "./out", "-q", "4"][..],
        &["convert", path(model.path()), "./out", "--repair-index"],
        &["clone", path(model.path()), "./out"],
        &["push", path(model.path()), "org/x", "--check-only"],
    ] {
        let mut command = world.mlxk(words);
        let assert = command.current_dir(world.home.path()).assert().code(1);
        let (_, stderr) = streams(&assert);
        assert!(stderr.contains("links that lead out of it: `NOTICE`"), "{words:?}: {stderr}");
        assert!(!world.home.path().join("out").exists());
    }
}

#[test]
fn pipes_and_devices_are_no_models_and_no_prompts() {
    let world = World::new();
    for name in ["model.safetensors", "config.json", "tokenizer.json", "generation_config.json"] {
        let model = checkpoint(Kind::Llama, Stored::Dense);
        let pipe = model.path().join(name);
        let _ = std::fs::remove_file(&pipe);
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for words in [&["run", path(model.path()), "Hi"][..], &["show", path(model.path())]] {
            let mut command = world.mlxk(words);
            let output = command.timeout(Duration::from_mins(1)).output().unwrap();
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 1)), "{name}, {words:?}: {output:?}");
            assert!(words[0] != "run" || code == Some(1), "{name}: {output:?}");
        }
    }
    let model = checkpoint(Kind::Llama, Stored::Dense);
    let model = path(model.path());
    for words in [
        &["run", model, "--prompt-file", "/dev/zero"][..],
        &["create", "x", "-f", "/dev/zero"],
        &["run", model, "Hi", "--format", "/dev/zero"],
        &["bench", "compare", "/dev/zero", "/dev/zero"],
    ] {
        let mut command = world.mlxk(words);
        let (_, stderr) = streams(&command.timeout(Duration::from_mins(1)).assert().code(1));
        assert!(stderr.contains("which is the limit"), "{words:?}: {stderr}");
    }
    let mut command = world.mlxk(&["show", "/"]);
    let (_, stderr) = streams(&command.timeout(Duration::from_secs(20)).assert().code(1));
    assert!(stderr.contains("is not a checkpoint folder"), "{stderr}");
}
