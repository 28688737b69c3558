//! The engines that are compared, as data.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Which program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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
    /// The MLX-Knife in Python.
    MlxKnife,
    /// Any server that speaks OpenAI's dialect.
    Openai,
}

impl EngineKind {
    /// Its name in reports.
    pub fn title(self) -> &'static str {
        match self {
            Self::Mlxk => "MLX-Knife",
            Self::Ollama => "Ollama",
            Self::LlamaServer => "llama-server",
            Self::MlxLm => "mlx-lm",
            Self::MlxKnife => "MLX-Knife (Python)",
            Self::Openai => "OpenAI API",
        }
    }

    /// Whether its server answers before the model is loaded, so that only a first answer shows that
    /// it is.
    pub(super) fn loads_late(self) -> bool {
        matches!(self, Self::MlxLm | Self::MlxKnife)
    }

    /// The fields of a request that make its answer the most probable one, whatever the model's own
    /// defaults are.
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

/// What holds for all engines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Tokens of prompt and answer together.
    pub context: usize,
    /// Threads that compute; `None` for what each engine takes by itself.
    pub threads: Option<usize>,
    /// Of the random numbers, of which greedy answers take none.
    pub seed: u64,
    /// Whether answers go on where the model would end them (raw texts only).
    pub ignore_end: bool,
}

/// An engine with a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// Which program.
    pub kind: EngineKind,
    /// Its name in reports.
    pub title: String,
    /// Its version, where it says.
    pub version: Option<String>,
    /// The model, as its user calls it.
    pub model: String,
    /// The same, as requests do.
    pub model_in_requests: String,
    /// What the model weighs, where that is known.
    pub weights: Option<Weights>,
    /// How its server comes about.
    pub server: ServerWay,
    /// The key that it asks for.
    pub key: Option<String>,
}

/// How a model is stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weights {
    /// Bytes of its file or files.
    pub file_bytes: u64,
    /// Numbers that it was trained with.
    pub parameters: Option<u64>,
    /// Bits of the files per such number.
    pub bits_per_weight: Option<f64>,
    /// In the words of its format: `4-bit (group size 64)`, `Q4_K_M`.
    pub quantization: Option<String>,
}

impl Weights {
    /// Of a file of so many bytes.
    pub fn new(file_bytes: u64, parameters: Option<u64>, quantization: Option<String>) -> Self {
        let bits = |parameters: u64| file_bytes as f64 * 8.0 / parameters as f64;
        let bits_per_weight = parameters.filter(|&count| count > 0).map(bits);
        Self { file_bytes, parameters, bits_per_weight, quantization }
    }
}

/// How a server comes about.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerWay {
    /// A process of its own for every turn; it loads the model as it starts.
    Process(ServerCommand),
    /// Ollama's, which runs throughout: it loads the model for every turn and lets it go.
    Ollama {
        /// Its address.
        address: String,
    },
    /// One that runs already and does not load models on demand.
    Running {
        /// Its address, without `/v1`.
        address: String,
    },
}

/// How to start a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; `{port}` stands for the port to listen on.
    pub arguments: Vec<String>,
}
