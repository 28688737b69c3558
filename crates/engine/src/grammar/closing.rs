//! Bringing a JSON text to its end: of the tokens that its schema allows, those that close it.
//!
//! A schema may leave a string, a number or a list without a bound, and a small model may never
//! come back from one. When an answer nears its last token, what opens something new is forbidden
//! wherever the schema leaves a choice.

/// What begins and how long is every token.
pub(crate) struct Shapes(Vec<Shape>);

#[derive(Clone, Copy)]
struct Shape {
    first: u8,
    /// Bytes, 0 for tokens that stand for no text.
    length: u16,
}

/// Where in a JSON text an answer stands, as far as closing it goes.
pub(crate) struct Closing {
    in_string: bool,
    escaped: bool,
    /// `[256]` how often a token began with this byte while closing the current string.
    used: [u8; 256],
}

impl Shapes {
    pub(crate) fn new(words: &[Vec<u8>]) -> Self {
        let shape = |word: &Vec<u8>| Shape {
            first: word.first().copied().unwrap_or_default(),
            length: word.len() as u16,
        };
        Self(words.iter().map(shape).collect())
    }
}

impl Closing {
    pub(crate) fn new() -> Self {
        Self { in_string: false, escaped: false, used: [0; 256] }
    }

    /// Follows the text; `hurried` where the token was chosen to close it.
    pub(crate) fn push(&mut self, bytes: &[u8], hurried: bool) {
        for &byte in bytes {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => {
                    self.in_string = !self.in_string;
                    self.used = [0; 256];
                }
                _ => {}
            }
        }
        if let (true, Some(&first)) = (hurried && self.in_string, bytes.first()) {
            let count = &mut self.used[usize::from(first)];
            *count = count.saturating_add(1);
        }
    }

    /// Sets the logits of all tokens to −∞ but those that close most; `logits` is −∞ where a token
    /// is not allowed. `ends` are tokens that end the answer.
    pub(crate) fn keep_closest(&self, shapes: &Shapes, ends: &[u32], logits: &mut [f32]) {
        let rank = |id: usize| match shapes.0.get(id) {
            _ if ends.contains(&(id as u32)) => 0,
            Some(shape) if shape.length > 0 => self.rank(*shape),
            _ => u32::MAX,
        };
        let allowed = |logits: &[f32], id: usize| logits[id] > f32::NEG_INFINITY;
        let best = (0..logits.len()).filter(|&id| allowed(logits, id)).map(rank).min();
        for id in 0..logits.len() {
            if allowed(logits, id) && Some(rank(id)) != best {
                logits[id] = f32::NEG_INFINITY;
            }
        }
    }

    /// How far a token leads from the end of the text: lower is closer.
    fn rank(&self, Shape { first, length }: Shape) -> u32 {
        let length = u32::from(length);
        if self.in_string {
            // What the string still needs is not known; a byte that was not tried yet may be it.
            return match first {
                b'"' if !self.escaped => length,
                _ => (1 << 20) + u32::from(self.used[usize::from(first)]),
            };
        }
        // Longer tokens may open something after what they close.
        let class = match first {
            b'}' | b']' => 1,
            b'"' | b'n' | b't' | b'f' | b'0'..=b'9' => 2,
            b',' | b':' | b'-' | b'.' | b'e' | b'E' | b'+' => 3,
            b'[' => 4,
            b'{' => 5,
            _ => 6,
        };
        (class << 16) + length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(before: &str, tokens: &[&str]) -> Vec<String> {
        let words: Vec<Vec<u8>> = tokens.iter().map(|token| token.as_bytes().to_vec()).collect();
        let mut closing = Closing::new();
        closing.push(before.as_bytes(), false);
        let mut logits = vec![1.0; tokens.len()];
        closing.keep_closest(&Shapes::new(&words), &[], &mut logits);
        let kept = tokens.iter().zip(logits).filter(|(_, logit)| *logit > 0.0);
        kept.map(|(token, _)| (*token).to_owned()).collect()
    }

    #[test]
    fn closes_before_it_goes_on() {
        assert_eq!(kept("{\"a\": \"x", &["y", "}", "\"", "\", \"b", "z"]), ["\""]);
        assert_eq!(kept("{\"a\": \"x\"", &[",", "}", "}\n", " "]), ["}"]);
        assert_eq!(kept("{\"a\": ", &["{", "[", "\"", " \""]), ["\""]);
        assert_eq!(kept("{\"a\": [", &["1", "-", "]", "[[["]), ["]"]);
        assert_eq!(kept("{\"a\": 12", &["3", ".", ",", "}"]), ["}"]);
        // After a backslash a quote belongs to the string.
        assert_eq!(kept("{\"a\": \"\\", &["\"", "n"]), ["\"", "n"]);
    }

    #[test]
    fn a_string_that_may_not_end_yet_tries_other_bytes() {
        let words = [b"a".to_vec(), b"@".to_vec(), b"ab".to_vec()];
        let mut closing = Closing::new();
        closing.push(b"\"", false);
        closing.push(b"a", true);
        let mut logits = vec![5.0, 1.0, 4.0];
        closing.keep_closest(&Shapes::new(&words), &[], &mut logits);
        assert_eq!(logits, [f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY]);
    }
}
