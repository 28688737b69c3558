//! Tokenizer of a checkpoint: text to ids and back.

mod bounded;
mod bpe;
mod json;
mod load;
mod model;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokenizers::{PostProcessorWrapper, TokenizerImpl};

use self::bounded::{Decoders, Normalizers, PreTokenizers};
use self::model::AnyModel;
use crate::detokenizer::{Detokenizer, Style};
use crate::error::TextError;

type Pipeline = TokenizerImpl<AnyModel, Normalizers, PreTokenizers, PostProcessorWrapper, Decoders>;

/// A checkpoint's tokenizer. Clones share all data, so they are cheap.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    pipeline: Pipeline,
    style: Style,
    id_count: u32,
    bos: Option<u32>,
    add_bos: Option<bool>,
    end_ids: Vec<u32>,
    /// Special tokens around a text, determined on first use.
    frame: OnceLock<Frame>,
}

/// The special tokens around a text.
struct Frame {
    before: Vec<u32>,
    after: Vec<u32>,
}

/// The special tokens around two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairMarks {
    /// Before the first text.
    pub before: Vec<u32>,
    /// Between the texts.
    pub between: Vec<u32>,
    /// After the second text.
    pub after: Vec<u32>,
    /// Type of the tokens from the second text on; those before have type 0.
    pub second_type: u32,
}

impl Tokenizer {
    /// Reads the tokenizer of the checkpoint in `dir`.
    ///
    /// `tokenizer.json` is required. `tokenizer_config.json` and `special_tokens_map.json` name the special
    /// tokens; `config.json` and `generation_config.json` name the ids that end an answer.
    pub fn open(dir: &Path) -> Result<Self, TextError> {
        load::open(dir).map(|inner| Self(Arc::new(inner)))
    }

    /// Encodes `text`. Special tokens written in it are recognized.
    ///
    /// `add_special_tokens` adds the tokens that the tokenizer puts around every text, such as BOS. Use
    /// `false` for a rendered chat template, which writes them itself.
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, TextError> {
        let ids = self.encode_plain(text, false)?;
        if !add_special_tokens {
            return Ok(ids);
        }
        let frame = self.frame()?;
        Ok([frame.before.as_slice(), &ids, &frame.after].concat())
    }

    /// Encodes a prompt to be continued: with BOS if the tokenizer adds it, but never with two, and never
    /// with an end token.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let ids = self.encode_plain(text, false)?;
        let before = &self.frame()?.before;
        let has_bos = self.bos().is_some_and(|bos| ids.first() == Some(&bos));
        if has_bos || ids.starts_with(before) {
            return Ok(ids);
        }
        Ok([before.as_slice(), &ids].concat())
    }

    /// Returns the tokens that [`Tokenizer::encode`] adds before and after a text.
    pub fn marks(&self) -> Result<(&[u32], &[u32]), TextError> {
        let frame = self.frame()?;
        Ok((&frame.before, &frame.after))
    }

    /// Returns the tokens around two texts that are compared. The post-processor doesn't tell, so we encode a
    /// sample.
    pub fn pair_marks(&self) -> Result<PairMarks, TextError> {
        let sample = self.encode_plain("a", false)?;
        let encoding = bounded::within_bounds(|| self.0.pipeline.encode_fast(("a", "a"), true))
            .map_err(|error| TextError::Encode { reason: error.to_string() })?;
        let ids = encoding.get_ids();
        let count = sample.len().max(1);
        let place = |from: usize| {
            let rest = ids.get(from..).unwrap_or_default();
            rest.windows(count).position(|window| window == sample).map(|at| from + at)
        };
        let first = place(0).unwrap_or_default();
        let second = place(first + count).unwrap_or(first + count);
        Ok(PairMarks {
            before: ids.get(..first).unwrap_or_default().to_vec(),
            between: ids.get(first + count..second).unwrap_or_default().to_vec(),
            after: ids.get(second + count..).unwrap_or_default().to_vec(),
            second_type: encoding.get_type_ids().get(second).copied().unwrap_or_default(),
        })
    }

    fn encode_plain(&self, text: &str, framed: bool) -> Result<Vec<u32>, TextError> {
        let encoding = bounded::within_bounds(|| self.0.pipeline.encode_fast(text, framed))
            .map_err(|error| TextError::Encode { reason: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Returns the special tokens around a text. The post-processor doesn't tell, so we encode a sample.
    fn frame(&self) -> Result<&Frame, TextError> {
        if let Some(frame) = self.0.frame.get() {
            return Ok(frame);
        }
        let bare = self.encode_plain("a", false)?;
        let framed = self.encode_plain("a", true)?;
        let at =
            framed.windows(bare.len().max(1)).position(|window| window == bare).unwrap_or_default();
        let mut before = framed[..at].to_vec();
        let after = framed.get(at + bare.len()..).unwrap_or_default().to_vec();
        if let (Some(bos), Some(add_bos)) = (self.0.bos, self.0.add_bos) {
            match (add_bos, before.first() == Some(&bos)) {
                (true, false) => before.insert(0, bos),
                (false, true) => {
                    before.remove(0);
                }
                _ => {}
            }
        }
        Ok(self.0.frame.get_or_init(|| Frame { before, after }))
    }

    /// Decodes `ids`. Ids outside the vocabulary have no text, and bytes that are not UTF-8 become U+FFFD.
    ///
    /// A [`Detokenizer`] returns the same text in pieces.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TextError> {
        if matches!(self.0.style, Style::Other) {
            return self.decode_whole(ids, skip_special);
        }
        let mut detokenizer = self.detokenizer(skip_special);
        let mut text = String::new();
        for &id in ids {
            detokenizer.push_to(id, &mut text)?;
        }
        text.push_str(&detokenizer.finish());
        Ok(text)
    }

    /// Decodes `ids` with the decoder of `tokenizer.json`.
    pub(crate) fn decode_whole(&self, ids: &[u32], skip: bool) -> Result<String, TextError> {
        if ids.iter().all(|&id| self.is_unseen(id, skip)) {
            // Some decoders count back from the last token and fail if there is none.
            return Ok(String::new());
        }
        let decoded = bounded::within_bounds(|| self.0.pipeline.decode(ids, skip));
        decoded.map_err(|error| TextError::Decode { reason: error.to_string() })
    }

    fn is_unseen(&self, id: u32, skip_special: bool) -> bool {
        (skip_special && self.is_special(id)) || self.with_text(id, |_| ()).is_none()
    }

    /// Returns an incremental decoder.
    pub fn detokenizer(&self, skip_special: bool) -> Detokenizer {
        Detokenizer::new(self.clone(), skip_special)
    }

    pub(crate) fn style(&self) -> &Style {
        &self.0.style
    }

    /// Calls `f` with the token as the decoder sees it. Returns `None` for an unknown id.
    pub(crate) fn with_text<R>(&self, id: u32, f: impl FnOnce(&str) -> R) -> Option<R> {
        let pipeline = &self.0.pipeline;
        if let Some(text) = pipeline.get_added_vocabulary().simple_id_to_token(id) {
            return Some(f(&text));
        }
        match pipeline.get_model() {
            AnyModel::Bpe(bpe) => bpe.text(id).map(f),
            AnyModel::Other(_) => pipeline.id_to_token(id).map(|text| f(&text)),
        }
    }

    /// Returns the highest id plus one. A model may compute more logits than this.
    pub fn vocab_size(&self) -> usize {
        self.0.id_count as usize
    }

    /// Returns the token as it is written in the vocabulary, such as `Ġthe` or `▁the`.
    pub fn token_text(&self, id: u32) -> Option<String> {
        self.0.pipeline.id_to_token(id)
    }

    /// Returns the bytes of a token in the middle of a text. They need not be complete characters.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        if matches!(self.0.style, Style::Other) {
            self.with_text(id, |_| ())?;
            return self.decode_whole(&[id], false).ok().map(String::into_bytes);
        }
        self.with_text(id, |token| self.0.style.push_bytes(token, &mut bytes))?;
        Some(bytes)
    }

    /// Returns `true` if the token is a mark of the model's protocol, and not text.
    pub fn is_special(&self, id: u32) -> bool {
        let added = self.0.pipeline.get_added_vocabulary().get_added_tokens_decoder();
        added.get(&id).is_some_and(|token| token.special)
    }

    /// Returns the id of a token as it is written in the vocabulary.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.0.pipeline.token_to_id(token)
    }

    /// Returns the token that starts a text, if there is one.
    pub fn bos(&self) -> Option<u32> {
        self.0.bos
    }

    /// Returns the tokens that end an answer: first those of the model's configuration, then the tokenizer's.
    pub fn eos_ids(&self) -> &[u32] {
        &self.0.end_ids
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} ids)", self.0.id_count)
    }
}
