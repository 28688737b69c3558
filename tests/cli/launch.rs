//! `mlxk launch`: settings of other applications, and a program that records what it was given.

use std::fs;
use std::path::{Path, PathBuf};

use crate::server::Running;
use crate::support::{World, path, streams};

/// Returns `mlxk launch` with programs only from `bin` in the home folder.
fn launch(world: &World, words: &[&str]) -> assert_cmd::Command {
    let mut command = world.mlxk(&[&["launch"], words].concat());
    command.env("PATH", world.home.path().join("bin"));
    for variable in ["CODEX_HOME", "QWEN_HOME", "PI_CODING_AGENT_DIR", "MLXK_API_KEY"] {
        command.env_remove(variable);
    }
    command
}

/// Returns a port on which nothing listens.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

fn settings(world: &World) -> PathBuf {
    world.home.path().join("config/opencode/opencode.json")
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn settings_are_merged_and_come_back_byte_for_byte() {
    let world = World::new();
    world.cached("org/tiny");
    let port = free_port();
    let mine = "{\n  // Mine.\n  \"theme\": \"dark\",\n  \"provider\": {\"other\": {}}\n}";
    write(&settings(&world), mine);
    let words = ["opencode", "--model", "tiny", "--port", &port, "--force"];
    // Without a terminal, nothing changes unless `--yes` says so.
    let (_, error) = streams(&launch(&world, &words).assert().code(2));
    assert!(error.contains("\n+     \"mlxk\": {\n") && error.contains("pass `--yes`"), "{error}");
    assert_eq!(fs::read_to_string(settings(&world)).unwrap(), mine);
    let (command, notes) =
        streams(&launch(&world, &[&words[..], &["--yes"]].concat()).assert().success());
    assert!(notes.contains("not installed here: install it with `npm install -g opencode-ai`"));
    assert!(command.ends_with("opencode --model mlxk/org/tiny\n"), "{command}");
    let changed = fs::read_to_string(settings(&world)).unwrap();
    assert!(changed.contains("// Mine.") && changed.contains("\"org/tiny\""), "{changed}");
    // The second time there is nothing to ask about.
    launch(&world, &words).assert().success();
    launch(&world, &["opencode", "--restore"]).assert().success();
    assert_eq!(fs::read_to_string(settings(&world)).unwrap(), mine);
    let (_, note) = streams(&launch(&world, &["opencode", "--restore"]).assert().success());
    assert_eq!(note, "mlxk has changed no settings of opencode\n");
}

#[test]
fn later_changes_of_the_user_stay() {
    let world = World::new();
    world.cached("org/tiny");
    let port = free_port();
    let words = ["opencode", "--model", "tiny", "--port", &port, "--force", "--yes"];
    launch(&world, &words).assert().success();
    let later = "{\"theme\": \"light\"}";
    write(&settings(&world), later);
    let (_, error) = streams(&launch(&world, &["opencode", "--restore"]).assert().code(1));
    assert!(error.contains("was changed since `mlxk launch`, so it stays"), "{error}");
    assert_eq!(fs::read_to_string(settings(&world)).unwrap(), later);
    launch(&world, &["opencode", "--restore", "--force"]).assert().success();
    assert!(!settings(&world).exists());
}

#[test]
fn printing_changes_nothing() {
    let world = World::new();
    world.cached("org/tiny");
    let port = free_port();
    for app in ["aider", "claude", "cline", "codex", "continue", "goose", "opencode", "pi", "zed"] {
        let words = [app, "--model", "tiny", "--port", &port, "--force", "--print"];
        let (text, _) = streams(&launch(&world, &words).assert().success());
        assert!(text.contains("org/tiny") && text.contains(&port), "{text}");
    }
    let found: Vec<_> =
        fs::read_dir(world.home.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(found, ["hub"]);
}

#[test]
fn mistakes_are_explained() {
    let world = World::new();
    world.cached("org/tiny");
    let port = free_port();
    let said = |words: &[&str], code| {
        let words = [words, &["--port", &port]].concat();
        streams(&launch(&world, &words).assert().code(code)).1
    };
    assert!(said(&["claud"], 2).contains("did you mean `mlxk launch claude`?"));
    let unnamed = said(&["claude"], 2);
    assert!(unnamed.contains("`mlxk launch claude --model MODEL`"), "{unnamed}");
    let unfit = said(&["claude", "--model", "tiny"], 1);
    assert!(unfit.contains("`org/tiny`") && unfit.contains("Claude Code"), "{unfit}");
    assert!(unfit.contains("hint: Choose another model"), "{unfit}");
    let damaged = settings(&world);
    write(&damaged, "{\"provider\": [");
    let words = ["opencode", "--model", "tiny", "--force", "--yes"];
    let invalid = said(&words, 1);
    assert!(invalid.contains(&format!("Cannot change `{}`", damaged.display())), "{invalid}");
    assert_eq!(fs::read_to_string(&damaged).unwrap(), "{\"provider\": [");
    let (table, _) = streams(&launch(&world, &[]).assert().success());
    assert!(table.contains("claude") && table.contains("Claude Code"), "{table}");
}

#[test]
fn a_running_server_is_asked_about_its_model() {
    let world = World::new();
    world.cached("org/tiny");
    let server = Running::start(&world, &["--model", "org/tiny", "--ctx", "64"], &[]);
    let words = ["goose", "--port", server.port(), "--force", "--print"];
    let (text, _) = streams(&launch(&world, &words).assert().success());
    assert!(text.contains("GOOSE_MODEL=org/tiny") && text.contains("LIMIT=64\n"), "{text}");
    let unknown = [&words[..], &["--model", "nosuch"]].concat();
    let (_, error) = streams(&launch(&world, &unknown).assert().code(1));
    assert!(error.contains("nosuch"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_server_runs_while_the_program_does() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.cached("org/tiny");
    let home = world.home.path();
    let port = free_port();
    let program = home.join("bin/goose");
    let mlxk = world.mlxk(&[]);
    let mlxk = Path::new(mlxk.get_program()).to_owned();
    let script = format!(
        "#!/bin/sh\nfor word in \"$@\"; do echo \"$word\"; done > '{0}/words'\n\
         echo \"$GOOSE_MODEL $OPENAI_API_KEY $OPENAI_HOST\" > '{0}/variables'\n\
         '{1}' ps --port {port} > '{0}/models'\nexit 7\n",
        path(home),
        path(&mlxk)
    );
    write(&program, &script);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let words = ["goose", "--model", "tiny", "--port", &port, "--force", "--", "run", "-t", "a b"];
    let mut command = launch(&world, &words);
    let (_, error) = streams(&command.env("MLXK_API_KEY", "secret").assert().code(1));
    assert!(error.contains("Goose ended with exit code 7") && !error.contains("secret"), "{error}");
    let text = |name: &str| fs::read_to_string(home.join(name)).unwrap();
    assert_eq!(text("words"), "run\n-t\na b\n");
    assert_eq!(text("variables"), format!("org/tiny secret http://127.0.0.1:{port}\n"));
    assert!(text("models").contains("org/tiny"), "{}", text("models"));
    // The server has stopped with it.
    let (_, gone) = streams(&world.mlxk(&["ps", "--port", &port]).assert().code(1));
    assert!(gone.contains("No server at"), "{gone}");
}
