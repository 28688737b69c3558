//! Makes `tokenizer.json` and `tokenizer_config.json` from the metadata.
//!
//! GGUF keeps the vocabulary, its types and its merges (or, for SentencePiece, its scores). The
//! rule for splitting text into words is only given by name, in `tokenizer.ggml.pre`.

mod byte_level;
mod sentence_piece;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::config::token_id;
use super::reader::{Gguf, Problem};
use super::sizes::GgufSizes;
use super::{GgufDamage, GgufLimit};

/// Values of `tokenizer.ggml.token_type`.
mod token_type {
    pub(super) const NORMAL: i64 = 1;
    pub(super) const UNKNOWN: i64 = 2;
    pub(super) const CONTROL: i64 = 3;
    pub(super) const USER_DEFINED: i64 = 4;
    pub(super) const UNUSED: i64 = 5;
}

/// The two files.
pub(super) struct Tokenizer {
    /// `tokenizer.json` as it will be written, in one line: it is not meant to be read, and a line
    /// per member would triple its size.
    pub(super) tokenizer: Vec<u8>,
    pub(super) config: Value,
}

/// Input of both kinds of tokenizers.
struct Tokens<'a> {
    gguf: &'a Gguf,
    texts: Vec<&'a str>,
    types: Vec<i64>,
    add_bos: bool,
    add_eos: bool,
}

/// Translates the tokenizer of a model whose embedding has `vocabulary` rows.
pub(super) fn tokenizer(
    gguf: &Gguf,
    sizes: &GgufSizes,
    vocabulary: usize,
) -> Result<Tokenizer, Problem> {
    let missing = |key: &str| GgufDamage::Missing(key.to_owned());
    let model = gguf.str("tokenizer.ggml.model")?.ok_or_else(|| missing("tokenizer.ggml.model"))?;
    let texts =
        gguf.strings("tokenizer.ggml.tokens")?.ok_or_else(|| missing("tokenizer.ggml.tokens"))?;
    if texts.len() > vocabulary {
        let (key, expected) = ("tokenizer.ggml.tokens".to_owned(), "no longer than the embedding");
        return Err(GgufDamage::Value { key, expected }.into());
    }
    let types = gguf
        .whole_numbers("tokenizer.ggml.token_type")?
        .unwrap_or_else(|| vec![token_type::NORMAL; texts.len()]);
    if types.len() != texts.len() {
        let (key, expected) = ("tokenizer.ggml.token_type".to_owned(), "as long as the tokens");
        return Err(GgufDamage::Value { key, expected }.into());
    }
    let mut tokens = Tokens { gguf, texts, types, add_bos: false, add_eos: false };
    tokens.add_eos = gguf.bool("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
    let add_bos = gguf.bool("tokenizer.ggml.add_bos_token")?;
    let tokenizer = match model {
        "gpt2" => {
            let pre = byte_level::PreTokenizer::of(gguf, sizes.architecture.qwen_words)?;
            tokens.add_bos = add_bos.unwrap_or(pre.adds_bos());
            tokens.expect_unique()?;
            byte_level::tokenizer(&tokens, pre)?
        }
        "llama" => {
            tokens.add_bos = add_bos.unwrap_or(true);
            tokens.expect_unique()?;
            sentence_piece::tokenizer(&tokens)?
        }
        other => return Err(GgufLimit::Tokenizer(other.to_owned()).into()),
    };
    let config = tokens.config(&tokenizer, sizes)?;
    let tokenizer = serde_json::to_vec(&tokenizer).expect("a JSON value serializes");
    Ok(Tokenizer { tokenizer, config })
}

impl<'a> Tokens<'a> {
    /// Returns id, text and type of the tokens in use, without fillers.
    fn used(&self) -> impl Iterator<Item = (usize, &'a str, i64)> {
        self.texts
            .iter()
            .zip(&self.types)
            .enumerate()
            .map(|(id, (&text, &kind))| (id, text, kind))
            .filter(|&(_, text, kind)| kind != token_type::UNUSED && !is_filler(text))
    }

    /// Checks that no text occurs twice, which JSON cannot express.
    fn expect_unique(&self) -> Result<(), GgufDamage> {
        let mut seen = HashSet::with_capacity(self.texts.len());
        match self.used().find(|&(_, text, _)| !seen.insert(text)) {
            Some((_, text, _)) => Err(GgufDamage::Twice(text.to_owned())),
            None => Ok(()),
        }
    }

    /// Returns the members of `added_tokens`, which are matched before the text is split.
    fn added(&self, is_added: impl Fn(i64) -> bool, is_special: impl Fn(i64) -> bool) -> Value {
        self.used()
            .filter(|&(_, _, kind)| is_added(kind))
            .map(|(id, text, kind)| {
                json!({
                    "id": id, "content": text, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": is_special(kind),
                })
            })
            .collect()
    }

    /// Returns id and text of a special token that the metadata names.
    fn special(&self, name: &str) -> Result<Option<(u64, &'a str)>, GgufDamage> {
        Ok(token_id(self.gguf, name, self.texts.len())?.map(|id| (id, self.texts[id as usize])))
    }

    /// Returns the post-processor that puts begin and end tokens around a text, or `None` if there
    /// are neither.
    fn template(&self) -> Result<Option<Value>, GgufDamage> {
        let bos = self.special("bos")?.filter(|_| self.add_bos);
        let eos = self.special("eos")?.filter(|_| self.add_eos);
        if bos.is_none() && eos.is_none() {
            return Ok(None);
        }
        let around = |sequence: &str, kind: u32| {
            let special = |text: &str| json!({ "SpecialToken": { "id": text, "type_id": kind } });
            let mut items = Vec::new();
            items.extend(bos.map(|(_, text)| special(text)));
            items.push(json!({ "Sequence": { "id": sequence, "type_id": kind } }));
            items.extend(eos.map(|(_, text)| special(text)));
            items
        };
        let mut special = Map::new();
        for (id, text) in bos.into_iter().chain(eos) {
            special.insert(text.to_owned(), json!({ "id": text, "ids": [id], "tokens": [text] }));
        }
        let pair: Vec<Value> = around("A", 0).into_iter().chain(around("B", 1)).collect();
        Ok(Some(json!({
            "type": "TemplateProcessing", "single": around("A", 0), "pair": pair,
            "special_tokens": special,
        })))
    }

    fn config(&self, tokenizer: &Value, sizes: &GgufSizes) -> Result<Value, Problem> {
        let added = tokenizer["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
        let decoder: Map<String, Value> = added
            .iter()
            .map(|token| {
                let mut token = token.clone();
                let id = token.as_object_mut().and_then(|token| token.shift_remove("id"));
                (id.map_or_else(String::new, |id| id.to_string()), token)
            })
            .collect();
        let mut config = Map::new();
        let mut set = |key: &str, value: Value| {
            config.insert(key.to_owned(), value);
        };
        // This class takes tokenizer.json unchanged; those of architectures rebuild parts of it.
        set("tokenizer_class", "PreTrainedTokenizerFast".into());
        set("model_max_length", sizes.context.into());
        set("clean_up_tokenization_spaces", false.into());
        set("add_bos_token", self.add_bos.into());
        set("add_eos_token", self.add_eos.into());
        let special = [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")];
        for (ours, theirs) in special {
            if let Some((_, text)) = self.special(theirs)? {
                set(&format!("{ours}_token"), text.into());
            }
        }
        set("added_tokens_decoder", decoder.into());
        if let Some(template) = self.gguf.str("tokenizer.chat_template")? {
            set("chat_template", template.into());
        }
        Ok(config.into())
    }
}

/// Returns `true` for `[PAD123]`, a row that only fills the embedding up to a round number.
fn is_filler(text: &str) -> bool {
    text.strip_prefix("[PAD")
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}
