//! Incremental decoding with an arbitrary decoder, assuming only that distant tokens don't affect each other.
//!
//! Each step decodes the last few tokens again. Text that the next token did not change is final.

use crate::error::TextError;
use crate::tokenizer::Tokenizer;

/// Length at which the window is cut.
const MAX_TOKENS: usize = 12;
/// Tokens that are kept as context when it is cut.
const KEPT_TOKENS: usize = 6;

/// The last few tokens.
#[derive(Debug, Default)]
pub(super) struct Window {
    ids: Vec<u32>,
    /// Text of these tokens.
    text: String,
    /// Number of bytes that were returned already.
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

    /// Drops the oldest tokens, if the text that is not yet returned is the same without them.
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

/// Returns the length of the common beginning, in bytes of complete characters.
fn common_prefix(left: &str, right: &str) -> usize {
    let same = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    (0..=same).rev().find(|&at| right.is_char_boundary(at)).unwrap_or(0)
}
