//! The files of sentence-transformers next to a checkpoint: which modules a text goes through, how its states are
//! pooled, which prompts there are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Pooling;
use crate::error::EngineError;

/// Size limit of each file, far above any real one.
const MAX_BYTES: u64 = 4 << 20;
const MODULES: &str = "modules.json";
const PROMPTS: &str = "config_sentence_transformers.json";
/// Files with the longest text, by the kind of the first module.
const LENGTHS: [&str; 2] = ["sentence_bert_config.json", "sentence_xlm-roberta_config.json"];
/// Folder of the pooling, which conversions may keep without the list of modules.
const POOLING_FOLDER: &str = "1_Pooling";

/// Content of the files.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// `None` if the files say nothing about it.
    pub(super) pooling: Option<Pooling>,
    /// `None` if there is no list of modules.
    pub(super) normalize: Option<bool>,
    /// Folders of the dense modules, in order.
    pub(super) dense: Vec<PathBuf>,
    /// Prompts by name.
    pub(super) prompts: BTreeMap<String, String>,
    /// Name of the prompt that texts get without being asked.
    pub(super) default_prompt: Option<String>,
    /// Most tokens of a text.
    pub(super) max_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Prompts {
    prompts: BTreeMap<String, Option<String>>,
    default_prompt_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Length {
    max_seq_length: Option<usize>,
}

impl Files {
    /// Reads the files in a folder; all of them may be absent.
    pub(super) fn read(folder: &Path) -> Result<Self, EngineError> {
        let mut found = Self::default();
        match read::<Vec<Module>>(&folder.join(MODULES))? {
            Some(modules) => found.modules(folder, &modules)?,
            None => found.pooling = pooling(&folder.join(POOLING_FOLDER))?,
        }
        if let Some(prompts) = read::<Prompts>(&folder.join(PROMPTS))? {
            let texts = prompts.prompts.into_iter();
            found.prompts = texts.map(|(name, text)| (name, text.unwrap_or_default())).collect();
            found.default_prompt = prompts.default_prompt_name;
        }
        for name in LENGTHS {
            if let Some(length) = read::<Length>(&folder.join(name))? {
                found.max_tokens = length.max_seq_length.filter(|&tokens| tokens > 0);
            }
        }
        Ok(found)
    }

    fn modules(&mut self, folder: &Path, modules: &[Module]) -> Result<(), EngineError> {
        let list = folder.join(MODULES);
        let refuse = |reason: String| EngineError::EmbeddingFiles { path: list.clone(), reason };
        let mut normalize = false;
        for module in modules {
            let path = Path::new(&module.path);
            let is_below =
                path.components().all(|it| matches!(it, std::path::Component::Normal(_)));
            if !is_below {
                let reason = "the path of a module leaves the folder".to_owned();
                return Err(refuse(reason));
            }
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => self.pooling = pooling(&folder.join(path))?,
                "Dense" => self.dense.push(folder.join(path)),
                "Normalize" => normalize = true,
                other => {
                    let other: String = other.chars().take(60).collect();
                    return Err(refuse(format!("the module `{other}` is not supported")));
                }
            }
        }
        self.normalize = Some(normalize);
        Ok(())
    }
}

/// Reads how states are pooled. Returns `None` if the folder is absent.
fn pooling(folder: &Path) -> Result<Option<Pooling>, EngineError> {
    let path = folder.join("config.json");
    let Some(config) = read::<serde_json::Map<String, Value>>(&path)? else { return Ok(None) };
    let refuse = |reason: String| EngineError::EmbeddingFiles { path: path.clone(), reason };
    if config.get("include_prompt") == Some(&Value::Bool(false)) {
        return Err(refuse("`include_prompt` is false, which is not supported".into()));
    }
    let name = match config.get("pooling_mode") {
        Some(Value::String(name)) => Some(name.as_str()),
        Some(Value::Array(names)) if names.len() == 1 => names[0].as_str(),
        Some(_) => return Err(refuse("`pooling_mode` is not one name".into())),
        None => {
            let set = config.iter().filter(|(_, value)| **value == Value::Bool(true));
            let mut modes = set.filter_map(|(key, _)| key.strip_prefix("pooling_mode_"));
            let first = modes.next();
            if modes.next().is_some() {
                return Err(refuse("several kinds of pooling are not supported".into()));
            }
            first
        }
    };
    let pooling = match name {
        None | Some("mean" | "mean_tokens") => Pooling::Mean,
        Some("cls" | "cls_token") => Pooling::First,
        Some("lasttoken") => Pooling::Last,
        Some("max" | "max_tokens") => Pooling::Max,
        Some(other) => {
            let other: String = other.chars().take(60).collect();
            return Err(refuse(format!("the pooling `{other}` is not supported")));
        }
    };
    Ok(Some(pooling))
}

/// Reads a JSON file. Returns `None` if it is absent.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EngineError> {
    let damaged = |reason: String| EngineError::EmbeddingFiles { path: path.to_owned(), reason };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(damaged(error.to_string())),
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| damaged(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(damaged("it is too large".into()));
    }
    serde_json::from_slice(&text).map(Some).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_files_of_a_real_model() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(
            folder,
            MODULES,
            r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
                {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
                {"idx":2,"name":"2","path":"2_Dense","type":"sentence_transformers.models.Dense"},
                {"idx":3,"name":"3","path":"3_Normalize","type":"sentence_transformers.models.Normalize"}]"#,
        );
        write(
            folder,
            "1_Pooling/config.json",
            r#"{"word_embedding_dimension":8,"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}"#,
        );
        write(folder, PROMPTS, r#"{"prompts":{"query":"query: ","document":null}}"#);
        write(folder, "sentence_bert_config.json", r#"{"max_seq_length":256}"#);
        let files = Files::read(folder).unwrap();
        assert_eq!((files.pooling, files.normalize), (Some(Pooling::First), Some(true)));
        assert_eq!(files.dense, [folder.join("2_Dense")]);
        assert_eq!((files.prompts["query"].as_str(), files.max_tokens), ("query: ", Some(256)));
        assert!(files.prompts["document"].is_empty());
    }

    #[test]
    fn nothing_is_known_without_files() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::read(folder.path()).unwrap();
        assert_eq!((files.pooling, files.normalize, files.max_tokens), (None, None, None));
    }

    #[test]
    fn newer_files_name_the_pooling() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [
            (r#"{"pooling_mode":"lasttoken"}"#, Pooling::Last),
            (r#"{"pooling_mode":["max"]}"#, Pooling::Max),
            (r#"{"pooling_mode_mean_tokens":false}"#, Pooling::Mean),
        ] {
            write(folder.path(), "1_Pooling/config.json", text);
            assert_eq!(Files::read(folder.path()).unwrap().pooling, Some(expected));
        }
    }

    #[test]
    fn what_would_change_the_vectors_is_refused() {
        for (name, text) in [
            (MODULES, r#"[{"path":"../up","type":"a.Dense"}]"#),
            (MODULES, r#"[{"path":"1_CNN","type":"a.CNN"}]"#),
            (MODULES, "{"),
            ("1_Pooling/config.json", r#"{"pooling_mode":"weightedmean"}"#),
            ("1_Pooling/config.json", r#"{"pooling_mode_a":true,"pooling_mode_b":true}"#),
            ("1_Pooling/config.json", r#"{"include_prompt":false}"#),
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), name, text);
            assert!(Files::read(folder.path()).is_err(), "{text}");
        }
    }
}
