//! Settings of a model's embeddings: pooling, prompts, normalization, and the longest text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlxk_format::Checkpoint;
use mlxk_models::{Output, Shape};
use serde_json::Value;

use super::files::Files;
use super::{Pooling, Prompt, known};
use crate::error::EngineError;

/// Names of the prompt for queries, the most common first.
const QUERY: [&str; 5] =
    ["query", "search_query", "retrieval.query", "Retrieval-query", "web_search_query"];
/// Names of the prompt for documents, the most common first.
const DOCUMENT: [&str; 6] =
    ["document", "passage", "search_document", "retrieval.passage", "Retrieval-document", "corpus"];

/// Settings with which a model turns texts into vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "they are independent settings")]
pub struct EmbedSettings {
    /// Pooling of the states of a text.
    pub pooling: Pooling,
    /// `true` if neither the files nor the model's name say how to pool, so that it is a guess.
    pub is_guess: bool,
    /// `true` if vectors have length 1.
    pub normalize: bool,
    /// Texts to put before others, by name.
    pub prompts: BTreeMap<String, String>,
    /// Name of the prompt that is used if a request doesn't choose.
    pub default_prompt: Option<String>,
    /// Most tokens of a text, special tokens included.
    pub max_tokens: usize,
    /// Number of values of a vector.
    pub dimensions: usize,
    /// `true` if vectors are normalized by mean and variance before they are cut.
    pub(super) centers: bool,
    /// `true` if queries may have an instruction, in the form that decoders share.
    pub(super) takes_instruction: bool,
    /// `true` for a decoder that is for embeddings only.
    pub(crate) is_dedicated: bool,
    /// Folders of dense modules.
    pub(crate) dense: Vec<PathBuf>,
}

impl EmbedSettings {
    /// Reads the settings of the model in a folder without loading it.
    pub fn open(folder: &Path) -> Result<Self, EngineError> {
        let checkpoint = Checkpoint::open(folder)?;
        let shape = mlxk_models::shape(&checkpoint)?;
        let mut settings = Self::read(folder, checkpoint.config(), &shape, shape.max_positions)?;
        if let Some(last) = settings.dense.last() {
            let dense = Checkpoint::open(last)?;
            let width = dense.config().get("out_features").and_then(Value::as_u64);
            settings.dimensions = width.map_or(settings.dimensions, |width| width as usize);
        }
        Ok(settings)
    }

    /// Reads the settings of the model in a folder. `context` is the longest text that it can take.
    pub(crate) fn read(
        folder: &Path,
        config: &Value,
        shape: &Shape,
        context: usize,
    ) -> Result<Self, EngineError> {
        // The files of a model that generates may be anything.
        let files = Files::read(folder)?;
        let name = name_of(folder, config).to_lowercase();
        let known = known::find(&name);
        let is_encoder = shape.output != Output::Logits;
        let usual = if is_encoder { Pooling::Mean } else { Pooling::Last };
        let pooling = files.pooling.or(known.map(|known| known.pooling));
        let mut prompts = files.prompts;
        if let Some(known) = known.filter(|_| prompts.is_empty()) {
            let [query, document] = known.prompts.map(str::to_owned);
            prompts = BTreeMap::from([("query".into(), query), ("document".into(), document)]);
        }
        let is_nomic = config.get("model_type").is_some_and(|name| name == "nomic_bert");
        Ok(Self {
            is_guess: pooling.is_none(),
            is_dedicated: !is_encoder
                && (files.pooling.is_some() || known.is_some() && name.contains("embed")),
            pooling: pooling.unwrap_or(usual),
            normalize: files.normalize.unwrap_or(true),
            prompts,
            default_prompt: files.default_prompt,
            max_tokens: files.max_tokens.map_or(context, |tokens| tokens.min(context)),
            dimensions: shape.hidden,
            centers: is_nomic,
            takes_instruction: !is_encoder,
            dense: files.dense,
        })
    }

    /// Returns the text to put before others.
    pub(super) fn prompt(&self, wanted: &Prompt) -> Result<String, EngineError> {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| self.prompts.get(*name)).cloned().unwrap_or_default()
        };
        match wanted {
            Prompt::Default => match &self.default_prompt {
                Some(name) => Ok(self.prompts.get(name).cloned().unwrap_or_default()),
                None => Ok(String::new()),
            },
            Prompt::None => Ok(String::new()),
            Prompt::Query => Ok(first(&QUERY)),
            Prompt::Document => Ok(first(&DOCUMENT)),
            Prompt::Named(name) => self.prompts.get(name).cloned().ok_or_else(|| {
                let known = self.prompts.keys().map(|name| format!("`{name}`"));
                EngineError::UnknownPrompt {
                    name: name.chars().take(60).collect(),
                    known: known.collect::<Vec<_>>().join(", "),
                }
            }),
            Prompt::Instruction(text) if self.takes_instruction => {
                Ok(format!("Instruct: {text}\nQuery:"))
            }
            Prompt::Instruction(_) => Err(EngineError::NoInstruction),
        }
    }
}

/// Returns what names the model: the end of its path, and its original name if a conversion kept it.
pub(super) fn name_of(folder: &Path, config: &Value) -> String {
    // A cached snapshot is two folders below the one with the model's name.
    let path: Vec<&str> = folder.iter().rev().take(3).filter_map(|name| name.to_str()).collect();
    let original = config.get("_name_or_path").and_then(Value::as_str).unwrap_or_default();
    format!("{} {original}", path.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlxk_ops::CacheSpec;
    use serde_json::json;

    fn shape(output: Output) -> Shape {
        let cache = CacheSpec::default();
        Shape { cache, output, hidden: 8, vocab_size: 10, max_positions: 512, activation_values: 1 }
    }

    fn read(name: &str, output: Output, config: &Value) -> EmbedSettings {
        EmbedSettings::read(Path::new(name), config, &shape(output), 512).unwrap()
    }

    #[test]
    fn the_name_decides_if_the_files_are_lost() {
        let bge = read("/cache/models--x--bge-small-en/snapshots/1", Output::States, &json!({}));
        assert_eq!((bge.pooling, bge.is_guess), (Pooling::First, false));
        assert!(bge.prompt(&Prompt::Query).unwrap().starts_with("Represent"));
        let unknown = read("/models/mine", Output::States, &json!({}));
        assert_eq!((unknown.pooling, unknown.is_guess), (Pooling::Mean, true));
        let decoder = read("/models/mine", Output::Logits, &json!({}));
        assert_eq!((decoder.pooling, decoder.is_guess), (Pooling::Last, true));
        assert!(!decoder.is_dedicated);
    }

    #[test]
    fn prompts_are_found_or_refused() {
        let decoder = read("/models/Qwen3-Embedding-0.6B", Output::Logits, &json!({}));
        assert!(decoder.is_dedicated);
        let own = decoder.prompt(&Prompt::Instruction("Find code".into())).unwrap();
        assert_eq!(own, "Instruct: Find code\nQuery:");
        assert!(decoder.prompt(&Prompt::Query).unwrap().ends_with("Query:"));
        assert_eq!(decoder.prompt(&Prompt::Document).unwrap(), "");
        let error = decoder.prompt(&Prompt::Named("code".into())).unwrap_err();
        assert!(error.to_string().contains("`query`"), "{error}");
        let encoder = read("/models/mine", Output::States, &json!({}));
        assert!(encoder.prompt(&Prompt::Instruction("x".into())).is_err());
        assert_eq!(encoder.prompt(&Prompt::Query).unwrap(), "");
    }
}
