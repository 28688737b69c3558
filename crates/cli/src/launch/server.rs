//! Starts a server for an application, and stops it afterwards.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::exit::Interrupted;
use crate::interrupt;

/// Time between two looks at the server.
const INTERVAL: Duration = Duration::from_millis(50);
/// Time that the server gets to end its answers and to write its prefixes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most lines of the log in an error.
const LOG_LINES: usize = 5;

/// A server that stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    log: PathBuf,
}

/// The server ended before it was ready.
#[derive(Debug, thiserror::Error)]
#[error("The server could not start: {said}")]
struct Failed {
    said: String,
}

impl Started {
    /// Starts `program` with these words, and writes what it says to `log`.
    pub(crate) fn new(program: &Path, words: &[String], log: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("Cannot write the server's log `{}`", log.display());
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).with_context(cannot)?;
        }
        let file = File::create(log).with_context(cannot)?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        separate(&mut command);
        let child = command.spawn().context("Cannot start the server")?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Waits until `is_ready` says so. Fails if the server ends before, or after Ctrl-C.
    pub(crate) fn wait(&mut self, is_ready: impl Fn() -> bool) -> anyhow::Result<()> {
        while !is_ready() {
            if interrupt::requested() {
                return Err(Interrupted.into());
            }
            if self.has_ended() {
                return Err(Failed { said: self.last_words() }.into());
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Returns `true` if the server is not running any more.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let errors = lines.iter().position(|line| line.starts_with("error: "));
        let first = errors.unwrap_or(lines.len().saturating_sub(LOG_LINES));
        let said = lines[first..].join("; ");
        let said = said.trim_start_matches("error: ");
        if said.is_empty() { format!("see `{}`", self.log.display()) } else { said.to_owned() }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        ask_to_stop(&mut self.child);
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(INTERVAL);
        }
        // It fails only if the server has ended at last.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps Ctrl-C in a terminal away from the process: it is for the application.
#[cfg(unix)]
fn separate(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

/// Keeps Ctrl-C in a console away from the process: it is for the application.
#[cfg(windows)]
fn separate(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

#[cfg(unix)]
fn ask_to_stop(child: &mut Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    // It fails only if the server has ended.
    let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
}

#[cfg(not(unix))]
fn ask_to_stop(child: &mut Child) {
    // There is no signal that a process without a console gets. It fails only if the server has ended.
    let _ = child.kill();
}
