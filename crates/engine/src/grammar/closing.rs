//! Completes a JSON text before the token limit, and limits the digits of its numbers.
//!
//! JSON sets no limit on the digits of a number, but parsers do (RFC 8259, section 6).
//!
//! A schema may leave the length of a string, a number or a list open, and a small model may never end it. Near
//! the last token of an answer, tokens that open something new are forbidden if the schema allows others.

/// Beginning and length of every token.
pub(crate) struct Shapes(Vec<Shape>);

#[derive(Clone, Copy)]
struct Shape {
    first: u8,
    /// Number of digits that it begins with.
    digits: u8,
    /// Length in bytes, or 0 for tokens without text.
    length: u16,
}

/// Most digits of a number. With [`MAX_EXPONENT_DIGITS`], it stays well inside the range of f64.
const MAX_DIGITS: u8 = 100;
const MAX_EXPONENT_DIGITS: u8 = 2;

/// Position in a JSON text, as far as closing it requires.
pub(crate) struct Closing {
    in_string: bool,
    escaped: bool,
    /// Number of digits of the number at the end of the text, up to its exponent.
    digits: u8,
    /// Number of digits of its exponent, once that has begun.
    exponent: Option<u8>,
    /// `[256]`: how often a token began with this byte while closing the current string.
    used: [u8; 256],
}

impl Shapes {
    pub(crate) fn new(words: &[Vec<u8>]) -> Self {
        let shape = |word: &Vec<u8>| Shape {
            first: word.first().copied().unwrap_or_default(),
            digits: word.iter().take(255).take_while(|byte| byte.is_ascii_digit()).count() as u8,
            length: word.len() as u16,
        };
        Self(words.iter().map(shape).collect())
    }
}

impl Closing {
    pub(crate) fn new() -> Self {
        Self { in_string: false, escaped: false, digits: 0, exponent: None, used: [0; 256] }
    }

    /// Takes the text of a token. `hurried` is `true` if the token was chosen to close the answer.
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
            self.count_digit(byte);
        }
        if let (true, Some(&first)) = (hurried && self.in_string, bytes.first()) {
            let count = &mut self.used[usize::from(first)];
            *count = count.saturating_add(1);
        }
    }

    fn count_digit(&mut self, byte: u8) {
        match byte {
            _ if self.in_string => (self.digits, self.exponent) = (0, None),
            b'0'..=b'9' => {
                let count = self.exponent.as_mut().unwrap_or(&mut self.digits);
                *count = count.saturating_add(1);
            }
            b'e' | b'E' if self.digits > 0 => self.exponent = Some(0),
            b'+' | b'-' | b'.' => {}
            _ => (self.digits, self.exponent) = (0, None),
        }
    }

    /// Sets the logits of tokens to −∞ that would make a number too long for parsers.
    pub(crate) fn bound_numbers(&self, shapes: &Shapes, logits: &mut [f32]) {
        let left = match self.exponent {
            _ if self.digits == 0 => return,
            Some(digits) => MAX_EXPONENT_DIGITS.saturating_sub(digits),
            None => MAX_DIGITS.saturating_sub(self.digits),
        };
        for (logit, shape) in logits.iter_mut().zip(&shapes.0) {
            if shape.digits > left {
                *logit = f32::NEG_INFINITY;
            }
        }
    }

    /// Sets the logits to −∞ of all tokens except those that lead closest to the end. `logits` are −∞ for tokens
    /// that are not allowed. `ends` are the tokens that end the answer.
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

    /// Returns how far from the end of the text a token leads. Lower is closer.
    fn rank(&self, Shape { first, length, .. }: Shape) -> u32 {
        let length = u32::from(length);
        if self.in_string {
            // We don't know what the string still needs. A byte that was not tried yet may be it.
            return match first {
                b'"' if !self.escaped => length,
                _ => (1 << 20) + u32::from(self.used[usize::from(first)]),
            };
        }
        // Longer tokens may open something new after what they close.
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
    fn numbers_stay_readable() {
        let tokens = ["7", "77", "777", ",", "e77"];
        let words: Vec<Vec<u8>> = tokens.iter().map(|token| token.as_bytes().to_vec()).collect();
        let shapes = Shapes::new(&words);
        let left = |text: &str| {
            let mut closing = Closing::new();
            closing.push(text.as_bytes(), false);
            let mut logits = vec![1.0; tokens.len()];
            closing.bound_numbers(&shapes, &mut logits);
            let kept = tokens.iter().zip(logits).filter(|(_, logit)| *logit > 0.0);
            kept.map(|(token, _)| *token).collect::<Vec<_>>()
        };
        assert_eq!(left("[true, "), tokens);
        assert_eq!(left("[1.5e-"), ["7", "77", ",", "e77"]);
        assert_eq!(left("[1.5E+1"), ["7", ",", "e77"]);
        assert_eq!(left("[1.5e10"), [",", "e77"]);
        assert_eq!(left("[1.5e10, \"1e99"), tokens);
        let long = "9".repeat(98);
        assert_eq!(left(&format!("[{long}")), ["7", "77", ",", "e77"]);
        assert_eq!(left(&format!("[{long}.11")), [",", "e77"]);
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
