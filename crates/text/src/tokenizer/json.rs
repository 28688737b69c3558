//! `tokenizer.json`, parsed once.
//!
//! Nearly all of the file is vocabulary and merges. They are borrowed from its text, so that a vocabulary of
//! 150,000 tokens needs no allocation per token. The small rest stays a JSON value.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::added_token::AddedTokenJson;

/// The file.
#[derive(serde::Deserialize)]
pub(super) struct TokenizerJson<'a> {
    #[serde(default)]
    pub(super) added_tokens: Option<Vec<AddedTokenJson>>,
    #[serde(default)]
    pub(super) normalizer: Value,
    #[serde(default)]
    pub(super) pre_tokenizer: Value,
    #[serde(default)]
    pub(super) post_processor: Value,
    #[serde(default)]
    pub(super) decoder: Value,
    #[serde(borrow)]
    pub(super) model: ModelJson<'a>,
}

/// The model. Has the fields of every kind of model, so most are absent.
#[derive(serde::Deserialize)]
pub(super) struct ModelJson<'a> {
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
    #[serde(borrow)]
    pub(super) vocab: VocabJson<'a>,
    #[serde(borrow, default)]
    pub(super) merges: Option<MergesJson<'a>>,
    #[serde(default)]
    pub(super) unk_token: Option<String>,
    #[serde(default)]
    pub(super) unk_id: Option<usize>,
    #[serde(default)]
    pub(super) continuing_subword_prefix: Option<String>,
    #[serde(default)]
    pub(super) end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(super) fuse_unk: Option<bool>,
    #[serde(default)]
    pub(super) byte_fallback: Option<bool>,
    #[serde(default)]
    pub(super) ignore_merges: Option<bool>,
    #[serde(default)]
    pub(super) max_input_chars_per_word: Option<usize>,
}

/// The vocabulary, in one of two forms.
pub(super) enum VocabJson<'a> {
    /// BPE and the word models: token to id.
    Ids(Vec<(Cow<'a, str>, u32)>),
    /// Unigram: tokens with their scores. The id is the position.
    Scores(Vec<(String, f64)>),
}

impl<'de: 'a, 'a> Deserialize<'de> for VocabJson<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VocabVisitor)
    }
}

struct VocabVisitor;

impl<'de> Visitor<'de> for VocabVisitor {
    type Value = VocabJson<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ids = Vec::new();
        while let Some((Text(token), id)) = map.next_entry()? {
            ids.push((token, id));
        }
        Ok(VocabJson::Ids(ids))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut scores = Vec::new();
        while let Some(entry) = sequence.next_element()? {
            scores.push(entry);
        }
        Ok(VocabJson::Scores(scores))
    }
}

/// The merges of a BPE model, best first.
pub(super) struct MergesJson<'a>(pub(super) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for MergesJson<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MergesVisitor)
    }
}

struct MergesVisitor;

impl<'de> Visitor<'de> for MergesVisitor {
    type Value = MergesJson<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut merges = Vec::new();
        while let Some(merge) = sequence.next_element::<Merge<'de>>()? {
            // Files converted from `merges.txt` may still contain its first line.
            if let Merge::Pair(left, right) = merge {
                merges.push((left, right));
            }
        }
        Ok(MergesJson(merges))
    }
}

/// One merge: `["a", "b"]`, or `"a b"` in older files.
enum Merge<'a> {
    Pair(Cow<'a, str>, Cow<'a, str>),
    Header,
}

impl<'de> Deserialize<'de> for Merge<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a merge of two tokens")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        if text.starts_with("#version") {
            return Ok(Merge::Header);
        }
        match text.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => {
                Ok(Merge::Pair(left.into(), right.into()))
            }
            _ => Err(E::custom(format_args!("the merge `{text}` does not consist of two tokens"))),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match MergeVisitor.visit_borrowed_str::<E>(text)? {
            Merge::Header => Ok(Merge::Header),
            Merge::Pair(left, right) => {
                Ok(Merge::Pair(left.into_owned().into(), right.into_owned().into()))
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let pair = (sequence.next_element()?, sequence.next_element()?);
        let (Some(Text(left)), Some(Text(right))) = pair else {
            return Err(A::Error::custom("a merge does not consist of two tokens"));
        };
        if sequence.next_element::<serde::de::IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a merge consists of more than two tokens"));
        }
        Ok(Merge::Pair(left, right))
    }
}

/// A string that is borrowed unless it contains escapes. Inside containers, serde's own `Cow` always copies.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token's text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}
