//! Added tokens, as two files of a checkpoint write them.

use tokenizers::AddedToken;

/// A token outside the model's own vocabulary, in `tokenizer.json` or `tokenizer_config.json` (where the id
/// is the key).
#[derive(serde::Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of the file")]
pub(crate) struct AddedTokenJson {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl From<AddedTokenJson> for AddedToken {
    fn from(json: AddedTokenJson) -> Self {
        let normalized = json.normalized.unwrap_or(!json.special);
        Self::from(json.content, json.special)
            .single_word(json.single_word)
            .lstrip(json.lstrip)
            .rstrip(json.rstrip)
            .normalized(normalized)
    }
}
