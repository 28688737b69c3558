//! Prompt lookup: drafts of what comes next, taken from what stood there before.
//!
//! Code that is edited, quotations and lists repeat themselves. Where the last tokens occurred
//! before, what followed them is computed together with the next token, in one step; tokens are then
//! drawn one after the other as ever, and the first that differs from the draft ends it. A token
//! depends on the tokens before it, the seed and its position alone, so that an answer is the same
//! with drafts and without (Saxena, "Prompt Lookup Decoding", 2023, describes the method).

use std::collections::HashMap;

/// Tokens that have to agree.
const GRAM: usize = 3;
/// Most tokens of a draft.
pub(crate) const MAX_DRAFT: usize = 8;
/// Most steps without a draft after drafts that failed.
const MAX_PAUSE: u32 = 64;

/// What a request has said so far, to be looked up, and how well that went.
pub(crate) struct Lookup {
    /// Where the latest occurrence of three tokens ends, of those that something follows.
    index: HashMap<[u32; GRAM], usize>,
    /// Tokens that the index knows.
    indexed: usize,
    /// Length of the next draft.
    depth: usize,
    /// Steps to let pass before the next draft, and how many the next failure costs.
    pause: (u32, u32),
}

impl Lookup {
    pub(crate) fn new() -> Self {
        Self { index: HashMap::new(), indexed: GRAM, depth: 2, pause: (0, 1) }
    }

    /// What may follow `ids`, at most `most` tokens; nothing where that is not known or did not
    /// pay lately.
    pub(crate) fn draft(&mut self, ids: &[u32], most: usize) -> Vec<u32> {
        while self.indexed < ids.len() {
            let gram = ids[self.indexed - GRAM..].first_chunk().copied();
            self.index.extend(gram.map(|gram| (gram, self.indexed)));
            self.indexed += 1;
        }
        if self.pause.0 > 0 {
            self.pause.0 -= 1;
            return Vec::new();
        }
        let known = ids.last_chunk().and_then(|gram: &[u32; GRAM]| self.index.get(gram));
        let Some(&start) = known else { return Vec::new() };
        // A text that repeats itself goes on repeating.
        let period = ids.len() - start;
        (0..self.depth.min(most)).map(|i| ids[start + i % period]).collect()
    }

    /// Hears how many tokens of a draft were right.
    pub(crate) fn learn(&mut self, drafted: usize, accepted: usize) {
        if accepted == drafted {
            self.depth = (2 * drafted).clamp(2, MAX_DRAFT);
            self.pause = (0, 1);
        } else if 2 * accepted >= drafted {
            self.depth = (accepted + 1).min(MAX_DRAFT);
            self.pause = (0, 1);
        } else {
            self.depth = 2;
            self.pause = (self.pause.1, (2 * self.pause.1).min(MAX_PAUSE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_what_followed_the_latest_occurrence() {
        let mut lookup = Lookup::new();
        lookup.depth = 4;
        assert!(lookup.draft(&[1, 2], 8).is_empty());
        assert_eq!(lookup.draft(&[1, 2, 3, 7, 8, 1, 2, 3, 9, 5, 6, 1, 2, 3], 8), [9, 5, 6, 1]);
        assert_eq!(lookup.draft(&[1, 2, 3, 7, 8, 1, 2, 3, 9, 5, 6, 1, 2, 3], 2), [9, 5]);
        assert!(lookup.draft(&[1, 2, 3, 7, 8, 1, 2, 3, 9, 5, 6, 1, 2, 3, 4], 8).is_empty());
    }

    #[test]
    fn a_loop_is_drafted_beyond_its_end() {
        let mut lookup = Lookup::new();
        lookup.depth = 5;
        assert_eq!(lookup.draft(&[4, 1, 2, 1, 2, 1], 8), [2, 1, 2, 1, 2]);
    }

    #[test]
    fn failures_make_it_wait_longer_and_success_makes_it_bold() {
        let ids = [1, 2, 3, 1, 2, 3];
        let mut lookup = Lookup::new();
        let mut waits = vec![];
        for _ in 0..9 {
            let mut wait = 0;
            while lookup.draft(&ids, 8).is_empty() {
                wait += 1;
            }
            waits.push(wait);
            lookup.learn(2, 0);
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 64]);
        lookup.learn(2, 2);
        assert_eq!(lookup.draft(&ids, 8).len(), 4);
        lookup.learn(4, 4);
        assert_eq!(lookup.draft(&ids, 8).len(), 8);
        lookup.learn(8, 4);
        assert_eq!(lookup.draft(&ids, 8).len(), 5);
    }
}
