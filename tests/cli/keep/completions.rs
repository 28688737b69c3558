//! Completions that shells offer after Tab.

use std::process::Command;

use crate::support::{World, path, streams};

/// Returns the completions that bash offers for the last word of `line`. Returns `None` without bash.
fn offered(world: &World, line: &str) -> Option<Vec<String>> {
    let program = assert_cmd::cargo::cargo_bin("mlxk");
    // Tab calls a function, which fills COMPREPLY. This works without a terminal. Bash ends words at colons.
    let words = line.replace(':', " : ");
    let script = format!(
        "source <({program} completions bash) || exit 1\n\
         COMP_LINE=\"{line}\"; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9\n\
         COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         word=${{COMP_WORDS[COMP_CWORD]}}; if [[ $word == : ]]; then word=; fi\n\
         function=$(complete -p mlxk | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
         $function mlxk \"$word\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        program = path(&program),
    );
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", &script])
        .env("HOME", world.home.path())
        .env("XDG_DATA_HOME", world.home.path().join("data"))
        .env("XDG_CONFIG_HOME", world.home.path().join("config"))
        .env("HF_HUB_CACHE", world.cache())
        .output();
    let output = output.ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_eq!(text(output.stderr), "", "{line}");
    let words = text(output.stdout);
    Some(words.lines().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

#[cfg(unix)]
#[test]
fn bash_completes_commands_options_and_models() {
    let world = World::new();
    for name in ["mlx-community/Alpha-4bit", "mlx-community/Beta-4bit", "org/Gamma"] {
        super::snapshot_of(&world, name);
    }
    world.mlxk(&["cp", "Gamma", "mine"]).assert().success();
    let all =
        ["mine", "mlx-community/Alpha-4bit", "mlx-community/Beta-4bit", "org/Gamma", "smollm2"];
    for (line, expected) in [
        ("mlxk sho", &["show"][..]),
        ("mlxk run ''", &all[..]),
        ("mlxk run mlx", &["mlx-community/Alpha-4bit", "mlx-community/Beta-4bit"]),
        ("mlxk show be", &["Beta-4bit"]),
        ("mlxk rm mine org/", &["org/Gamma"]),
        ("mlxk cp mi", &["mine"]),
        ("mlxk chat --max-t", &["--max-tokens"]),
        ("mlxk perplexity smollm2 f --against al", &["Alpha-4bit"]),
        ("mlxk run nosuch", &[]),
        (
            "mlxk config get defaults.t",
            &["defaults.temperature", "defaults.top_p", "defaults.top_k", "defaults.threads"],
        ),
        ("mlxk run phi4:", &["14b"]),
        ("mlxk pull qwen3:1", &["1.7b", "14b"]),
    ] {
        let Some(words) = offered(&world, line) else { return };
        assert_eq!(words, expected, "{line}");
    }
    // Errors must not appear in the middle of a command line.
    let config = world.home.path().join("config/mlxk");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "nonsense").unwrap();
    assert_eq!(offered(&world, "mlxk run mi").unwrap(), ["mine"]);
}

#[test]
fn the_other_shells_ask_too() {
    let world = World::new();
    super::snapshot_of(&world, "org/Gamma");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (script, stderr) = streams(&world.mlxk(&["completions", shell]).assert().success());
        assert!(script.contains("COMPLETE") && stderr.is_empty(), "{shell}: {script}");
        assert!(shell != "zsh" || script.contains("other -M "), "{script}");
        let mut command = world.mlxk(&["--", "mlxk", "run", "org/"]);
        command.env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "2").env("_CLAP_IFS", "\n");
        let (words, stderr) = streams(&command.assert().success());
        assert!(words.contains("org/Gamma") && stderr.is_empty(), "{shell}: {words}{stderr}");
    }
    let mut unknown = world.mlxk(&["--", "mlxk", "run", ""]);
    let (stdout, stderr) = streams(&unknown.env("COMPLETE", "nosuch").assert().success());
    assert_eq!((stdout, stderr), (String::new(), String::new()));
}
