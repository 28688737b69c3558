//! Stop strings, found across the pieces in which text arrives.
//!
//! Invariant: however the text is cut into pieces, the same text comes out. The match that is
//! complete first wins, the longest of those that end together; nothing of it is ever let through.

/// What [`StopStrings::push`] lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Text that belongs to the answer for certain.
    pub text: String,
    /// The index of the stop string that was met. The answer ends here.
    pub matched: Option<usize>,
}

/// Looks for several stop strings at once and holds back only what may be the start of one.
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    patterns: Vec<Pattern>,
    /// Text not let through yet: the longest start of a stop string that the text ends with.
    held: String,
    matched: Option<usize>,
}

impl StopStrings {
    /// Stop strings in the caller's order; empty ones never match.
    pub fn new<S: AsRef<str>>(stops: impl IntoIterator<Item = S>) -> Self {
        let mut patterns: Vec<Pattern> = stops
            .into_iter()
            .enumerate()
            .filter(|(_, stop)| !stop.as_ref().is_empty())
            .map(|(index, stop)| Pattern::new(index, stop.as_ref().as_bytes()))
            .collect();
        // The first that is complete counts, so the longest goes first; equals keep their order.
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.bytes.len()));
        Self { patterns, held: String::new(), matched: None }
    }

    /// Takes the next piece. After a match everything is swallowed.
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

    /// Ends the text and returns what was held back.
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
    /// By matched length minus one: the next shorter start of the pattern that is also its end.
    shorter: Vec<usize>,
    /// How much of the pattern the text ends with.
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

    /// Takes one byte; whether the pattern is complete with it.
    fn step(&mut self, byte: u8) -> bool {
        while self.seen > 0 && self.bytes[self.seen] != byte {
            self.seen = self.shorter[self.seen - 1];
        }
        self.seen += usize::from(self.bytes[self.seen] == byte);
        self.seen == self.bytes.len()
    }
}
