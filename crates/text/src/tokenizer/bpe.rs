//! Byte-pair encoding over a compact vocabulary.
//!
//! While it loads, the `tokenizers` crate keeps each token's text twice and each merge as two strings. That
//! takes longer than everything else before the first token. Here the texts of all tokens are in one string
//! and the tables contain only ids. Results equal those of that crate, including ties and unknown characters.
//! Dropout, which is for training, is not supported.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::{Model, Token};

use super::json::{MergesJson, ModelJson};

/// Limit of ids. Larger ones mean a damaged file, and a table that would not fit in memory.
pub(super) const MAX_ID: u32 = 1 << 24;
/// Words of up to this many symbols are merged by scanning, longer ones with a heap.
const SCAN_SYMBOLS: usize = 24;
/// Characters below this have their token in a table, which covers the alphabet of byte-level models.
const DIRECT_CHARS: usize = 0x200;
const NONE: u32 = u32::MAX;

/// A BPE model.
#[derive(Default)]
pub(super) struct Bpe {
    /// Texts of all tokens, one after the other.
    text: String,
    /// By id: position of its text. The length is [`NONE`] if no token has this id.
    spans: Vec<Span>,
    /// Ids, hashed by text. The position is repeated here to save a lookup in `spans`.
    ids: HashTable<(Span, u32)>,
    hasher: RandomState,
    /// By pair of ids: rank and the merged token.
    merges: hashbrown::HashMap<(u32, u32), Merge, RandomState>,
    /// By character below [`DIRECT_CHARS`]: its token or [`NONE`].
    direct: Vec<u32>,
    /// By byte: the token `<0xNN>`. Empty without byte fallback.
    byte_ids: Vec<u32>,
    unknown: Option<String>,
    prefix: String,
    suffix: String,
    fuse_unknown: bool,
    ignore_merges: bool,
}

/// A part of [`Bpe::text`].
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// Returns `true` if the part equals `token`. Comparing the length first decides most cases.
    #[inline]
    fn is(self, text: &str, token: &str) -> bool {
        let start = self.start as usize;
        self.length as usize == token.len()
            && text.as_bytes()[start..start + token.len()] == *token.as_bytes()
    }

    fn of(self, text: &str) -> &str {
        &text[self.start as usize..(self.start + self.length) as usize]
    }
}

#[derive(Clone, Copy)]
struct Merge {
    rank: u32,
    id: u32,
}

impl Bpe {
    /// Builds the tables from a parsed model and its vocabulary.
    pub(super) fn new(
        model: &ModelJson<'_>,
        vocab: &[(std::borrow::Cow<'_, str>, u32)],
    ) -> Result<Self, String> {
        let mut bpe = Self {
            unknown: model.unk_token.clone(),
            prefix: model.continuing_subword_prefix.clone().unwrap_or_default(),
            suffix: model.end_of_word_suffix.clone().unwrap_or_default(),
            fuse_unknown: model.fuse_unk.unwrap_or(false),
            ignore_merges: model.ignore_merges.unwrap_or(false),
            ..Self::default()
        };
        bpe.fill_vocab(vocab)?;
        if let Some(MergesJson(merges)) = &model.merges {
            bpe.fill_merges(merges)?;
        }
        bpe.direct = (0..DIRECT_CHARS as u32)
            .map(|code| {
                let char = char::from_u32(code).expect("below the surrogates");
                bpe.id(char.encode_utf8(&mut [0; 4])).unwrap_or(NONE)
            })
            .collect();
        if model.byte_fallback.unwrap_or(false) {
            bpe.byte_ids = (0..=255u8)
                .map(|byte| bpe.id(&format!("<0x{byte:02X}>")).unwrap_or(NONE))
                .collect();
        }
        Ok(bpe)
    }

    fn fill_vocab(&mut self, vocab: &[(std::borrow::Cow<'_, str>, u32)]) -> Result<(), String> {
        // The ids were checked when the model was made.
        let top = vocab.iter().map(|&(_, id)| id).max().map_or(0, |id| id + 1);
        let bytes = vocab.iter().map(|(token, _)| token.len()).sum::<usize>();
        if bytes >= NONE as usize {
            return Err("the vocabulary is larger than 4 GiB".to_owned());
        }
        self.text.reserve_exact(bytes);
        self.spans = vec![Span { start: 0, length: NONE }; top as usize];
        self.ids.reserve(vocab.len(), |_| unreachable!("the table is still empty"));
        for (token, id) in vocab {
            let span = Span { start: self.text.len() as u32, length: token.len() as u32 };
            self.text.push_str(token);
            self.spans[*id as usize] = span;
            let (text, hasher) = (&self.text, &self.hasher);
            let entry = self.ids.entry(
                hasher.hash_one(token.as_ref()),
                |(span, _)| span.is(text, token),
                |(span, _)| hasher.hash_one(span.of(text)),
            );
            match entry {
                // As in any JSON object, the last of two equal keys wins.
                Entry::Occupied(mut entry) => *entry.get_mut() = (span, *id),
                Entry::Vacant(entry) => {
                    entry.insert((span, *id));
                }
            }
        }
        Ok(())
    }

    fn fill_merges(
        &mut self,
        merges: &[(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)],
    ) -> Result<(), String> {
        self.merges.reserve(merges.len());
        let missing =
            |token: &str| format!("a merge names `{token}`, which is not in the vocabulary");
        let mut next_id = 0;
        for (rank, (left, right)) in merges.iter().enumerate() {
            let pair = (
                self.id(left).ok_or_else(|| missing(left))?,
                self.id(right).ok_or_else(|| missing(right))?,
            );
            let tail = right.get(self.prefix.len()..).ok_or_else(|| missing(right))?;
            // Trainers number tokens in the order of their merges, so it is usually the next id.
            let is_next = self.text(next_id).is_some_and(|text| is_joined(text, left, tail));
            let id = if is_next {
                next_id
            } else {
                let merged = [left.as_ref(), tail].concat();
                self.id(&merged).ok_or_else(|| missing(&merged))?
            };
            next_id = id + 1;
            self.merges.insert(pair, Merge { rank: rank as u32, id });
        }
        Ok(())
    }

    /// Returns the id of the token with exactly this text.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(token);
        self.ids.find(hash, |(span, _)| span.is(&self.text, token)).map(|&(_, id)| id)
    }

    /// Returns the text of token `id`.
    pub(super) fn text(&self, id: u32) -> Option<&str> {
        let span = self.spans.get(id as usize)?;
        (span.length != NONE).then(|| span.of(&self.text))
    }

    /// Returns the highest id plus one.
    pub(super) fn id_count(&self) -> u32 {
        self.spans.len() as u32
    }

    /// Encodes one word.
    fn word(&self, word: &str) -> Result<Vec<u32>, String> {
        if self.ignore_merges
            && let Some(id) = self.id(word)
        {
            return Ok(vec![id]);
        }
        let mut symbols = self.symbols(word)?;
        if symbols.len() <= SCAN_SYMBOLS {
            self.merge_by_scan(&mut symbols);
        } else {
            self.merge_by_heap(&mut symbols);
        }
        Ok(symbols)
    }

    /// Returns the tokens of the single characters of `word`.
    fn symbols(&self, word: &str) -> Result<Vec<u32>, String> {
        let mut symbols = Vec::with_capacity(word.len());
        let mut pending_unknown = None;
        let plain = self.prefix.is_empty() && self.suffix.is_empty();
        for (at, char) in word.char_indices() {
            let end = at + char.len_utf8();
            let text = &word[at..end];
            let id = match self.direct.get(char as usize) {
                Some(&id) if plain => (id != NONE).then_some(id),
                _ if plain => self.id(text),
                _ => {
                    let prefix = if at == 0 { "" } else { &self.prefix };
                    let suffix = if end == word.len() { &self.suffix } else { "" };
                    self.id(&format!("{prefix}{text}{suffix}"))
                }
            };
            if let Some(id) = id {
                symbols.extend(pending_unknown.take());
                symbols.push(id);
            } else if !self.push_bytes(text, &mut symbols)
                && let Some(unknown) = &self.unknown
            {
                if !self.fuse_unknown {
                    symbols.extend(pending_unknown.take());
                }
                if pending_unknown.is_none() {
                    let id = self.id(unknown).ok_or_else(|| {
                        format!("its unknown token `{unknown}` is not in the vocabulary")
                    })?;
                    pending_unknown = Some(id);
                }
            }
        }
        symbols.extend(pending_unknown);
        Ok(symbols)
    }

    /// Adds the byte tokens of `text` if the model has all of them. Returns `false` if not.
    fn push_bytes(&self, text: &str, symbols: &mut Vec<u32>) -> bool {
        let id = |byte: u8| self.byte_ids.get(usize::from(byte)).copied().filter(|&id| id != NONE);
        if text.bytes().any(|byte| id(byte).is_none()) {
            return false;
        }
        symbols.extend(text.bytes().filter_map(id));
        true
    }

    fn merge_of(&self, left: u32, right: u32) -> Option<Merge> {
        self.merges.get(&(left, right)).copied()
    }

    /// Merges the best pair until none is left, the leftmost first if several are equal.
    fn merge_by_scan(&self, symbols: &mut Vec<u32>) {
        let mut pairs: [Option<Merge>; SCAN_SYMBOLS] = [None; SCAN_SYMBOLS];
        for (pair, ids) in pairs.iter_mut().zip(symbols.windows(2)) {
            *pair = self.merge_of(ids[0], ids[1]);
        }
        while symbols.len() > 1 {
            let best = pairs[..symbols.len() - 1]
                .iter()
                .enumerate()
                .filter_map(|(at, pair)| pair.map(|merge| (merge.rank, at, merge.id)))
                .min();
            let Some((_, at, id)) = best else { break };
            symbols[at] = id;
            symbols.remove(at + 1);
            pairs.copy_within(at + 1.., at);
            let last = symbols.len() - 1;
            pairs[at] = if at < last { self.merge_of(id, symbols[at + 1]) } else { None };
            if at > 0 {
                pairs[at - 1] = self.merge_of(symbols[at - 1], id);
            }
        }
    }

    /// Does the same with a queue of candidates over a linked list. For models that don't split text into
    /// words, so that one "word" is the entire prompt.
    fn merge_by_heap(&self, symbols: &mut Vec<u32>) {
        let count = symbols.len();
        let mut next: Vec<usize> = (1..=count).collect();
        let mut previous: Vec<usize> = (0..count).map(|at| at.wrapping_sub(1)).collect();
        let mut queue = BinaryHeap::with_capacity(count);
        let offer = |queue: &mut BinaryHeap<_>, symbols: &[u32], left: usize, right: usize| {
            if let Some(merge) = self.merge_of(symbols[left], symbols[right]) {
                queue.push(Reverse((merge.rank, left, merge.id)));
            }
        };
        for at in 1..count {
            offer(&mut queue, symbols, at - 1, at);
        }
        while let Some(Reverse((_, at, id))) = queue.pop() {
            let right = next[at];
            // A candidate is stale once one of its two symbols was merged away or has grown.
            if symbols[at] == NONE || right >= count {
                continue;
            }
            if self.merge_of(symbols[at], symbols[right]).is_none_or(|merge| merge.id != id) {
                continue;
            }
            symbols[at] = id;
            symbols[right] = NONE;
            next[at] = next[right];
            if next[at] < count {
                previous[next[at]] = at;
                offer(&mut queue, symbols, at, next[at]);
            }
            if previous[at] < count {
                offer(&mut queue, symbols, previous[at], at);
            }
        }
        symbols.retain(|&id| id != NONE);
    }
}

fn is_joined(text: &str, left: &str, right: &str) -> bool {
    text.len() == left.len() + right.len() && text.starts_with(left) && text.ends_with(right)
}

impl Model for Bpe {
    type Trainer = BpeTrainer;

    /// Returns tokens with ids only, because nothing reads their text or position.
    fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        let ids = self.word(word)?;
        Ok(ids.into_iter().map(|id| Token::new(id, String::new(), (0, 0))).collect())
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.id(token)
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.text(id).map(str::to_owned)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        self.ids.iter().map(|(span, id)| (span.of(&self.text).to_owned(), *id)).collect()
    }

    fn get_vocab_size(&self) -> usize {
        self.ids.len()
    }

    fn save(&self, _: &Path, _: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("this model is only read, never written".into())
    }

    fn get_trainer(&self) -> Self::Trainer {
        BpeTrainer::default()
    }
}

#[cfg(test)]
mod tests;
