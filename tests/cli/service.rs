//! `mlxk service` with tools of the system that record what they are asked for.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{World, path, streams};

/// Puts a `systemctl` into `bin` that writes its arguments to `calls` and ends with `code`.
fn fake_systemctl(world: &World, code: u8) {
    let (folder, calls) = (world.home.path().join("bin"), world.home.path().join("calls"));
    fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\necho 'Failed to connect to bus' >&2\nexit {code}\n",
        path(&calls)
    );
    let program = folder.join("systemctl");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

fn service(world: &World, words: &[&str]) -> assert_cmd::Command {
    let mut command = world.mlxk(&[&["service"], words].concat());
    command.env("PATH", world.home.path().join("bin"));
    command
}

#[test]
fn a_service_is_installed_and_removed() {
    let world = World::new();
    fake_systemctl(&world, 0);
    let unit = world.home.path().join("config/systemd/user/mlxk.service");
    let calls = || {
        let path = world.home.path().join("calls");
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(path).unwrap();
        text
    };
    let words = ["install", "--", "--model", "smollm2", "--port", "9000"];
    let (_, notes) = streams(&service(&world, &words).assert().success());
    assert!(notes.contains("Installed ") && notes.contains("enable-linger"), "{notes}");
    let text = fs::read_to_string(&unit).unwrap();
    assert!(text.contains(" \"server\" \"--model\" \"smollm2\" \"--port\" \"9000\"\n"), "{text}");
    let data = format!("Environment=\"XDG_DATA_HOME={}\"", path(&world.home.path().join("data")));
    assert!(text.contains(&data), "{text}");
    let expected =
        "--user daemon-reload\n--user enable mlxk.service\n--user restart mlxk.service\n";
    assert_eq!(calls(), expected);
    service(&world, &["status"]).assert().success();
    assert_eq!(calls(), "--user status --no-pager mlxk.service\n");
    service(&world, &["uninstall"]).assert().success();
    assert_eq!(calls(), "--user disable --now mlxk.service\n--user daemon-reload\n");
    assert!(!unit.exists());
    let (_, note) = streams(&service(&world, &["uninstall"]).assert().success());
    assert!(note.contains("There is no service at "), "{note}");
}

/// Needs `systemd-analyze`, and passes without it.
#[test]
fn systemd_finds_no_fault_in_the_unit() {
    let world = World::new();
    let unit = world.home.path().join("mlxk.service");
    let mut command = service(&world, &["install", "--print", "--", "--allow-host", "a$b%c"]);
    let (text, _) = streams(&command.env("HF_HOME", "/a b/100%\"").assert().success());
    assert!(text.contains("a$$b%%c") && text.contains("100%%\\\""), "{text}");
    fs::write(&unit, text).unwrap();
    let mut verify = std::process::Command::new("systemd-analyze");
    verify.args(["--user", "verify"]).arg(&unit).env("XDG_RUNTIME_DIR", world.home.path());
    match verify.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        output => {
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
    }
}

#[test]
fn failures_and_mistakes_are_explained() {
    let world = World::new();
    fake_systemctl(&world, 1);
    let (_, error) = streams(&service(&world, &["install"]).assert().code(1));
    assert!(
        error.contains(
            "`systemctl --user daemon-reload` failed with exit code 1: Failed to connect to bus"
        ),
        "{error}"
    );
    let (_, error) = streams(&service(&world, &["install", "--", "--modle", "x"]).assert().code(2));
    assert!(
        error.contains(
            "are invalid: `--modle` is not an option of `mlxk server`; did you mean `--model`?"
        ),
        "{error}"
    );
}

#[test]
fn definitions_for_every_system_are_printed() {
    let world = World::new();
    for (system, part) in [
        ("linux", "\nExecStart="),
        ("macos", "<key>ProgramArguments</key>"),
        ("windows", "<Command>cmd.exe</Command>"),
    ] {
        let words = ["install", "--print", "--system", system, "--", "--model", "smollm2"];
        let (text, _) = streams(&service(&world, &words).assert().success());
        assert!(text.contains(part) && text.contains("smollm2"), "{text}");
    }
    assert!(!world.home.path().join("config").exists());
}

#[test]
fn a_container_starts_the_server_or_another_command() {
    let world = World::new();
    let folder = world.home.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("mlxk");
    fs::write(&program, "#!/bin/sh\nprintf '%s|' \"$@\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/container/start.sh");
    let start = |models: &str, words: &[&str]| {
        let mut command = std::process::Command::new("/bin/sh");
        command.arg(script).args(words).env("MLXK_MODELS", models).env_remove("MLXK_API_KEY_FILE");
        let search_path = format!("{}:/usr/bin:/bin", path(&folder));
        command.env("PATH", search_path);
        command
    };
    let home = path(world.home.path());
    for (words, expected) in [
        (&[][..], "server|"),
        (&["--model", "a b"], "server|--model|a b|"),
        (&["pull", "smollm2"], "pull|smollm2|"),
    ] {
        let output = start(home, words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
    let output = start(home, &["--strict"]).env("MLXK_API_KEY_FILE", "/run/key").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "server|--api-key-file|/run/key|--strict|");
    let output = start("/nowhere", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`/nowhere` can't be written"));
}
