//! Number of tokens that are drawn from all logits after a survey that didn't decide.
//!
//! If the logits are flat, no survey decides, and each costs a second wait for the device. So all logits are asked for
//! at once, for longer after each further failure.

/// Tokens that are drawn from all logits after a survey that didn't decide: at first, and at most.
const TOKENS: [usize; 2] = [4, 128];

/// Memory of the last surveys of a request.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Tokens that are still drawn from all logits.
    left: usize,
    /// Tokens that were after the last survey that didn't decide. Zero after one that did.
    last: usize,
}

impl Patience {
    /// Returns `true` if the next token should be drawn from all logits.
    pub(super) const fn wants_all(&self) -> bool {
        self.left > 0
    }

    pub(super) const fn decided(&mut self) {
        self.last = 0;
    }

    pub(super) fn did_not_decide(&mut self) {
        let [first, most] = TOKENS;
        self.last = (2 * self.last).clamp(first, most);
        self.left = self.last;
    }

    /// Counts a token that was drawn from all logits.
    pub(super) const fn drew(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of surveys of this many tokens, if those in `flat` don't decide.
    fn surveys(tokens: usize, flat: impl Fn(usize) -> bool) -> usize {
        let (mut patience, mut surveys) = (Patience::default(), 0);
        for token in 0..tokens {
            if patience.wants_all() {
                patience.drew();
                continue;
            }
            surveys += 1;
            if flat(token) {
                patience.did_not_decide();
                patience.drew();
            } else {
                patience.decided();
            }
        }
        surveys
    }

    #[test]
    fn flat_logits_are_rarely_surveyed() {
        assert_eq!(surveys(1000, |_| false), 1000);
        assert!(surveys(1000, |_| true) < 15);
        // One odd token costs few surveys.
        assert_eq!(surveys(1000, |token| token == 500), 997);
        // What was flat at first is surveyed again.
        assert!(surveys(1000, |token| token < 100) > 700);
    }
}
