//! Incremental decoding with a decoder of which nothing is known but that it is local.
//!
//! A few tokens are decoded again at each step. What the next token did not change is final; the
//! text of the newest token waits for it.

use crate::{TextError, Tokenizer};

/// The window is cut back once it is this long.
const MAX_TOKENS: usize = 12;
/// Tokens kept as context when it is.
const KEPT_TOKENS: usize = 6;

/// The last few tokens.
#[derive(Debug, Default)]
pub(super) struct Window {
    ids: Vec<u32>,
    /// Their text.
    text: String,
    /// Bytes of it that were handed out.
    done_bytes: usize,
}

impl Window {
    pub(super) fn push(
        &mut self,
        tokenizer: &Tokenizer,
        id: u32,
        out: &mut String,
    ) -> Result<(), TextError> {
        self.ids.push(id);
        let text = tokenizer.decode_whole(&self.ids, false)?;
        let stable_bytes = common_prefix(&self.text, &text);
        if stable_bytes > self.done_bytes {
            out.push_str(&text[self.done_bytes..stable_bytes]);
            self.done_bytes = stable_bytes;
        }
        self.text = text;
        if self.ids.len() >= MAX_TOKENS {
            self.cut(tokenizer)?;
        }
        Ok(())
    }

    /// Forgets the oldest tokens where the text still to come is the same without them.
    fn cut(&mut self, tokenizer: &Tokenizer) -> Result<(), TextError> {
        let kept = &self.ids[self.ids.len() - KEPT_TOKENS..];
        let text = tokenizer.decode_whole(kept, false)?;
        let Some(to_come) = self.text.get(self.done_bytes..) else { return Ok(()) };
        if text.len() > to_come.len() && text.ends_with(to_come) {
            self.done_bytes = text.len() - to_come.len();
            self.ids = kept.to_vec();
            self.text = text;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, out: &mut String) {
        out.push_str(self.text.get(self.done_bytes..).unwrap_or_default());
        *self = Self::default();
    }
}

/// Bytes that both start with, whole characters only.
fn common_prefix(left: &str, right: &str) -> usize {
    let same = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    (0..=same).rev().find(|&at| right.is_char_boundary(at)).unwrap_or(0)
}
