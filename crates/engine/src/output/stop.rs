//! Stop strings of a request.

use mlxk_text::StopStrings;

/// Looks for the stop strings and holds back what may be the beginning of one.
pub(super) struct Stops {
    texts: Vec<String>,
    automaton: StopStrings,
}

impl Stops {
    pub(super) fn new(texts: Vec<String>) -> Self {
        Self { automaton: StopStrings::new(&texts), texts }
    }

    /// Takes the next piece of the answer. Returns text that belongs to the answer for certain, and the
    /// stop string if there is one.
    pub(super) fn push(&mut self, text: &str) -> (Option<String>, Option<String>) {
        let passed = self.automaton.push(text);
        let stop = passed.matched.map(|index| self.texts[index].clone());
        (not_empty(passed.text), stop)
    }

    /// Returns what was held back, at the end of the answer.
    pub(super) fn finish(&mut self) -> Option<String> {
        not_empty(self.automaton.finish())
    }
}

fn not_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
