//! The engines of a comparison, as data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::ModelFacts;

/// Program that serves the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// This program, or another build of it.
    Mlxk,
    /// Ollama.
    Ollama,
    /// The server of llama.cpp.
    LlamaServer,
    /// The server of mlx-lm.
    MlxLm,
    /// MLX-Knife in Python.
    MlxKnife,
    /// Any server with OpenAI's API.
    Openai,
}

impl EngineKind {
    /// Returns the name in reports.
    pub fn title(self) -> &'static str {
        match self {
            Self::Mlxk => "mlxk",
            Self::Ollama => "Ollama",
            Self::LlamaServer => "llama-server",
            Self::MlxLm => "mlx-lm",
            Self::MlxKnife => "MLX-Knife (Python)",
            Self::Openai => "OpenAI API",
        }
    }

    /// Returns `true` if the context length and the number of threads can be set.
    pub fn takes_settings(self) -> bool {
        !matches!(self, Self::MlxLm | Self::MlxKnife | Self::Openai)
    }

    /// Returns `true` if the server accepts requests before the model is loaded, so only a first
    /// answer shows that it is.
    pub(super) fn loads_late(self) -> bool {
        matches!(self, Self::MlxLm | Self::MlxKnife)
    }

    /// Returns the fields of a request for greedy decoding, regardless of the model's own defaults.
    pub(super) fn greedy(self, settings: &Settings) -> Map<String, Value> {
        let fields = match self {
            Self::Mlxk | Self::MlxKnife => json!({"repetition_penalty": 1.0}),
            Self::LlamaServer => json!({"repeat_penalty": 1.0, "top_k": 1}),
            Self::MlxLm | Self::Openai => json!({}),
            Self::Ollama => json!({"repeat_penalty": 1.0, "top_k": 1, "num_ctx": settings.context}),
        };
        let Value::Object(mut fields) = fields else { return Map::new() };
        if let (Self::Ollama, Some(threads)) = (self, settings.threads) {
            fields.insert("num_thread".into(), threads.into());
        }
        if settings.ignore_end && matches!(self, Self::Mlxk | Self::LlamaServer) {
            fields.insert("ignore_eos".into(), true.into());
        }
        fields
    }
}

/// Settings of all engines.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Settings {
    /// Context length in tokens.
    pub context: usize,
    /// Number of compute threads. `None` leaves the choice to each engine.
    pub threads: Option<usize>,
    /// Seed of the random numbers. Greedy answers use none.
    pub seed: u64,
    /// `true` if answers continue past the model's end token (raw texts only).
    pub ignore_end: bool,
}

/// An engine with a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// Program that serves the model.
    pub kind: EngineKind,
    /// Name in reports.
    pub title: String,
    /// Version, if known.
    pub version: Option<String>,
    /// Name of the model as the user knows it.
    pub model: String,
    /// Name of the model in requests.
    pub model_in_requests: String,
    /// Size of the model, if known.
    pub weights: Option<Weights>,
    /// Way to start or reach the server.
    pub server: ServerWay,
    /// API key, if the server requires one.
    pub key: Option<String>,
    /// Sentence that says how to make mlxk use the same weights, if it can; see [`equal_file`](super::equal_file).
    pub equal_file: Option<String>,
}

/// Storage of a model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Weights {
    /// Bytes of the weights file or files.
    pub file_bytes: u64,
    /// Number of parameters.
    pub parameters: Option<u64>,
    /// Bits of the files per parameter.
    pub bits_per_weight: Option<f64>,
    /// Quantization in the words of the format: `4-bit (group size 64)`, `Q4_K_M`.
    pub quantization: Option<String>,
    /// Number of parameters of the output matrix, if known.
    #[serde(skip)]
    pub output_parameters: Option<u64>,
}

impl Weights {
    /// Describes weights of `file_bytes`.
    pub fn new(file_bytes: u64, parameters: Option<u64>, quantization: Option<String>) -> Self {
        let bits = |parameters: u64| file_bytes as f64 * 8.0 / parameters as f64;
        let bits_per_weight = parameters.filter(|&count| count > 0).map(bits);
        Self { file_bytes, parameters, bits_per_weight, quantization, output_parameters: None }
    }

    /// Describes the weights of a model in a folder.
    pub fn of(facts: ModelFacts) -> Self {
        Self {
            bits_per_weight: Some(facts.bits_per_weight),
            output_parameters: Some(facts.output_parameters),
            ..Self::new(facts.file_bytes, Some(facts.parameters), facts.quantization)
        }
    }
}

/// Way to start or reach a server.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerWay {
    /// A new process for every turn, which loads the model when it starts.
    Process(ServerCommand),
    /// Ollama's server, which keeps running. It loads the model for every turn and unloads it
    /// afterwards.
    Ollama { address: String },
    /// A server that is running already and doesn't load models on demand.
    Running {
        /// Address without `/v1`.
        address: String,
    },
}

/// Command that starts a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCommand {
    pub program: PathBuf,
    /// Arguments. `{port}` stands for the port to listen on.
    pub arguments: Vec<String>,
}
