//! Byte-level BPE (`gpt2` in GGUF).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Tokens, token_type};
use crate::gguf::reader::{Gguf, Problem};
use crate::gguf::{GgufDamage, GgufLimit};

/// Rule for splitting text into words before merging.
#[derive(Clone, Copy, Debug)]
pub(super) struct PreTokenizer {
    /// Names in `tokenizer.ggml.pre`.
    names: &'static [&'static str],
    split: Split,
    /// `true` if a word that is a token is not merged from its bytes.
    ignores_merges: bool,
    /// `true` if a text starts with the begin token, if the metadata doesn't say.
    adds_bos: bool,
    /// `true` if texts are normalized to NFC.
    composes: bool,
}

/// Way of splitting a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    /// By GPT-2's pattern.
    Gpt2,
    /// By GPT-2's pattern, every digit for itself.
    Digits,
    /// By these patterns, one after the other.
    Patterns(&'static [&'static str]),
}

const fn rule(names: &'static [&'static str], split: Split) -> PreTokenizer {
    PreTokenizer { names, split, ignores_merges: false, adds_bos: false, composes: false }
}

const GPT2: PreTokenizer =
    rule(&["gpt-2", "default", "olmo", "phi-2", "mpt", "granite-docling", "mellum"], Split::Gpt2);
const QWEN2: PreTokenizer = PreTokenizer {
    composes: true,
    ..rule(&["qwen2", "deepseek-r1-qwen", "stablelm2"], Split::Patterns(&[QWEN2_WORDS]))
};
/// All rules. The patterns are those of the models' `tokenizer.json`.
const RULES: &[PreTokenizer] = &[
    GPT2,
    rule(&["smollm", "starcoder", "refact", "command-r", "exaone"], Split::Digits),
    QWEN2,
    PreTokenizer { composes: true, ..rule(&["qwen35"], Split::Patterns(&[QWEN35_WORDS])) },
    PreTokenizer {
        ignores_merges: true,
        adds_bos: true,
        ..rule(
            &["llama-bpe", "llama3", "llama-v3", "lfm2", "falcon3", "pixtral"],
            Split::Patterns(&[LLAMA3_WORDS]),
        )
    },
    rule(&["dbrx", "smaug-bpe", "chatglm-bpe"], Split::Patterns(&[LLAMA3_WORDS])),
    PreTokenizer {
        ignores_merges: true,
        ..rule(&["glm4", "glm5"], Split::Patterns(&[LLAMA3_WORDS]))
    },
    rule(&["gpt-4o", "llama4"], Split::Patterns(&[GPT4O_WORDS])),
    PreTokenizer {
        ignores_merges: true,
        adds_bos: true,
        ..rule(&["tekken"], Split::Patterns(&[TEKKEN_WORDS]))
    },
    rule(&["deepseek-v3", "hunyuan-dense"], Split::Patterns(DEEPSEEK3_WORDS)),
];

/// The words of Llama 3. Qwen2 has the same except for digits.
const LLAMA3_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Marks belong to the letters before them.
const QWEN35_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Words end before a capital letter.
const GPT4O_WORDS: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN_WORDS: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK3_WORDS: &[&str] = &[
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
];

impl PreTokenizer {
    /// Returns the rule named in `tokenizer.ggml.pre`. Files older than that key use GPT-2's,
    /// or Qwen2's if `qwen_words` is set.
    pub(super) fn of(gguf: &Gguf, qwen_words: bool) -> Result<&'static Self, Problem> {
        let found = match gguf.str("tokenizer.ggml.pre")? {
            Some("default") | None if qwen_words => return Ok(&QWEN2),
            None => return Ok(&GPT2),
            Some(found) => found,
        };
        let rule = RULES.iter().find(|rule| rule.names.contains(&found));
        rule.ok_or_else(|| {
            let names = RULES.iter().flat_map(|rule| rule.names);
            let known: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            let (found, known) = (found.to_owned(), known.join(", "));
            GgufLimit::PreTokenizer { found, known }.into()
        })
    }

    /// Returns `true` if a text starts with the begin token by default, if the metadata doesn't
    /// say.
    pub(super) fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    fn json(&self) -> Value {
        let digits = json!({ "type": "Digits", "individual_digits": true });
        let split = |words: &str| {
            json!({
                "type": "Split", "pattern": { "Regex": words },
                "behavior": "Isolated", "invert": false,
            })
        };
        match self.split {
            Split::Gpt2 => byte_level(true, true),
            Split::Digits => sequence(&[digits, byte_level(true, true)]),
            Split::Patterns(patterns) => {
                let splits = patterns.iter().map(|words| split(words));
                sequence(&splits.chain([byte_level(!self.composes, false)]).collect::<Vec<_>>())
            }
        }
    }

    fn decoder(&self) -> Value {
        if self.composes { byte_level(false, false) } else { byte_level(true, true) }
    }

    /// Returns a post-processor that only concerns offsets; begin and end tokens are added later.
    fn post_processor(&self) -> Option<Value> {
        match self.split {
            Split::Digits => None,
            _ if self.composes => Some(byte_level(false, false)),
            _ => Some(byte_level(false, true)),
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

pub(super) fn tokenizer(tokens: &Tokens<'_>, pre: &PreTokenizer) -> Result<Value, Problem> {
    let is_added = |kind| matches!(kind, token_type::CONTROL | token_type::USER_DEFINED);
    // Newer tokenizers keep added tokens out of the vocabulary of the merges.
    let keeps_added = !matches!(pre.split, Split::Patterns(_));
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
    let affix = if pre.composes { Value::from("") } else { Value::Null };
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": tokens.added(is_added, |kind| kind == token_type::CONTROL),
        "normalizer": pre.composes.then(|| json!({ "type": "NFC" })),
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
            "ignore_merges": pre.ignores_merges,
            "vocab": vocabulary,
            "merges": merges(tokens, &ids)?,
        },
    }))
}

fn post_processor(tokens: &Tokens<'_>, pre: &PreTokenizer) -> Result<Value, GgufDamage> {
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
