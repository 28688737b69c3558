//! Byte-level BPE (`gpt2` in GGUF).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Tokens, token_type};
use crate::gguf::reader::{Gguf, Problem};
use crate::gguf::{GgufDamage, GgufLimit};

/// Rule for splitting text into words before merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreTokenizer {
    Gpt2,
    Smollm,
    Qwen2,
    Llama3,
}

const KNOWN: &str = "`default`, `gpt-2`, `smollm`, `qwen2` and `llama-bpe`";

/// The words of Llama 3. Qwen2 has the same except for digits.
const LLAMA3_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl PreTokenizer {
    /// Returns the rule named in `tokenizer.ggml.pre`. Files older than that key use GPT-2's,
    /// or Qwen2's if `qwen_words` is set.
    pub(super) fn of(gguf: &Gguf, qwen_words: bool) -> Result<Self, Problem> {
        match gguf.str("tokenizer.ggml.pre")? {
            Some("qwen2") => Ok(Self::Qwen2),
            Some("default") | None if qwen_words => Ok(Self::Qwen2),
            Some("default" | "gpt-2") | None => Ok(Self::Gpt2),
            Some("smollm") => Ok(Self::Smollm),
            Some("llama-bpe" | "llama3" | "llama-v3") => Ok(Self::Llama3),
            Some(other) => {
                Err(GgufLimit::PreTokenizer { found: other.to_owned(), known: KNOWN }.into())
            }
        }
    }

    /// Returns `true` if a text starts with the begin token by default, if the metadata doesn't
    /// say.
    pub(super) fn adds_bos(self) -> bool {
        self == Self::Llama3
    }

    fn json(self) -> Value {
        let digits = json!({ "type": "Digits", "individual_digits": true });
        let split = |words: &str| {
            json!({
                "type": "Split", "pattern": { "Regex": words },
                "behavior": "Isolated", "invert": false,
            })
        };
        match self {
            Self::Gpt2 => byte_level(true, true),
            Self::Smollm => sequence(&[digits, byte_level(true, true)]),
            Self::Qwen2 => sequence(&[split(QWEN2_WORDS), byte_level(false, false)]),
            Self::Llama3 => sequence(&[split(LLAMA3_WORDS), byte_level(true, false)]),
        }
    }

    fn decoder(self) -> Value {
        match self {
            Self::Qwen2 => byte_level(false, false),
            _ => byte_level(true, true),
        }
    }

    /// Returns a post-processor that only concerns offsets; begin and end tokens are added later.
    fn post_processor(self) -> Option<Value> {
        match self {
            Self::Smollm => None,
            Self::Qwen2 => Some(byte_level(false, false)),
            Self::Gpt2 | Self::Llama3 => Some(byte_level(false, true)),
        }
    }
}

fn byte_level(trim_offsets: bool, use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel", "add_prefix_space": false,
        "trim_offsets": trim_offsets, "use_regex": use_regex,
    })
}

fn sequence(parts: &[Value]) -> Value {
    json!({ "type": "Sequence", "pretokenizers": parts })
}

pub(super) fn tokenizer(tokens: &Tokens<'_>, pre: PreTokenizer) -> Result<Value, Problem> {
    let is_added = |kind| matches!(kind, token_type::CONTROL | token_type::USER_DEFINED);
    // Qwen2 and Llama 3 keep added tokens out of the vocabulary of the merges.
    let keeps_added = matches!(pre, PreTokenizer::Gpt2 | PreTokenizer::Smollm);
    let ids: HashMap<&str, usize> = tokens
        .used()
        .filter(|&(_, _, kind)| keeps_added || !is_added(kind))
        .map(|(id, text, _)| (text, id))
        .collect();
    let vocabulary: Map<String, Value> = tokens
        .used()
        .filter(|(_, text, _)| ids.contains_key(text))
        .map(|(id, text, _)| (text.to_owned(), id.into()))
        .collect();
    let affix = if pre == PreTokenizer::Qwen2 { Value::from("") } else { Value::Null };
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": tokens.added(is_added, |kind| kind == token_type::CONTROL),
        "normalizer": (pre == PreTokenizer::Qwen2).then(|| json!({ "type": "NFC" })),
        "pre_tokenizer": pre.json(),
        "post_processor": post_processor(tokens, pre)?,
        "decoder": pre.decoder(),
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": affix,
            "end_of_word_suffix": affix,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": pre == PreTokenizer::Llama3,
            "vocab": vocabulary,
            "merges": merges(tokens, &ids)?,
        },
    }))
}

fn post_processor(tokens: &Tokens<'_>, pre: PreTokenizer) -> Result<Value, GgufDamage> {
    let processors: Vec<Value> =
        pre.post_processor().into_iter().chain(tokens.template()?).collect();
    Ok(match processors.as_slice() {
        [] => Value::Null,
        [one] => one.clone(),
        _ => json!({ "type": "Sequence", "processors": processors }),
    })
}

/// Returns the merges as pairs. Each pair must consist of two tokens and lead to a third, because
/// readers of the file refuse anything else.
fn merges(tokens: &Tokens<'_>, ids: &HashMap<&str, usize>) -> Result<Vec<Value>, GgufDamage> {
    const KEY: &str = "tokenizer.ggml.merges";
    let merges = tokens.gguf.strings(KEY)?.ok_or_else(|| GgufDamage::Missing(KEY.to_owned()))?;
    let mut joined = String::new();
    merges
        .into_iter()
        .map(|merge| {
            let pair = merge.split_once(' ').filter(|(left, right)| {
                joined.clear();
                joined.push_str(left);
                joined.push_str(right);
                [left, right, joined.as_str()].iter().all(|text| ids.contains_key(text))
            });
            let (left, right) = pair.ok_or_else(|| GgufDamage::Merge(merge.to_owned()))?;
            Ok(json!([left, right]))
        })
        .collect()
}
