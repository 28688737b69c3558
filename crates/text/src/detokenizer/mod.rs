//! Converts tokens to text, one at a time.
//!
//! Invariant: the pieces add up to the decoding of all tokens, and each piece is final and valid UTF-8. Bytes
//! of an incomplete character are held back until the next token.

mod style;
mod window;

pub(crate) use self::style::Style;
use self::window::Window;
use crate::error::TextError;
use crate::tokenizer::Tokenizer;

/// An incremental decoder. [`Tokenizer::detokenizer`] creates one.
#[derive(Debug)]
pub struct Detokenizer {
    tokenizer: Tokenizer,
    skip_special: bool,
    /// Bytes of an incomplete character.
    pending: Vec<u8>,
    is_first: bool,
    /// Number of leading characters that may still be dropped.
    trim_left: usize,
    window: Window,
}

impl Detokenizer {
    pub(crate) fn new(tokenizer: Tokenizer, skip_special: bool) -> Self {
        let trim_left = match tokenizer.style() {
            Style::Pieces(pieces) => pieces.trim.map_or(0, |(_, count)| count),
            _ => 0,
        };
        Self {
            tokenizer,
            skip_special,
            pending: Vec::new(),
            is_first: true,
            trim_left,
            window: Window::default(),
        }
    }

    /// Takes the next token and returns the text that is final now, which may be empty.
    pub fn push(&mut self, id: u32) -> Result<String, TextError> {
        let mut text = String::new();
        self.push_to(id, &mut text)?;
        Ok(text)
    }

    /// Like [`push`](Self::push), but appends to `text`.
    pub fn push_to(&mut self, id: u32, text: &mut String) -> Result<(), TextError> {
        if self.skip_special && self.tokenizer.is_special(id) {
            return Ok(());
        }
        let Self { tokenizer, pending, is_first, .. } = self;
        let known = match tokenizer.style() {
            Style::Other => return self.window.push(&self.tokenizer, id, text),
            style @ Style::ByteLevel => {
                tokenizer.with_text(id, |token| style.push_bytes(token, pending))
            }
            Style::Pieces(pieces) => {
                tokenizer.with_text(id, |token| pieces.push(token, *is_first, pending))
            }
        };
        if known.is_some() {
            self.is_first = false;
            self.take_valid(text, false);
        }
        Ok(())
    }

    /// Returns what was held back, at the end of the text. An incomplete character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let mut text = String::new();
        self.window.finish(&mut text);
        self.take_valid(&mut text, true);
        text
    }

    /// Like [`finish`](Self::finish), for a text that may have been cut anywhere: leaves out an incomplete
    /// character.
    pub fn finish_cut(&mut self) -> String {
        let mut text = String::new();
        self.window.finish(&mut text);
        text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        self.take_valid(&mut text, false);
        self.pending.clear();
        text
    }

    /// Moves all complete characters from `pending` to `text`.
    fn take_valid(&mut self, text: &mut String, at_end: bool) {
        let mut rest = self.pending.as_slice();
        let start = text.len();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, bad) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = bad;
                    let Some(bad_bytes) = error.error_len().or(at_end.then_some(bad.len())) else {
                        break;
                    };
                    // One mark per broken character, but one per byte if bytes are tokens.
                    let per_byte = matches!(self.tokenizer.style(), Style::Pieces(_));
                    let marks = if per_byte { bad_bytes } else { 1 };
                    text.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, marks));
                    rest = &rest[bad_bytes..];
                }
            }
        }
        let taken = self.pending.len() - rest.len();
        self.pending.drain(..taken);
        self.trim(text, start);
    }

    /// Drops characters that the decoder trims from the start of the text.
    fn trim(&mut self, text: &mut String, start: usize) {
        let Style::Pieces(pieces) = self.tokenizer.style() else { return };
        let Some((char, _)) = pieces.trim else { return };
        while self.trim_left > 0 && text.len() > start {
            if !text[start..].starts_with(char) {
                self.trim_left = 0;
                return;
            }
            text.remove(start);
            self.trim_left -= 1;
        }
    }
}
