//! A worker process, seen by its caller.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::worker::{EngineSettings, Loaded, Order, Reply, Sample, Workload};
use crate::BenchError;

/// Command that starts a worker.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    pub program: std::path::PathBuf,
    pub arguments: Vec<String>,
}

/// A process with a loaded model. Dropping it ends the process.
pub(super) struct Session {
    name: String,
    child: Child,
    orders: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    started: Instant,
    pub(super) loaded: Loaded,
}

impl Session {
    /// Starts a process, and loads the model in the folder.
    pub(super) fn start(
        command: &WorkerCommand,
        name: &str,
        folder: &Path,
        settings: &EngineSettings,
        positions: usize,
    ) -> Result<Self, BenchError> {
        let started = Instant::now();
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::Worker)?;
        let (Some(orders), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BenchError::WorkerEnded { model: name.to_owned() });
        };
        let nothing = Loaded {
            load_seconds: 0.0,
            device: String::new(),
            context: 0,
            kv_bytes_per_position: 0,
        };
        let mut session = Self {
            name: name.to_owned(),
            child,
            orders: Some(orders),
            replies: BufReader::new(replies),
            started,
            loaded: nothing,
        };
        let (folder, settings) = (folder.to_owned(), Box::new(settings.clone()));
        match session.ask(&Order::Load { folder, settings, positions })? {
            Reply::Loaded(loaded) => session.loaded = loaded,
            other => return Err(session.odd(other)),
        }
        Ok(session)
    }

    /// Returns the time since the process started.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Answers a prompt.
    pub(super) fn run(&mut self, workload: Workload) -> Result<Sample, BenchError> {
        match self.ask(&Order::Run(workload))? {
            Reply::Ran(sample) => Ok(sample),
            other => Err(self.odd(other)),
        }
    }

    fn ask(&mut self, order: &Order) -> Result<Reply, BenchError> {
        let ended = || BenchError::WorkerEnded { model: self.name.clone() };
        let mut line = serde_json::to_string(order).map_err(|_| ended())?;
        line.push('\n');
        let orders = self.orders.as_mut().ok_or_else(ended)?;
        orders.write_all(line.as_bytes()).and_then(|()| orders.flush()).map_err(|_| ended())?;
        line.clear();
        match self.replies.read_line(&mut line) {
            Ok(count) if count > 0 => serde_json::from_str(&line).map_err(|_| ended()),
            _ => Err(ended()),
        }
    }

    fn odd(&self, reply: Reply) -> BenchError {
        match reply {
            Reply::Failed(reason) => BenchError::Model { model: self.name.clone(), reason },
            _ => BenchError::WorkerEnded { model: self.name.clone() },
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without further orders the process ends by itself, unless it is busy.
        self.orders = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
