//! Names of a checkpoint's special tokens, and the ids that end an answer.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::added_token::AddedTokenJson;
use crate::error::TextError;
use crate::files::json_or_default;

/// A special token: its text, or an object that contains the text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Token { content: String },
    Other(IgnoredAny),
}

impl Named {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Token { content: text } => Some(text),
            Self::Other(_) => None,
        }
    }
}

/// The fields of `tokenizer_config.json` that this crate reads. There may be thousands of added tokens,
/// which only the tokenizer needs, so `A` decides if they are parsed or skipped.
#[derive(Default, Deserialize)]
#[serde(default, bound = "A: Deserialize<'de> + Default")]
struct TokenizerConfig<A> {
    added_tokens_decoder: Option<A>,
    add_bos_token: Option<bool>,
    chat_template: Option<Value>,
    #[serde(flatten)]
    names: Names,
}

/// Special tokens that templates may name.
#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the fields of the file")]
struct Names {
    bos_token: Option<Named>,
    eos_token: Option<Named>,
    unk_token: Option<Named>,
    sep_token: Option<Named>,
    pad_token: Option<Named>,
    cls_token: Option<Named>,
    mask_token: Option<Named>,
}

impl Names {
    fn into_map(self) -> Map<String, Value> {
        [
            ("bos_token", self.bos_token),
            ("eos_token", self.eos_token),
            ("unk_token", self.unk_token),
            ("sep_token", self.sep_token),
            ("pad_token", self.pad_token),
            ("cls_token", self.cls_token),
            ("mask_token", self.mask_token),
        ]
        .into_iter()
        .filter_map(|(name, token)| Some((name.to_owned(), token?.into_text()?.into())))
        .collect()
    }
}

/// Content of `tokenizer_config.json` and `special_tokens_map.json`, merged.
#[derive(Default)]
pub(crate) struct SpecialTokens {
    /// Tokens to add to those of `tokenizer.json`, in the order of their ids.
    pub(crate) added: Vec<AddedToken>,
    /// `true` if a prompt starts with the BOS token, or `None` if the file doesn't say.
    pub(crate) add_bos: Option<bool>,
    /// `bos_token`, `eos_token` and so on, by name.
    pub(crate) names: Map<String, Value>,
    /// The template of `tokenizer_config.json`: a string, or a list of `{name, template}`.
    pub(crate) chat_template: Option<Value>,
}

impl SpecialTokens {
    /// Reads both files in `dir`; either may be absent.
    pub(crate) fn open(dir: &Path) -> Result<Self, TextError> {
        let (special, added) = Self::read::<BTreeMap<u32, AddedTokenJson>>(dir)?;
        let added = added.unwrap_or_default().into_values().map(Into::into).collect();
        Ok(Self { added, ..special })
    }

    /// Like [`SpecialTokens::open`], but without the added tokens.
    pub(crate) fn open_names(dir: &Path) -> Result<Self, TextError> {
        Self::read::<IgnoredAny>(dir).map(|(special, _)| special)
    }

    fn read<A: DeserializeOwned + Default>(dir: &Path) -> Result<(Self, Option<A>), TextError> {
        let config: TokenizerConfig<A> = json_or_default(&dir.join("tokenizer_config.json"))?;
        let older: Names = json_or_default(&dir.join("special_tokens_map.json"))?;
        let mut names = older.into_map();
        names.extend(config.names.into_map());
        let special = Self {
            added: Vec::new(),
            add_bos: config.add_bos_token,
            names,
            chat_template: config.chat_template,
        };
        Ok((special, config.added_tokens_decoder))
    }

    /// Returns the text of the token with this name, such as `eos_token`.
    pub(crate) fn name(&self, name: &str) -> Option<&str> {
        self.names.get(name).and_then(Value::as_str)
    }
}

/// Returns the ids that end an answer, from `generation_config.json` or, if that names none, from
/// `config.json`.
pub(crate) fn end_ids(dir: &Path) -> Result<Vec<u32>, TextError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        eos_token_id: Value,
        text_config: Option<TextConfig>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct TextConfig {
        eos_token_id: Value,
    }
    let generation: Config = json_or_default(&dir.join("generation_config.json"))?;
    let ids = ids(&generation.eos_token_id);
    if !ids.is_empty() {
        return Ok(ids);
    }
    let config: Config = json_or_default(&dir.join("config.json"))?;
    let own = self::ids(&config.eos_token_id);
    // Vision and audio models keep the language model's settings one level down.
    Ok(if own.is_empty() {
        config.text_config.map_or_else(Vec::new, |text| self::ids(&text.eos_token_id))
    } else {
        own
    })
}

/// One id or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    values.iter().filter_map(Value::as_u64).filter_map(|id| id.try_into().ok()).collect()
}
