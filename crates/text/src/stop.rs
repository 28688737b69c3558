//! Finds stop strings in text that arrives in pieces.
//!
//! Invariant: the result does not depend on how the text is cut into pieces. The match that is complete
//! first wins, or the longest if several end together. No part of it is ever returned.

/// Result of [`StopStrings::push`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Text that belongs to the answer for certain.
    pub text: String,
    /// Index of the stop string that was found, which ends the answer.
    pub matched: Option<usize>,
}

/// Looks for several stop strings at once. Holds back only what may be the beginning of one.
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    patterns: Vec<Pattern>,
    /// Text that was held back: the longest beginning of a stop string at the end of the text.
    held: String,
    matched: Option<usize>,
}

impl StopStrings {
    /// Takes the stop strings, whose order gives the index. Empty ones never match.
    pub fn new<S: AsRef<str>>(stops: impl IntoIterator<Item = S>) -> Self {
        let mut patterns: Vec<Pattern> = stops
            .into_iter()
            .enumerate()
            .filter(|(_, stop)| !stop.as_ref().is_empty())
            .map(|(index, stop)| Pattern::new(index, stop.as_ref().as_bytes()))
            .collect();
        // The first that is complete wins, so the longest go first.
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.bytes.len()));
        Self { patterns, held: String::new(), matched: None }
    }

    /// Takes the next piece. After a match, all further text is dropped.
    pub fn push(&mut self, piece: &str) -> Stop {
        if self.matched.is_some() {
            return Stop { text: String::new(), matched: self.matched };
        }
        let scanned = self.held.len();
        self.held.push_str(piece);
        for (at, &byte) in self.held.as_bytes().iter().enumerate().skip(scanned) {
            let mut complete = None;
            for pattern in &mut self.patterns {
                if pattern.step(byte) && complete.is_none() {
                    complete = Some((pattern.index, at + 1 - pattern.bytes.len()));
                }
            }
            if let Some((index, start)) = complete {
                self.matched = Some(index);
                let mut text = std::mem::take(&mut self.held);
                text.truncate(start);
                return Stop { text, matched: self.matched };
            }
        }
        let kept = self.patterns.iter().map(|pattern| pattern.seen).max().unwrap_or(0);
        let held = self.held.split_off(self.held.len() - kept);
        Stop { text: std::mem::replace(&mut self.held, held), matched: None }
    }

    /// Returns what was held back, at the end of the text.
    pub fn finish(&mut self) -> String {
        self.patterns.iter_mut().for_each(|pattern| pattern.seen = 0);
        std::mem::take(&mut self.held)
    }
}

/// One stop string with its Knuth-Morris-Pratt table.
#[derive(Clone, Debug)]
struct Pattern {
    index: usize,
    bytes: Vec<u8>,
    /// By matched length minus one: length of the next shorter match that ends at the same place.
    shorter: Vec<usize>,
    /// Length of the match at the end of the text.
    seen: usize,
}

impl Pattern {
    fn new(index: usize, bytes: &[u8]) -> Self {
        let mut shorter = vec![0; bytes.len()];
        let mut length = 0;
        for at in 1..bytes.len() {
            while length > 0 && bytes[at] != bytes[length] {
                length = shorter[length - 1];
            }
            length += usize::from(bytes[at] == bytes[length]);
            shorter[at] = length;
        }
        Self { index, bytes: bytes.to_vec(), shorter, seen: 0 }
    }

    /// Takes one byte. Returns `true` if it completes the pattern.
    fn step(&mut self, byte: u8) -> bool {
        while self.seen > 0 && self.bytes[self.seen] != byte {
            self.seen = self.shorter[self.seen - 1];
        }
        self.seen += usize::from(self.bytes[self.seen] == byte);
        self.seen == self.bytes.len()
    }
}
