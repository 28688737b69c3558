//! Prompt lookup: drafts the next tokens by copying from earlier text.
//!
//! Edited code, quotations and lists repeat themselves. If the last tokens occurred before, the tokens that
//! followed them are computed together with the next token, in one step. Then tokens are drawn one after the
//! other as usual, and the first that differs from the draft ends it. A token depends only on the tokens before
//! it, the seed and its position, so drafts never change an answer (Saxena, "Prompt Lookup Decoding", 2023).
//!
//! Drafts that were not computed can be checked as well, so the odds are known before the first draft costs
//! anything: see [`Odds`] and [`crate::draft::StepTimes`].

use std::collections::HashMap;

/// Number of tokens that have to match.
const GRAM: usize = 3;
/// Most tokens in a draft.
pub(crate) const MAX_DRAFT: usize = 15;

/// Index of the text so far.
#[derive(Default)]
pub(crate) struct Lookup {
    /// By three tokens: end of their latest occurrence that something follows.
    index: HashMap<[u32; GRAM], usize>,
    /// Number of tokens in the index.
    known: usize,
    source: Option<Source>,
    odds: Odds,
}

/// An earlier place that matches the end of the text.
#[derive(Clone, Copy)]
struct Source {
    /// Position of the token that may come next.
    at: usize,
    /// Number of tokens before it that match.
    agreed: usize,
}

/// Guess of the next tokens.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) ids: Vec<u32>,
    /// For each token: probability that all tokens up to it are right.
    pub(crate) odds: Vec<f64>,
}

impl Lookup {
    /// Guesses what follows `ids`, at most `most` tokens.
    pub(crate) fn draft(&mut self, ids: &[u32], most: usize) -> Draft {
        self.read(ids);
        let mut draft = Draft::default();
        let Some(Source { at, agreed }) = self.source else { return draft };
        let mut odds = 1.0;
        for i in 0..most.min(MAX_DRAFT) {
            odds *= self.odds.of(agreed + i);
            draft.odds.push(odds);
            // Beyond the end of the text, a loop continues with the draft itself.
            let id = ids.get(at + i).copied().unwrap_or_else(|| draft.ids[at + i - ids.len()]);
            draft.ids.push(id);
        }
        draft
    }

    /// Indexes the new tokens, and learns if the source predicted them.
    fn read(&mut self, ids: &[u32]) {
        // Repetition within a prompt says nothing about the answer.
        let learns = self.known > 0;
        while self.known < ids.len() {
            let (at, id) = (self.known, ids[self.known]);
            self.known += 1;
            self.source = self.source.and_then(|Source { at: from, agreed }| {
                let right = ids[from] == id;
                if learns {
                    self.odds.learn(agreed, right);
                }
                right.then_some(Source { at: from + 1, agreed: agreed + 1 })
            });
            let Some(&gram) = ids[..=at].last_chunk() else { continue };
            let before = self.index.insert(gram, at + 1);
            self.source = self.source.or(before.map(|at| Source { at, agreed: GRAM }));
        }
    }
}

/// By number of matching tokens: how often the next one matched, too, recently in this answer.
struct Odds([Odd; 5]);

#[derive(Clone, Copy)]
struct Odd {
    right: f64,
    all: f64,
}

/// Weight of an observation relative to the next one.
const DECAY: f64 = 0.95;
/// Number of observations that the first assumption weighs as much as.
const PRIOR_WEIGHT: f64 = 4.0;

impl Default for Odds {
    fn default() -> Self {
        Self(
            [0.3, 0.45, 0.6, 0.75, 0.85]
                .map(|odd| Odd { right: odd * PRIOR_WEIGHT, all: PRIOR_WEIGHT }),
        )
    }
}

impl Odds {
    /// Returns the class: 3 tokens, up to 5, up to 9, up to 17, more.
    fn class(agreed: usize) -> usize {
        match agreed {
            0..=GRAM => 0,
            _ => (agreed - 2).ilog2().min(4) as usize,
        }
    }

    fn of(&self, agreed: usize) -> f64 {
        let Odd { right, all } = self.0[Self::class(agreed)];
        right / all
    }

    fn learn(&mut self, agreed: usize, right: bool) {
        let odd = &mut self.0[Self::class(agreed)];
        odd.right = odd.right * DECAY + f64::from(right);
        odd.all = odd.all * DECAY + 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_what_followed_the_latest_occurrence() {
        let mut lookup = Lookup::default();
        assert!(lookup.draft(&[1, 2], 8).ids.is_empty());
        let mut ids = vec![1, 2, 3, 7, 8, 1, 2, 3, 9, 5, 6, 1, 2, 3];
        assert_eq!(lookup.draft(&ids, 4).ids, [9, 5, 6, 1]);
        assert_eq!(lookup.draft(&ids, 2).ids, [9, 5]);
        ids.push(9);
        assert_eq!(lookup.draft(&ids, 2).ids, [5, 6]);
        ids.push(4);
        assert!(lookup.draft(&ids, 8).ids.is_empty());
    }

    #[test]
    fn a_loop_is_drafted_beyond_its_end() {
        let mut lookup = Lookup::default();
        assert_eq!(lookup.draft(&[4, 1, 2, 1, 2, 1], 5).ids, [2, 1, 2, 1, 2]);
    }

    #[test]
    fn the_odds_come_from_the_answer_whether_drafted_or_not() {
        // A text that repeats its prompt, and one that only seems to.
        let prompt: Vec<u32> = (0..40).chain([0, 1, 2]).collect();
        let odds = |answer: &[u32]| {
            let mut lookup = Lookup::default();
            let mut ids = prompt.clone();
            lookup.draft(&ids, 1);
            for &id in answer {
                ids.push(id);
                lookup.draft(&ids, 1);
            }
            ids.extend([3, 4, 5]);
            lookup.draft(&ids, 4).odds
        };
        let faithful: Vec<u32> = (3..38).collect();
        let treacherous: Vec<u32> = [7, 8, 9, 50, 11, 12, 13, 51, 20, 21, 22, 52].repeat(3);
        let (high, low) = (odds(&faithful), odds(&treacherous));
        assert!(high.len() == 4 && low.len() == 4);
        assert!(high.is_sorted_by(|a, b| a >= b) && high.iter().chain(&low).all(|&p| p < 1.0));
        assert!(high[0] > 0.3 && low[0] < 0.3, "{high:?} {low:?}");
    }
}
