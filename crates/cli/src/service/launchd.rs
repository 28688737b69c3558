//! An agent of launchd, after `launchd.plist(5)`.

use std::fmt::Write as _;
use std::path::Path;

use super::{Action, LOG_LINES, Server, Step, escaped};

/// Name of the agent.
pub(super) const LABEL: &str = "mlxk.server";

pub(super) fn plist(server: &Server, log: &Path) -> String {
    let mut words = String::new();
    let program = server.program.display().to_string();
    for word in [&program].into_iter().chain(&server.words) {
        // Writing to a text can't fail.
        let _ = writeln!(words, "    <string>{}</string>", escaped(word));
    }
    let mut variables = String::new();
    for variable in &server.variables {
        let (name, value) = (variable.name, escaped(&variable.value));
        let _ = writeln!(variables, "    <key>{name}</key>\n    <string>{value}</string>");
    }
    let log = escaped(&log.display().to_string());
    // `Interactive` keeps the system from slowing it down as background work.
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n\
         <dict>\n\
         \x20 <key>Label</key>\n\
         \x20 <string>{LABEL}</string>\n\
         \x20 <key>ProgramArguments</key>\n\
         \x20 <array>\n{words}\
         \x20 </array>\n\
         \x20 <key>EnvironmentVariables</key>\n\
         \x20 <dict>\n{variables}\
         \x20 </dict>\n\
         \x20 <key>RunAtLoad</key>\n\
         \x20 <true/>\n\
         \x20 <key>KeepAlive</key>\n\
         \x20 <dict>\n\
         \x20   <key>SuccessfulExit</key>\n\
         \x20   <false/>\n\
         \x20 </dict>\n\
         \x20 <key>ThrottleInterval</key>\n\
         \x20 <integer>10</integer>\n\
         \x20 <key>ExitTimeOut</key>\n\
         \x20 <integer>15</integer>\n\
         \x20 <key>ProcessType</key>\n\
         \x20 <string>Interactive</string>\n\
         \x20 <key>Umask</key>\n\
         \x20 <integer>63</integer>\n\
         \x20 <key>StandardErrorPath</key>\n\
         \x20 <string>{log}</string>\n\
         </dict>\n\
         </plist>\n"
    )
}

pub(super) fn steps(action: Action, user: &str, path: &str, log: &str) -> Vec<Step> {
    let domain = format!("gui/{user}");
    let agent = format!("{domain}/{LABEL}");
    let stop = Step::that_may_fail(&["launchctl", "bootout", &agent]);
    match action {
        Action::Install => vec![stop, Step::new(&["launchctl", "bootstrap", &domain, path])],
        Action::Uninstall => vec![stop],
        Action::Forget => Vec::new(),
        Action::Status => vec![Step::new(&["launchctl", "print", &agent])],
        Action::Logs => vec![Step::new(&["tail", "-n", LOG_LINES, log])],
        Action::Follow => vec![Step::new(&["tail", "-n", LOG_LINES, "-F", log])],
    }
}
