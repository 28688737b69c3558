//! Detects the kind of model in a folder, from its small files and the headers of its weights.
//! Reads no weights and parses no tokenizer.

mod readme;
mod runtime;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::health::Weights;
use crate::inventory::Inventory;
use crate::resolution::Resolved;

pub(crate) use readme::FrontMatter;
pub(crate) use runtime::runtime;
pub use runtime::{Judge, Runtime};

/// Framework of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Framework {
    /// MLX, detected by the organization, the README, `config.json` or the metadata of the weights.
    #[serde(rename = "MLX")]
    Mlx,
    /// llama.cpp and its relatives.
    #[serde(rename = "GGUF")]
    Gguf,
    /// PyTorch and Transformers, in safetensors or `.bin` files.
    PyTorch,
    /// No weights that we know.
    Unknown,
}

impl Framework {
    /// Returns the name that `list` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mlx => "MLX",
            Self::Gguf => "GGUF",
            Self::PyTorch => "PyTorch",
            Self::Unknown => "Unknown",
        }
    }
}

/// Role of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers messages.
    Chat,
    /// Continues text.
    Base,
    /// Turns text into vectors.
    Embedding,
    /// Ranks documents by a query.
    Rerank,
    /// Processes sound.
    Audio,
}

impl Role {
    /// Returns the word that `list` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Base => "base",
            Self::Embedding => "embedding",
            Self::Rerank => "rerank",
            Self::Audio => "audio",
        }
    }
}

/// The result of detection.
pub(crate) struct Detected {
    pub framework: Framework,
    pub role: Role,
    pub vision: bool,
    pub audio: bool,
    pub translates: bool,
}

/// The relevant part of `tokenizer_config.json`, which may be long.
#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    chat_template: Option<Value>,
}

/// The evidence for detection.
pub(crate) struct Evidence<'a> {
    pub name: &'a str,
    pub files: &'a Inventory,
    pub config: &'a Map<String, Value>,
    pub weights: &'a Weights,
}

const VISION_TYPES: [&str; 9] = [
    "llava",
    "llava_next",
    "pixtral",
    "qwen2_vl",
    "phi3_v",
    "mllama",
    "paligemma",
    "idefics",
    "smolvlm",
];
const AUDIO_TYPES: [&str; 3] = ["whisper", "vibevoice", "voxtral"];
const HEARING_TYPES: [&str; 5] = ["gemma3n", "voxtral", "whisper", "vibevoice", "audio"];
const ENCODER_TYPES: [&str; 5] = ["bert", "roberta", "xlm-roberta", "modernbert", "nomic_bert"];
const PROCESSORS: [&str; 3] =
    ["preprocessor_config.json", "processor_config.json", "image_processor_config.json"];
/// Names of files with the text of a license.
const LICENSES: [&str; 3] = ["LICENSE", "LICENSE.md", "LICENSE.txt"];
const MAX_LICENSE_BYTES: u64 = 256 << 10;
const MAX_README_BYTES: u64 = 64 << 10;
pub(crate) const MAX_SETTINGS_BYTES: u64 = 32 << 20;

/// Returns `true` if the checkpoint in `folder` has a chat template.
pub fn has_chat_template(folder: &Path) -> bool {
    template_in(&Inventory::read(folder))
}

fn template_in(files: &Inventory) -> bool {
    let written = |name: &str| {
        files.files.get(name).is_some_and(|file| file.size_bytes.is_some_and(|n| n > 0))
    };
    if written("chat_template.jinja") || written("chat_template.json") {
        return true;
    }
    let given = |name: &str| {
        let text =
            files.text(name, MAX_SETTINGS_BYTES).filter(|text| text.contains("\"chat_template\""));
        let settings = text.and_then(|text| serde_json::from_str::<Settings>(&text).ok());
        settings.and_then(|settings| settings.chat_template).is_some_and(
            |template| match template {
                Value::String(text) => !text.is_empty(),
                Value::Array(list) => !list.is_empty(),
                _ => false,
            },
        )
    };
    given("tokenizer_config.json") || given("tokenizer.json")
}

/// Returns the license of a model: the texts that a Modelfile gave it, or else a small text file in its folder, or else
/// the name in the front matter of its `README.md`, such as `apache-2.0`.
pub fn license(model: &Resolved) -> Option<String> {
    if !model.overrides.license.is_empty() {
        return Some(model.overrides.license.join("\n\n"));
    }
    let files = Inventory::read(&model.path);
    let text = LICENSES.iter().find_map(|name| files.text(name, MAX_LICENSE_BYTES));
    text.or_else(|| FrontMatter::parse(&files.text("README.md", MAX_README_BYTES)?).license)
}

impl Evidence<'_> {
    pub(crate) fn detect(&self) -> Detected {
        let readme = self.files.text("README.md", MAX_README_BYTES);
        let readme = FrontMatter::parse(&readme.unwrap_or_default());
        let processors = self.processors();
        let role = self.role(&readme);
        let sees = |config: &Value| !is_video(config) && !is_ear(config);
        let vision = role != Role::Audio
            && (is_given(self.config, "vision_config")
                || VISION_TYPES.contains(&self.model_type())
                || self.config.contains_key("image_processor")
                || processors.iter().any(sees));
        let audio = is_given(self.config, "audio_config")
            || HEARING_TYPES.iter().any(|word| self.model_type().contains(word))
            || processors.iter().any(is_ear);
        let name = self.name.to_lowercase();
        let translates =
            self.model_type() == "whisper" && !name.contains(".en") && !name.contains("turbo");
        Detected { framework: self.framework(&readme), role, vision, audio, translates }
    }

    fn model_type(&self) -> &str {
        self.config.get("model_type").and_then(Value::as_str).unwrap_or_default()
    }

    fn framework(&self, readme: &FrontMatter) -> Framework {
        let weights = self.weights;
        let said = self.name.starts_with("mlx-community/")
            || readme.is_mlx()
            || self.config.get("quantization").is_some_and(Value::is_object)
            || self.config.get("quantization_config").is_some_and(is_mlx_table)
            || weights.format.as_deref() == Some("mlx");
        if weights.safetensors || weights.npz {
            if said { Framework::Mlx } else { Framework::PyTorch }
        } else if weights.gguf {
            Framework::Gguf
        } else if weights.torch {
            Framework::PyTorch
        } else if said {
            // Its weights are missing, but it is still meant for MLX.
            Framework::Mlx
        } else {
            Framework::Unknown
        }
    }

    fn role(&self, readme: &FrontMatter) -> Role {
        let (name, model_type) = (self.name.to_lowercase(), self.model_type());
        let names = self.config.get("architectures").and_then(Value::as_array);
        let is_for = |task: &str| {
            names.is_some_and(|names| {
                names.iter().filter_map(Value::as_str).any(|name| name.ends_with(task))
            })
        };
        let causal = is_for("ForCausalLM");
        let decodes = causal || matches!(model_type, "qwen3" | "mistral");
        let similarity = readme.pipeline_tag.as_deref() == Some("sentence-similarity")
            || readme.has_tag("sentence-transformers");
        let encodes = ENCODER_TYPES.contains(&model_type);
        let sees_all = self.config.get("use_bidirectional_attention") == Some(&Value::Bool(true));
        if (encodes && is_for("ForSequenceClassification")) || (name.contains("rerank") && decodes)
        {
            Role::Rerank
        } else if encodes || sees_all || (name.contains("embed") && (decodes || similarity)) {
            Role::Embedding
        } else if AUDIO_TYPES.iter().any(|word| model_type.contains(word)) {
            Role::Audio
        } else if model_type == "chat"
            || VISION_TYPES.contains(&model_type)
            || self.has_template()
            || name.contains("instruct")
            || name.contains("chat")
        {
            Role::Chat
        } else {
            Role::Base
        }
    }

    fn has_template(&self) -> bool {
        template_in(self.files)
    }

    fn processors(&self) -> Vec<Value> {
        let found = PROCESSORS.iter().filter_map(|name| self.files.text(name, MAX_SETTINGS_BYTES));
        found.map(|text| serde_json::from_str(&text).unwrap_or(Value::Null)).collect()
    }
}

impl Detected {
    /// Returns the model's capabilities in MLX-Knife's words.
    pub(crate) fn capabilities(&self) -> Vec<&'static str> {
        match self.role {
            Role::Embedding => vec!["embeddings"],
            Role::Rerank => vec!["rerank"],
            Role::Audio if self.translates => vec!["audio", "audio-translate-en"],
            Role::Audio => vec!["audio"],
            Role::Chat | Role::Base => {
                let mut found = vec!["text-generation"];
                found.extend((self.role == Role::Chat).then_some("chat"));
                found.extend(self.vision.then_some("vision"));
                found.extend(self.audio.then_some("audio"));
                found
            }
        }
    }
}

/// Returns `true` if the key has a value that is not empty.
fn is_given(config: &Map<String, Value>, key: &str) -> bool {
    config.get(key).and_then(Value::as_object).is_some_and(|table| !table.is_empty())
}

/// Returns `true` for the table of mlx-lm, which uses the same key as others but names no method.
fn is_mlx_table(table: &Value) -> bool {
    table.get("quant_method").is_none() && table.get("bits").is_some()
}

fn is_video(processor: &Value) -> bool {
    processor.get("temporal_patch_size").is_some()
        || text(processor, "image_processor_type").contains("Video")
        || text(processor, "processor_class").contains("AutoVideoProcessor")
}

fn is_ear(processor: &Value) -> bool {
    text(processor, "feature_extractor_type").to_lowercase().contains("whisper")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
