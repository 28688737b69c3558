//! Decides if our engine runs a model.

use serde_json::{Map, Value};

use super::{Detected, Evidence, Framework, Role};

/// Returns the reason if the architecture in a `config.json` does not run.
pub type Judge<'a> = &'a (dyn Fn(&Value) -> Result<(), String> + Sync);

/// The verdict on running a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// It runs, possibly with a limitation.
    Runs(Option<&'static str>),
    /// It does not run, with the reason.
    Refused(String),
}

impl Runtime {
    /// Returns `true` if it runs.
    pub fn runs(&self) -> bool {
        matches!(self, Self::Runs(_))
    }

    /// Returns the limitation, if there is one.
    pub fn note(&self) -> Option<&'static str> {
        match self {
            Self::Runs(note) => *note,
            Self::Refused(_) => None,
        }
    }

    /// Returns the reason why it does not run.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Runs(_) => None,
            Self::Refused(reason) => Some(reason),
        }
    }
}

/// Returns the first obstacle, if there is one.
pub(crate) fn runtime(evidence: &Evidence<'_>, detected: &Detected, judge: Judge<'_>) -> Runtime {
    let refused = |reason: &str| Runtime::Refused(reason.to_owned());
    match (detected.framework, detected.role) {
        (Framework::Gguf, _) => {
            return refused("A GGUF file has to be imported: `mlxk run FILE.gguf` does it");
        }
        (Framework::Unknown, _) => return refused("It has no readable weights"),
        (_, Role::Audio) => return refused("Audio models are not supported"),
        (Framework::Mlx | Framework::PyTorch, _) => {}
    }
    let weights = evidence.weights;
    if !weights.safetensors {
        return refused("Its weights are in an older format; only safetensors are supported");
    }
    if !weights.loadable {
        return refused("Its weights have older names; only `model*.safetensors` are supported");
    }
    if let Some(method) = foreign_quantization(evidence.config) {
        return Runtime::Refused(format!("It was quantized by {method}, not by MLX"));
    }
    if let Err(reason) = judge(&Value::Object(evidence.config.clone())) {
        return Runtime::Refused(reason);
    }
    if !evidence.files.has("tokenizer.json") {
        return refused("It has no `tokenizer.json`; other tokenizers are not supported");
    }
    Runtime::Runs(if detected.vision || detected.audio {
        Some("Text only: images and sound are not supported")
    } else if detected.framework == Framework::PyTorch {
        Some("Not made for MLX; its floating-point weights are used as is")
    } else {
        None
    })
}

/// Returns the tool that quantized the weights, if MLX cannot read its format.
fn foreign_quantization(config: &Map<String, Value>) -> Option<String> {
    if config.get("quantization").is_some_and(Value::is_object) {
        return None;
    }
    let method = config.get("quantization_config")?.get("quant_method")?.as_str()?;
    if ["mlx", "bitnet"].iter().any(|read| method.eq_ignore_ascii_case(read)) {
        return None;
    }
    Some(method.chars().filter(|c| !c.is_control()).take(40).collect())
}
