//! A unit of systemd for the user's own manager, after `systemd.service(5)` and `systemd.exec(5)`.

use std::fmt::Write as _;

use super::{Action, LOG_LINES, Server, Step};

/// Name of the unit.
pub(super) const NAME: &str = "mlxk.service";

pub(super) fn unit(server: &Server) -> String {
    let program = server.program.display().to_string();
    let words = [&program].into_iter().chain(&server.words);
    let words: Vec<String> = words.map(|word| quoted(&word.replace('$', "$$"))).collect();
    let mut variables = String::new();
    for variable in &server.variables {
        // Writing to a text can't fail.
        let text = format!("{}={}", variable.name, variable.value);
        let _ = writeln!(variables, "Environment={}", quoted(&text));
    }
    // An invalid option or setting (2) doesn't get better with time.
    format!(
        "# Written by `mlxk service install`.\n\
         [Unit]\n\
         Description=mlxk serves language models\n\
         \n\
         [Service]\n\
         ExecStart={}\n\
         {variables}\
         Restart=on-failure\n\
         RestartSec=5\n\
         RestartPreventExitStatus=2\n\
         TimeoutStopSec=15\n\
         UMask=0077\n\
         NoNewPrivileges=true\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        words.join(" ")
    )
}

/// Returns a word that systemd takes literally.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '%' => text.push_str("%%"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

pub(super) fn steps(action: Action) -> Vec<Step> {
    let systemctl = |words: &[&str]| Step::new(&[&["systemctl", "--user"], words].concat());
    let journal = ["journalctl", "--user", "--unit", NAME, "--lines", LOG_LINES];
    match action {
        Action::Install => vec![
            systemctl(&["daemon-reload"]),
            systemctl(&["enable", NAME]),
            systemctl(&["restart", NAME]),
        ],
        Action::Uninstall => {
            vec![Step::that_may_fail(&["systemctl", "--user", "disable", "--now", NAME])]
        }
        Action::Forget => vec![systemctl(&["daemon-reload"])],
        Action::Status => vec![systemctl(&["status", "--no-pager", NAME])],
        Action::Logs => vec![Step::new(&[&journal[..], &["--no-pager"]].concat())],
        Action::Follow => vec![Step::new(&[&journal[..], &["--follow"]].concat())],
    }
}
