//! A task of Windows' scheduler that starts at login, after the schema of version 1.2 of its definitions.

use std::path::Path;

use super::{Action, LOG_LINES, Server, Step, escaped};

/// Name of the task.
const NAME: &str = "mlxk";

/// Returns the definition, or a sentence about a word that can't be part of a command line of `cmd`.
pub(super) fn task(server: &Server, user: &str, log: &Path) -> Result<String, String> {
    let mut line = String::new();
    let program = server.program.display().to_string();
    for word in [&program].into_iter().chain(&server.words) {
        line.push_str(&quoted(word)?);
        line.push(' ');
    }
    // The scheduler has no log of a program's output, but `cmd` can write one. With `/s` it removes the outer quotes
    // and takes the rest as it is.
    let log = quoted(&log.display().to_string())?;
    let arguments = escaped(&format!("/d /s /c \"{line}2>> {log}\""));
    let user = escaped(user);
    // The default priority of tasks, 7, is below that of other programs.
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n\
         <Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n\
         \x20 <RegistrationInfo>\n\
         \x20   <Description>mlxk serves language models</Description>\n\
         \x20 </RegistrationInfo>\n\
         \x20 <Triggers>\n\
         \x20   <LogonTrigger>\n\
         \x20     <Enabled>true</Enabled>\n\
         \x20     <UserId>{user}</UserId>\n\
         \x20   </LogonTrigger>\n\
         \x20 </Triggers>\n\
         \x20 <Principals>\n\
         \x20   <Principal id=\"Author\">\n\
         \x20     <UserId>{user}</UserId>\n\
         \x20     <LogonType>InteractiveToken</LogonType>\n\
         \x20     <RunLevel>LeastPrivilege</RunLevel>\n\
         \x20   </Principal>\n\
         \x20 </Principals>\n\
         \x20 <Settings>\n\
         \x20   <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n\
         \x20   <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n\
         \x20   <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n\
         \x20   <StartWhenAvailable>true</StartWhenAvailable>\n\
         \x20   <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n\
         \x20   <Priority>5</Priority>\n\
         \x20   <RestartOnFailure>\n\
         \x20     <Interval>PT1M</Interval>\n\
         \x20     <Count>3</Count>\n\
         \x20   </RestartOnFailure>\n\
         \x20 </Settings>\n\
         \x20 <Actions Context=\"Author\">\n\
         \x20   <Exec>\n\
         \x20     <Command>cmd.exe</Command>\n\
         \x20     <Arguments>{arguments}</Arguments>\n\
         \x20   </Exec>\n\
         \x20 </Actions>\n\
         </Task>\n"
    ))
}

/// Returns a word in quotes. `cmd` replaces variables in quotes, too, and knows no way to write some characters.
fn quoted(word: &str) -> Result<String, String> {
    if word.contains(['"', '%', '\n', '\r']) {
        return Err(format!(
            "`{word}` can't be part of a task on Windows: quotes, percent signs and line breaks have a meaning there; \
             put the value into the configuration file"
        ));
    }
    // A backslash before the closing quote would take its meaning away.
    let end = if word.ends_with('\\') { "\\" } else { "" };
    Ok(format!("\"{word}{end}\""))
}

/// Returns the text as the scheduler reads it: UTF-16 with a mark.
pub(super) fn encoded(text: &str) -> Vec<u8> {
    let text = text.replace('\n', "\r\n");
    ["\u{feff}", &text].concat().encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(super) fn steps(action: Action, path: &str, log: &str) -> Vec<Step> {
    let tail = |more: &str| {
        let log = log.replace('\'', "''");
        let read = format!("Get-Content -LiteralPath '{log}' -Tail {LOG_LINES}{more}");
        Step::new(&["powershell", "-NoProfile", "-Command", &read])
    };
    match action {
        Action::Install => vec![
            Step::that_may_fail(&["schtasks", "/End", "/TN", NAME]),
            Step::new(&["schtasks", "/Create", "/TN", NAME, "/XML", path, "/F"]),
            Step::new(&["schtasks", "/Run", "/TN", NAME]),
        ],
        Action::Uninstall => vec![
            Step::that_may_fail(&["schtasks", "/End", "/TN", NAME]),
            Step::that_may_fail(&["schtasks", "/Delete", "/TN", NAME, "/F"]),
        ],
        Action::Forget => Vec::new(),
        Action::Status => {
            vec![Step::new(&["schtasks", "/Query", "/TN", NAME, "/V", "/FO", "LIST"])]
        }
        Action::Logs => vec![tail("")],
        Action::Follow => vec![tail(" -Wait")],
    }
}
