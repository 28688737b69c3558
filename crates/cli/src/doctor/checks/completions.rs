//! Checks if the user's shell completes `mlxk`.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::doctor::{Check, Environment, Line, Repair};

pub(super) const CHECK: Check =
    Check { id: "completions", about: "shell completions", slow: false, run };

/// A shell with the files that complete `mlxk`, and the startup files that may load completions.
struct Shell {
    name: &'static str,
    installed: &'static [&'static str],
    /// Programs that read these files, if the shell itself doesn't.
    readers: &'static [&'static str],
    startup: &'static [&'static str],
    /// Way of `--fix`.
    way: Way,
}

/// A way to install completions.
enum Way {
    /// Add a line to the first startup file.
    Line(&'static str),
    /// Write this file, which the shell always reads.
    File(clap_complete::Shell, &'static str),
}

/// The known shells. Relative paths are in the home folder.
const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        installed: &[
            ".local/share/bash-completion/completions/mlxk",
            "/usr/share/bash-completion/completions/mlxk",
            "/usr/local/share/bash-completion/completions/mlxk",
            "/opt/homebrew/etc/bash_completion.d/mlxk",
            "/usr/local/etc/bash_completion.d/mlxk",
        ],
        readers: &[
            "/usr/share/bash-completion/bash_completion",
            "/usr/local/share/bash-completion/bash_completion",
            "/opt/homebrew/share/bash-completion/bash_completion",
            "/opt/homebrew/etc/bash_completion",
            "/usr/local/etc/bash_completion",
            "/etc/bash_completion",
        ],
        startup: &[".bashrc", ".bash_profile", ".profile"],
        way: Way::Line("source <(mlxk completions bash)"),
    },
    Shell {
        name: "zsh",
        installed: &[
            ".zfunc/_mlxk",
            "/usr/share/zsh/site-functions/_mlxk",
            "/usr/local/share/zsh/site-functions/_mlxk",
            "/opt/homebrew/share/zsh/site-functions/_mlxk",
        ],
        readers: &[],
        startup: &[".zshrc", ".zprofile"],
        way: Way::Line("source <(mlxk completions zsh)"),
    },
    Shell {
        name: "fish",
        installed: &[
            ".config/fish/completions/mlxk.fish",
            "/usr/share/fish/vendor_completions.d/mlxk.fish",
            "/opt/homebrew/share/fish/vendor_completions.d/mlxk.fish",
        ],
        readers: &[],
        startup: &[".config/fish/config.fish"],
        way: Way::File(clap_complete::Shell::Fish, ".config/fish/completions/mlxk.fish"),
    },
];

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let around = &environment.around;
    let used = around.shell.as_ref().and_then(|shell| shell.file_stem()?.to_str());
    let Some(shell) = SHELLS.iter().find(|shell| Some(shell.name) == used) else {
        let name =
            used.map_or("Unknown shell".to_owned(), |name| format!("Your shell is `{name}`"));
        return vec![Line::ok(format!("{name}; completions exist for bash, zsh and fish"))];
    };
    let path = |name: &&str| -> PathBuf { around.home.join(name) };
    let fetches = |path: &PathBuf| {
        let is_it = |line: &str| line.contains("mlxk completions") && !line.starts_with('#');
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| is_it(line.trim_start()))
    };
    let has_reader =
        shell.readers.is_empty() || shell.readers.iter().any(|it| Path::new(it).exists());
    let installed = shell.installed.iter().map(path).find(|path| has_reader && path.exists());
    let found = installed.or_else(|| shell.startup.iter().map(path).find(fetches));
    let name = shell.name;
    let line = if let Some(path) = &found {
        Line::ok(format!("{name} completes `mlxk` (`{}`)", path.display()))
    } else {
        let text = format!("{name} does not complete `mlxk` yet");
        let (fix, repair) = match shell.way {
            Way::Line(text) => {
                let file = shell.startup[0];
                let path = around.home.join(file);
                (format!("echo '{text}' >> ~/{file}"), Repair::Startup(path, text))
            }
            Way::File(shell, file) => {
                let path = around.home.join(file);
                (format!("mlxk completions {shell} > ~/{file}"), Repair::Completions(shell, path))
            }
        };
        Line::warning(text).fix(fix).repair(repair)
    };
    vec![line.data(json!({"shell": name, "file": found}))]
}
