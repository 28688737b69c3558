//! Finds other programs and runs them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Maximum output of a program that is only asked for its version.
const MOST_BYTES: u64 = 64 << 10;

/// Finds the programs of this name, in the order of the search path. Ignores repeated folders.
pub(crate) fn find(name: &str, search_path: &[PathBuf]) -> Vec<PathBuf> {
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat"] } else { &[""] };
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in search_path {
        for ending in endings {
            let path = folder.join(format!("{name}{ending}"));
            if is_program(&path) && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Runs a program and returns its standard output. Returns `None` if it cannot be started, fails or takes
/// longer than `patience`.
pub(super) fn ask(program: &Path, words: &[&str], patience: Duration) -> Option<String> {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let (sender, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = output.take(MOST_BYTES).read_to_end(&mut text);
        // The receiver may have timed out.
        let _ = sender.send(read.map(|_| text));
    });
    let Ok(Ok(text)) = said.recv_timeout(patience) else {
        // Killing fails only if the child has already ended.
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    let succeeded = child.wait().is_ok_and(|status| status.success());
    succeeded.then(|| String::from_utf8_lossy(&text).trim().to_owned())
}

/// Returns `true` if the file is a Python script.
pub(super) fn is_python(path: &Path) -> bool {
    let mut start = [0; 256];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut start));
    let start = &start[..read.unwrap_or(0)];
    start.starts_with(b"#!") && start.windows(6).any(|word| word == b"python")
}
