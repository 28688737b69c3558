//! The model behind a tokenizer: our BPE, or one of the rarer kinds of the `tokenizers` crate.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::models::unigram::Unigram;
use tokenizers::{Model, Token};

use super::bounded::MAX_WORD_CHARS;
use super::bpe::{Bpe, MAX_ID};
use super::json::{ModelJson, VocabJson};

/// A tokenizer's model.
pub(super) enum AnyModel {
    Bpe(Box<Bpe>),
    Other(Box<ModelWrapper>),
}

impl AnyModel {
    fn bpe(bpe: Bpe) -> Self {
        Self::Bpe(Box::new(bpe))
    }

    /// Builds the model that the file describes.
    pub(super) fn new(model: &mut ModelJson<'_>) -> Result<Self, String> {
        let vocab = std::mem::replace(&mut model.vocab, VocabJson::Ids(Vec::new()));
        if let VocabJson::Ids(ids) = &vocab
            && let Some((_, id)) = ids.iter().find(|(_, id)| *id >= MAX_ID)
        {
            return Err(format!("a token has the id {id}"));
        }
        match (vocab, model.kind.as_deref()) {
            (VocabJson::Scores(scores), Some("Unigram") | None) => {
                Unigram::from(scores, model.unk_id, model.byte_fallback.unwrap_or(false))
                    .map(|unigram| Self::Other(Box::new(unigram.into())))
                    .map_err(|error| error.to_string())
            }
            (VocabJson::Ids(ids), Some("BPE")) => Bpe::new(model, &ids).map(Self::bpe),
            // Older files don't name the kind. They are BPE if they contain merges.
            (VocabJson::Ids(ids), None) if model.merges.is_some() => {
                Bpe::new(model, &ids).map(Self::bpe)
            }
            (VocabJson::Ids(ids), Some("WordPiece" | "WordLevel") | None) => {
                let vocab: serde_json::Map<String, Value> =
                    ids.into_iter().map(|(token, id)| (token.into_owned(), id.into())).collect();
                words(model, &vocab).map(|model| Self::Other(Box::new(model)))
            }
            (_, Some(kind @ ("BPE" | "WordPiece" | "WordLevel" | "Unigram"))) => {
                Err(format!("a vocabulary of this form does not belong to the model type `{kind}`"))
            }
            (_, Some(kind)) => Err(format!("the model type `{kind}` is unknown")),
        }
    }
}

fn words(
    model: &ModelJson<'_>,
    vocab: &serde_json::Map<String, Value>,
) -> Result<ModelWrapper, String> {
    if model.max_input_chars_per_word.is_some_and(|most| most > MAX_WORD_CHARS) {
        return Err(format!("its `max_input_chars_per_word` is greater than {MAX_WORD_CHARS}"));
    }
    let unknown = model.unk_token.as_deref().unwrap_or("[UNK]");
    let description = match model.kind.as_deref() {
        Some("WordLevel") => json!({ "type": "WordLevel", "vocab": vocab, "unk_token": unknown }),
        _ => json!({
            "type": "WordPiece",
            "vocab": vocab,
            "unk_token": unknown,
            "continuing_subword_prefix": model.continuing_subword_prefix.as_deref().unwrap_or("##"),
            "max_input_chars_per_word": model.max_input_chars_per_word.unwrap_or(100),
        }),
    };
    serde_json::from_value(description).map_err(|error| error.to_string())
}

impl Model for AnyModel {
    type Trainer = BpeTrainer;

    fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            Self::Bpe(model) => model.tokenize(word),
            Self::Other(model) => model.tokenize(word),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Bpe(model) => model.token_to_id(token),
            Self::Other(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Bpe(model) => model.id_to_token(id),
            Self::Other(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Bpe(model) => model.get_vocab(),
            Self::Other(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Bpe(model) => model.get_vocab_size(),
            Self::Other(model) => model.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, name: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match self {
            Self::Bpe(model) => model.save(folder, name),
            Self::Other(model) => model.save(folder, name),
        }
    }

    fn get_trainer(&self) -> Self::Trainer {
        BpeTrainer::default()
    }
}
