//! SentencePiece BPE (`llama` in GGUF), rebuilt as merges.
//!
//! SentencePiece joins the neighbours whose union has the highest score. A list of merges, ordered
//! by falling scores, does the same. Every split of a piece into two pieces is a merge.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Tokens, token_type};
use crate::gguf::GgufDamage;
use crate::gguf::reader::Problem;

const SPACE: &str = "▁";

pub(super) fn tokenizer(tokens: &Tokens<'_>) -> Result<Value, Problem> {
    let is_special = |kind| matches!(kind, token_type::CONTROL | token_type::UNKNOWN);
    let is_added = |kind| is_special(kind) || kind == token_type::USER_DEFINED;
    let vocabulary: Map<String, Value> =
        tokens.used().map(|(id, text, _)| (text.to_owned(), id.into())).collect();
    let unknown = tokens.special("unknown")?.map(|(_, text)| text).or_else(|| {
        tokens.used().find(|token| token.2 == token_type::UNKNOWN).map(|token| token.1)
    });
    let prefix = tokens.gguf.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let replace = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
    let mut normalizers = Vec::new();
    let mut decoders =
        vec![replace(SPACE, " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
    if prefix {
        normalizers.push(json!({ "type": "Prepend", "prepend": SPACE }));
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    normalizers.push(replace(" ", SPACE));
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": tokens.added(is_added, is_special),
        "normalizer": { "type": "Sequence", "normalizers": normalizers },
        "pre_tokenizer": null,
        "post_processor": tokens.template()?,
        "decoder": { "type": "Sequence", "decoders": decoders },
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": unknown,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": true,
            "ignore_merges": false,
            "vocab": vocabulary,
            "merges": merges(tokens)?,
        },
    }))
}

/// Longest piece to consider, because every split of it is tried. Longer pieces are runs of spaces
/// or line breaks.
const LONGEST_PIECE: usize = 1024;

fn merges(tokens: &Tokens<'_>) -> Result<Vec<Value>, GgufDamage> {
    const KEY: &str = "tokenizer.ggml.scores";
    let scores = tokens.gguf.floats(KEY)?.ok_or_else(|| GgufDamage::Missing(KEY.to_owned()))?;
    let wrong = |expected| GgufDamage::Value { key: KEY.to_owned(), expected };
    if scores.len() != tokens.texts.len() {
        return Err(wrong("as long as the tokens"));
    }
    if scores.iter().any(|score| score.is_nan()) {
        return Err(wrong("an array of numbers"));
    }
    let pieces: HashMap<&str, usize> = tokens
        .used()
        .filter(|&(_, text, kind)| kind == token_type::NORMAL && text.len() <= LONGEST_PIECE)
        .map(|(id, text, _)| (text, id))
        .collect();
    let mut merges: Vec<(Rank, &str, &str)> = Vec::new();
    for (&piece, &id) in &pieces {
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(&left_id), Some(&right_id)) = (pieces.get(left), pieces.get(right)) {
                let lengths = (left.chars().count(), right.chars().count());
                let order = Rank { score: scores[id], lengths, ids: (id, left_id, right_id) };
                merges.push((order, left, right));
            }
        }
    }
    merges.sort_by(|(a, ..), (b, ..)| a.compare(b));
    Ok(merges.into_iter().map(|(_, left, right)| json!([left, right])).collect())
}

/// Rank of a merge: the better score first, then the longer pieces, then the order of the
/// vocabulary.
struct Rank {
    score: f32,
    lengths: (usize, usize),
    ids: (usize, usize, usize),
}

impl Rank {
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(other.lengths.cmp(&self.lengths))
            .then(self.ids.cmp(&other.ids))
    }
}
