//! Checks if the user's shell completes `mlxk`.

use std::path::PathBuf;

use serde_json::json;

use crate::doctor::{Check, Environment, Line, Repair};

pub(super) const CHECK: Check =
    Check { id: "completions", about: "shell completions", slow: false, run };

/// A shell with the files that complete `mlxk`, and the startup files that may load completions.
struct Shell {
    name: &'static str,
    installed: &'static [&'static str],
    startup: &'static [&'static str],
    install: &'static str,
    /// File that the shell reads without further settings.
    file: Option<(clap_complete::Shell, &'static str)>,
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
        startup: &[".bashrc", ".bash_profile", ".profile"],
        install: "echo 'source <(mlxk completions bash)' >> ~/.bashrc",
        file: Some((clap_complete::Shell::Bash, ".local/share/bash-completion/completions/mlxk")),
    },
    Shell {
        name: "zsh",
        installed: &[
            ".zfunc/_mlxk",
            "/usr/share/zsh/site-functions/_mlxk",
            "/usr/local/share/zsh/site-functions/_mlxk",
            "/opt/homebrew/share/zsh/site-functions/_mlxk",
        ],
        startup: &[".zshrc", ".zprofile"],
        install: "echo 'source <(mlxk completions zsh)' >> ~/.zshrc",
        file: None,
    },
    Shell {
        name: "fish",
        installed: &[
            ".config/fish/completions/mlxk.fish",
            "/usr/share/fish/vendor_completions.d/mlxk.fish",
            "/opt/homebrew/share/fish/vendor_completions.d/mlxk.fish",
        ],
        startup: &[".config/fish/config.fish"],
        install: "mlxk completions fish > ~/.config/fish/completions/mlxk.fish",
        file: Some((clap_complete::Shell::Fish, ".config/fish/completions/mlxk.fish")),
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
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("mlxk completions"))
    };
    let installed = shell.installed.iter().map(path).find(|path| path.exists());
    let found = installed.or_else(|| shell.startup.iter().map(path).find(fetches));
    let name = shell.name;
    let line = if let Some(path) = &found {
        Line::ok(format!("{name} completes `mlxk` (`{}`)", path.display()))
    } else {
        let text = format!("{name} does not complete `mlxk` yet");
        let line = Line::warning(text).fix(shell.install);
        match shell.file {
            Some((shell, file)) => line.repair(Repair::Completions(shell, around.home.join(file))),
            None => line,
        }
    };
    vec![line.data(json!({"shell": name, "file": found}))]
}
