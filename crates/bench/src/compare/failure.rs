//! Why one side of a comparison has no results, and what to do about it.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use mlxk_providers::ProviderError;
use serde::Serialize;

use super::engine::{Engine, EngineKind, ServerWay};

/// What went wrong with an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// One sentence.
    pub error: String,
    /// What to do.
    pub suggestion: Option<String>,
    /// Whether the caller asked to stop.
    #[serde(skip)]
    pub cancelled: bool,
}

impl Failure {
    /// A failure with what to do about it.
    pub fn new(error: impl Into<String>, suggestion: impl Into<Option<String>>) -> Self {
        Self { error: error.into(), suggestion: suggestion.into(), cancelled: false }
    }

    /// What a failed request means for the user of an engine.
    pub fn of(error: &ProviderError, engine: &Engine) -> Self {
        let model = &engine.model;
        let suggestion = match (error, engine.kind) {
            (ProviderError::NotReachable { .. }, EngineKind::Ollama) => {
                Some("`ollama serve` starts it; https://ollama.com/download has it".to_owned())
            }
            (ProviderError::NotReachable { .. }, _) if is_running(engine) => {
                Some("Start the server first, or correct its address".to_owned())
            }
            (ProviderError::ModelMissing { .. }, EngineKind::Ollama) => Some(format!(
                "`ollama pull {model}` gets it, as this command does without `--skip-pull`"
            )),
            (ProviderError::ModelMissing { .. }, _) => {
                Some("Name a model that the server has".to_owned())
            }
            (ProviderError::TooLong { .. }, _) => {
                Some("`--timeout` gives it more time, `--max-tokens` asks for less".to_owned())
            }
            (ProviderError::Silent { .. }, EngineKind::Ollama) => Some(format!(
                "`ollama pull {model}` goes on from there; `--pull-timeout` waits longer"
            )),
            (ProviderError::BrokeOff { .. } | ProviderError::Failed { .. }, _) => {
                Some("Its log says more; it may have run out of memory".to_owned())
            }
            _ => None,
        };
        let cancelled = matches!(error, ProviderError::Cancelled);
        Self { error: error.to_string(), suggestion, cancelled }
    }

    /// The program cannot be started.
    pub(super) fn not_started(engine: &Engine, error: &io::Error) -> Self {
        let program = match &engine.server {
            ServerWay::Process(command) => command.program.display().to_string(),
            _ => engine.title.clone(),
        };
        if error.kind() == io::ErrorKind::NotFound {
            let suggestion = match engine.kind {
                EngineKind::LlamaServer => {
                    "Install llama.cpp, or name the program: `--vs llama-server=PATH`"
                }
                EngineKind::MlxLm => "Name a Python that has mlx-lm: `--vs mlx-lm=PYTHON`",
                EngineKind::MlxKnife => {
                    "Name the Python of an environment that has MLX-Knife: `--vs mlx-knife=PYTHON`"
                }
                _ => "Correct its path",
            };
            return Self::new(format!("There is no program `{program}`"), suggestion.to_owned());
        }
        Self::new(format!("`{program}` cannot be started: {error}"), None)
    }

    /// The process ended before it served.
    pub(super) fn ended(engine: &Engine, status: ExitStatus, last_words: &[String]) -> Self {
        let mut failure = Self::new(
            format!("{} ended before it was ready ({status})", engine.title),
            "Start it by hand with the same model to see why".to_owned(),
        );
        failure.add_last_words(last_words);
        failure
    }

    /// The model is not loaded in time.
    pub(super) fn not_ready(engine: &Engine, within: Duration) -> Self {
        Self::new(
            format!("{} was not ready within {} s", engine.title, within.as_secs()),
            "`--timeout` gives it more time".to_owned(),
        )
    }

    /// A model does not leave the memory.
    pub(super) fn stays(engine: &Engine) -> Self {
        Self::new(
            format!("{} does not let `{}` go", engine.title, engine.model),
            "Another program may be using it".to_owned(),
        )
    }

    /// Adds the last line that the process wrote, where it says something.
    pub(super) fn add_last_words(&mut self, lines: &[String]) {
        let telling = |line: &&String| {
            let line = line.to_lowercase();
            ["error", "fail", "cannot", "not found", "no module"].iter().any(|w| line.contains(w))
        };
        if let Some(line) = lines.iter().rev().find(telling).or(lines.last()) {
            let short: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
            self.error = format!("{}; its last words: `{short}`", self.error);
        }
    }
}

fn is_running(engine: &Engine) -> bool {
    matches!(engine.server, ServerWay::Running { .. })
}
