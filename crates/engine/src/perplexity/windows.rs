//! Windows that advance by a stride: the part of a text that the model sees when it predicts a token.

use super::PerplexityError;

/// Strided windows, as in Hugging Face's guide to perplexity: window `k` contains the tokens from `k·stride`
/// on, and scores those that no earlier window contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    window: usize,
    stride: usize,
    min_context: usize,
}

/// One window over a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// First token that the model sees.
    pub(super) begin: usize,
    /// First token that is scored, after `begin`.
    pub(super) first: usize,
    /// End of both, exclusive.
    pub(super) end: usize,
}

impl Windows {
    /// Returns windows of `window` tokens, each `stride` after the one before. Tokens with fewer than
    /// `min_context` tokens before them in their window are not scored.
    pub fn new(window: usize, stride: usize, min_context: usize) -> Result<Self, PerplexityError> {
        let bad = |option, value, expected: String| {
            Err(PerplexityError::BadWindow { option, value, expected })
        };
        if window < 2 {
            return bad("window", window, "at least 2".to_owned());
        }
        if stride < 1 || stride > window {
            return bad("stride", stride, format!("from 1 to the window of {window}"));
        }
        if min_context < 1 || min_context >= window {
            return bad("min-context", min_context, format!("from 1 to {}", window - 1));
        }
        Ok(Self { window, stride, min_context })
    }

    /// Returns the number of tokens in a window, including the one to predict.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Returns the number of tokens from the start of a window to that of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Returns the least number of tokens before a scored one.
    pub fn min_context(&self) -> usize {
        self.min_context
    }

    /// Returns how many of `tokens` tokens are scored.
    pub fn scored(&self, tokens: usize) -> usize {
        self.spans(tokens).iter().map(|span| span.end - span.first).sum()
    }

    /// Returns the windows over `tokens` tokens, without those that score nothing.
    pub(super) fn spans(&self, tokens: usize) -> Vec<Span> {
        let (mut spans, mut begin, mut done) = (Vec::new(), 0, 0);
        loop {
            let end = tokens.min(begin + self.window);
            let first = done.max(begin + self.min_context);
            if first < end {
                spans.push(Span { begin, first, end });
            }
            if end == tokens {
                return spans;
            }
            done = end;
            begin += self.stride;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_but_the_first_is_scored_once_with_enough_context() {
        for (window, stride) in [(2, 1), (8, 4), (8, 1), (9, 8), (100, 50)] {
            let windows = Windows::new(window, stride, 1).unwrap();
            for tokens in 2..60 {
                let mut next = 1;
                for span in windows.spans(tokens) {
                    assert_eq!(span.first, next);
                    assert!(span.end - span.begin <= window && span.end > span.first);
                    assert!(span.begin == 0 || span.first - span.begin >= window - stride);
                    next = span.end;
                }
                assert_eq!(next, tokens);
                assert_eq!(windows.scored(tokens), tokens - 1);
            }
            assert_eq!(windows.scored(0) + windows.scored(1), 0);
        }
    }

    #[test]
    fn the_second_halves_of_separate_windows() {
        let windows = Windows::new(8, 8, 5).unwrap();
        let spans: Vec<_> = windows.spans(22).iter().map(|s| (s.begin, s.first, s.end)).collect();
        assert_eq!(spans, [(0, 5, 8), (8, 13, 16), (16, 21, 22)]);
        assert_eq!(windows.scored(20), 6);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (window, stride, min_context, words) in [
            (1, 1, 1, "`--window` is 1"),
            (8, 9, 1, "`--stride` is 9, but from 1 to the window of 8"),
            (8, 0, 1, "`--stride` is 0"),
            (8, 4, 8, "`--min-context` is 8"),
            (8, 4, 0, "`--min-context` is 0"),
        ] {
            let error = Windows::new(window, stride, min_context).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
