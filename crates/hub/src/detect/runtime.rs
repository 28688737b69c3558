//! Whether our engine runs a model, and why not.

use serde_json::{Map, Value};

use super::{Detected, Evidence, Framework, Role};

/// Says for the content of a `config.json` why its architecture does not run.
pub type Judge<'a> = &'a (dyn Fn(&Value) -> Result<(), String> + Sync);

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// It runs; perhaps with a limit.
    Runs(Option<&'static str>),
    /// It does not, and why.
    Refused(String),
}

impl Runtime {
    /// Whether it runs.
    pub fn runs(&self) -> bool {
        matches!(self, Self::Runs(_))
    }

    /// Within which limit it runs.
    pub fn note(&self) -> Option<&'static str> {
        match self {
            Self::Runs(note) => *note,
            Self::Refused(_) => None,
        }
    }

    /// Why it does not run.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Runs(_) => None,
            Self::Refused(reason) => Some(reason),
        }
    }
}

/// The first thing in the way, or none.
pub(crate) fn runtime(evidence: &Evidence<'_>, detected: &Detected, judge: Judge<'_>) -> Runtime {
    let refused = |reason: &str| Runtime::Refused(reason.to_owned());
    match (detected.framework, detected.role) {
        (Framework::Gguf, _) => {
            return refused("A GGUF file is imported before it runs: `mlxk run FILE.gguf`");
        }
        (Framework::Unknown, _) => return refused("It has no weights that can be read"),
        (_, Role::Audio) => return refused("Audio models do not run here"),
        (_, Role::Embedding) => return refused("Embedding models do not run here"),
        (Framework::Mlx | Framework::PyTorch, Role::Chat | Role::Base) => {}
    }
    let weights = evidence.weights;
    if !weights.safetensors {
        return refused("Its weights are in an older format; only safetensors are read");
    }
    if !weights.loadable {
        return refused("Its weights have older names; `model*.safetensors` are read");
    }
    if let Some(method) = foreign_quantization(evidence.config) {
        return Runtime::Refused(format!("It was quantized by {method}, not by MLX"));
    }
    if let Err(reason) = judge(&Value::Object(evidence.config.clone())) {
        return Runtime::Refused(reason);
    }
    if !evidence.files.has("tokenizer.json") {
        return refused("It has no `tokenizer.json`, and no other tokenizer is read");
    }
    Runtime::Runs(if detected.vision || detected.audio {
        Some("Text only: images and sound are not read")
    } else if detected.framework == Framework::PyTorch {
        Some("Not made for MLX; its floating-point weights run as they are")
    } else {
        None
    })
}

/// The tool that quantized the weights, where MLX cannot read its form.
fn foreign_quantization(config: &Map<String, Value>) -> Option<String> {
    if config.get("quantization").is_some_and(Value::is_object) {
        return None;
    }
    let method = config.get("quantization_config")?.get("quant_method")?.as_str()?;
    Some(method.chars().filter(|c| !c.is_control()).take(40).collect())
}
