//! A vocabulary of bytes, for synthetic models.

use super::MetaValue;

/// Values of `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;
/// The first token after the bytes.
const MERGED: usize = 256;

/// The tokens of a synthetic model: one for each byte, one that two of them merge into, one that
/// ends a text, and fillers. Models with the same number of tokens have the same vocabulary.
#[derive(Clone, Debug)]
pub struct GgufVocabulary {
    texts: Vec<String>,
}

impl GgufVocabulary {
    /// Number of tokens that are not fillers.
    pub const LEAST: usize = MERGED + 2;
    /// The token that ends a text.
    pub const END: usize = MERGED + 1;

    /// Makes a vocabulary of `size` tokens. Returns `None` if there is no room for the bytes.
    pub fn new(size: usize) -> Option<Self> {
        if size < Self::LEAST {
            return None;
        }
        let mut texts: Vec<String> = byte_alphabet().map(String::from).collect();
        texts.push(Self::merged());
        texts.push("<|end|>".to_owned());
        texts.extend((Self::LEAST..size).map(|index| format!("[PAD{index}]")));
        Some(Self { texts })
    }

    /// Returns the texts of the tokens that are not fillers, by id.
    pub fn used(&self) -> &[String] {
        &self.texts[..Self::LEAST]
    }

    /// The two tokens that can be merged.
    pub const MERGE: [&'static str; 2] = ["t", "h"];

    fn merged() -> String {
        Self::MERGE.concat()
    }

    pub(super) fn metadata(&self) -> Vec<(String, MetaValue)> {
        let types = (0..self.texts.len()).map(|id| match id {
            ..=MERGED => NORMAL,
            Self::END => CONTROL,
            _ => UNUSED,
        });
        let text = |text: &str| MetaValue::Text(text.to_owned());
        let entries = [
            ("model", text("gpt2")),
            ("pre", text("gpt-2")),
            ("tokens", MetaValue::Texts(self.texts.clone())),
            ("token_type", MetaValue::I32s(types.collect())),
            ("merges", MetaValue::Texts(vec![Self::MERGE.join(" ")])),
            ("eos_token_id", MetaValue::U32(Self::END as u32)),
            ("add_bos_token", MetaValue::Bool(false)),
        ];
        let full = |(key, value)| (format!("tokenizer.ggml.{key}"), value);
        entries.into_iter().map(full).collect()
    }
}

/// Returns the characters that stand for bytes in a byte-level vocabulary (GPT-2's): printable
/// characters for themselves, the others for the next free ones from 256 on.
pub fn byte_alphabet() -> impl Iterator<Item = char> {
    let mut others = (256..).filter_map(char::from_u32);
    (0..=255_u8).filter_map(move |byte| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => Some(char::from(byte)),
        _ => others.next(),
    })
}
