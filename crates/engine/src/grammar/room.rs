//! Keeps enough tokens to complete an answer.
//!
//! A token may only be drawn if the answer can still be completed within the tokens that are left after it.
//! Most of the time that is certain without a search: a token adds a bounded number of tokens to what has to
//! follow, so the search is repeated only when the known distance could be used up.

use std::collections::VecDeque;

use toktrie::{TokTrie, TrieNode};

/// Fewest tokens by which one token is assumed to lengthen what has to follow.
const MIN_GROWTH: usize = 64;

/// A text that completes an answer, as tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Completion {
    pub(crate) text: Vec<u8>,
    pub(crate) ids: Vec<u32>,
}

/// Knowledge about the rest of one answer.
#[derive(Clone, Debug)]
pub(crate) enum Room {
    /// The answer has not begun.
    Unknown,
    /// Not even the shortest answer fits, so the model writes what it likes.
    None,
    /// The answer can be completed in time.
    Kept {
        /// Completion of the text so far, if it is known.
        completion: Option<Completion>,
        /// Tokens left at which the next token has to be checked.
        check_at: usize,
    },
    /// These tokens complete the answer, and nothing else fits.
    Closing(VecDeque<u32>),
}

impl Room {
    /// The room of an answer whose completion of `ids` tokens is known while `left` tokens are left. `growth` is
    /// the number of tokens by which one token lengthens the completion at most.
    pub(crate) fn kept(completion: Completion, left: usize, growth: usize) -> Self {
        let spare = left.saturating_sub(completion.ids.len());
        let steps = (spare / (growth.max(MIN_GROWTH) + 1)).max(1);
        let check_at = (left + 1).saturating_sub(steps);
        Self::Kept { completion: Some(completion), check_at }
    }

    /// Notes that a token was drawn, without a search for the completion after it.
    pub(crate) fn advance(&mut self, id: u32, bytes: usize) {
        if let Self::Kept { completion, .. } = self {
            *completion = completion.take().and_then(|mut completion| {
                (completion.ids.first() == Some(&id) && completion.text.len() >= bytes).then(|| {
                    completion.ids.remove(0);
                    completion.text.drain(..bytes);
                    completion
                })
            });
        }
    }
}

/// Splits a text into the fewest tokens. Returns `None` if the vocabulary can't express it.
pub(crate) fn fewest_tokens(trie: &TokTrie, text: &[u8]) -> Option<Vec<u32>> {
    // `best[i]`: number of tokens of `text[i..]`, with the first of them and its length.
    let mut best: Vec<Option<(usize, u32, usize)>> = vec![None; text.len() + 1];
    best[text.len()] = Some((0, 0, 0));
    for start in (0..text.len()).rev() {
        let mut node: &TrieNode = trie.root();
        for (length, &byte) in text[start..].iter().enumerate() {
            let Some(next) = trie.child_at_byte(node, byte) else { break };
            node = next;
            if let (Some(id), Some((count, ..))) = (node.token_id(), best[start + length + 1])
                && best[start].is_none_or(|(known, ..)| count + 1 < known)
            {
                best[start] = Some((count + 1, id, length + 1));
            }
        }
    }
    let mut ids = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (_, id, length) = best[at]?;
        ids.push(id);
        at += length;
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use toktrie::TokRxInfo;

    use super::*;

    #[test]
    fn texts_are_split_into_the_fewest_tokens() {
        let words = ["a", "b", "c", "ab", "bcb", "cbc"].map(|word| word.as_bytes().to_vec());
        let trie = TokTrie::from(&TokRxInfo::new(6, 0), &words);
        assert_eq!(fewest_tokens(&trie, b"abcbc"), Some(vec![3, 5]));
        assert_eq!(fewest_tokens(&trie, b""), Some(vec![]));
        assert_eq!(fewest_tokens(&trie, b"ax"), None);
    }

    #[test]
    fn the_completion_is_looked_up_more_often_near_the_end() {
        let completion = Completion { text: b"ab".to_vec(), ids: vec![1, 2] };
        let check = |left| match Room::kept(completion.clone(), left, 0) {
            Room::Kept { check_at, .. } => check_at,
            room => panic!("{room:?}"),
        };
        assert_eq!([check(2), check(60), check(1302)], [2, 60, 1283]);
    }
}
