//! Failures of one side of a comparison, each with a suggestion.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use mlxk_http::without_os_code;
use mlxk_providers::ProviderError;
use serde::{Deserialize, Serialize};

use super::engine::{Engine, EngineKind, ServerWay};

/// Failure of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Failure {
    /// One sentence.
    pub error: String,
    /// A suggestion to the user.
    pub suggestion: Option<String>,
    /// `true` if the caller stopped the measurement.
    #[serde(skip)]
    pub cancelled: bool,
}

impl Failure {
    /// Creates a failure.
    pub fn new(error: impl Into<String>, suggestion: impl Into<Option<String>>) -> Self {
        let error = without_os_code(&error.into());
        Self { error, suggestion: suggestion.into(), cancelled: false }
    }

    /// Translates a failed request for the user of an engine.
    pub fn of(error: &ProviderError, engine: &Engine) -> Self {
        let model = &engine.model;
        let suggestion = match (error, engine.kind) {
            (ProviderError::Unreachable { .. }, EngineKind::Ollama) => Some(
                "Start it with `ollama serve`; get it from https://ollama.com/download".to_owned(),
            ),
            (ProviderError::Unreachable { .. }, _) if is_running(engine) => {
                Some("Start the server first, or check its address".to_owned())
            }
            (ProviderError::ModelMissing { .. }, EngineKind::Ollama) => {
                Some(format!("Run `ollama pull {model}`, or leave out `--skip-pull`"))
            }
            (ProviderError::ModelMissing { .. }, _) => {
                Some("Choose a model that the server has".to_owned())
            }
            (ProviderError::Deadline { .. }, _) => {
                Some("Raise `--timeout`, or lower `--max-tokens`".to_owned())
            }
            (ProviderError::Silent { .. }, EngineKind::Ollama) => {
                Some(format!("Resume with `ollama pull {model}`, or raise `--pull-timeout`"))
            }
            (ProviderError::BrokeOff { .. } | ProviderError::Failed { .. }, _) => {
                Some("Check its log; it may have run out of memory".to_owned())
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
                    "Install llama.cpp, or pass its path: `--vs llama-server=PATH`"
                }
                EngineKind::MlxLm => "Pass a Python that has mlx-lm: `--vs mlx-lm=PYTHON`",
                EngineKind::MlxKnife => "Pass a Python that has MLX-Knife: `--vs mlx-knife=PYTHON`",
                _ => "Check its path",
            };
            return Self::new(format!("Program `{program}` not found"), suggestion.to_owned());
        }
        Self::new(format!("Cannot start `{program}`: {error}"), None)
    }

    /// The process ended before it served.
    pub(super) fn ended(engine: &Engine, status: ExitStatus, last_words: &[String]) -> Self {
        let mut failure = Self::new(
            format!("{} ended before it was ready ({status})", engine.title),
            "Start it yourself with the same model to see why".to_owned(),
        );
        failure.add_last_words(last_words);
        failure
    }

    /// The model was not loaded in time.
    pub(super) fn not_ready(engine: &Engine, within: Duration) -> Self {
        Self::new(
            format!("{} was not ready within {} s", engine.title, within.as_secs()),
            "Raise `--timeout`".to_owned(),
        )
    }

    /// The model was not unloaded in time.
    pub(super) fn stays(engine: &Engine) -> Self {
        Self::new(
            format!("{} did not unload `{}`", engine.title, engine.model),
            "Another program may be using it".to_owned(),
        )
    }

    /// Adds the last line that the process printed, if there is one.
    pub(super) fn add_last_words(&mut self, lines: &[String]) {
        let telling = |line: &&String| {
            let line = line.to_lowercase();
            ["error", "fail", "cannot", "not found", "no module"].iter().any(|w| line.contains(w))
        };
        if let Some(line) = lines.iter().rev().find(telling).or(lines.last()) {
            let short: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
            self.error = format!("{}; its last output: `{short}`", self.error);
        }
    }
}

fn is_running(engine: &Engine) -> bool {
    matches!(engine.server, ServerWay::Running { .. })
}
