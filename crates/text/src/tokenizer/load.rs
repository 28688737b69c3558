//! Builds a tokenizer from the files of a checkpoint folder.

use std::path::Path;
use std::sync::OnceLock;

use tokenizers::{AddedToken, Model, TokenizerBuilder};

use super::json::TokenizerJson;
use super::model::AnyModel;
use super::{Inner, Pipeline, bounded};
use crate::detokenizer::Style;
use crate::error::TextError;
use crate::files::read_optional;
use crate::special::{SpecialTokens, end_ids};

pub(super) fn open(dir: &Path) -> Result<Inner, TextError> {
    let path = dir.join("tokenizer.json");
    let text = read_optional(&path)?.ok_or_else(|| TextError::Missing { path: path.clone() })?;
    let json: TokenizerJson<'_> = serde_json::from_str(&text)
        .map_err(|source| TextError::Json { path: path.clone(), source })?;
    let special = SpecialTokens::open(dir)?;
    let style = Style::of(&json.decoder);
    let pipeline = bounded::within_bounds(|| Ok(pipeline(json, &special.added)?))
        .map_err(|error| error.to_string())
        .map_err(|reason| TextError::Tokenizer { path: path.clone(), reason })?;

    let of_name = |name| special.name(name).and_then(|token| pipeline.token_to_id(token));
    let mut ends = end_ids(dir)?;
    ends.extend(of_name("eos_token"));
    let mut end_ids: Vec<u32> = Vec::with_capacity(ends.len());
    for id in ends {
        if !end_ids.contains(&id) {
            end_ids.push(id);
        }
    }
    Ok(Inner {
        style,
        id_count: id_count(&pipeline),
        bos: of_name("bos_token"),
        add_bos: special.add_bos,
        end_ids,
        frame: OnceLock::new(),
        pipeline,
    })
}

fn pipeline(mut json: TokenizerJson<'_>, added: &[AddedToken]) -> Result<Pipeline, String> {
    let model = AnyModel::new(&mut json.model)?;
    // Truncation and padding in the file are left over from training, so they are ignored.
    let mut pipeline: Pipeline = TokenizerBuilder::new()
        .with_model(model)
        .with_normalizer(bounded::normalizers(json.normalizer)?)
        .with_pre_tokenizer(bounded::pre_tokenizers(json.pre_tokenizer)?)
        .with_post_processor(bounded::post_processor(json.post_processor)?)
        .with_decoder(bounded::decoders(json.decoder)?)
        .build()
        .map_err(|error| error.to_string())?;
    let own: Vec<AddedToken> =
        json.added_tokens.unwrap_or_default().into_iter().map(Into::into).collect();
    pipeline.add_tokens(own).map_err(|error| error.to_string())?;
    // `tokenizer_config.json` may add tokens or change their flags, but usually repeats them.
    let new: Vec<AddedToken> =
        added.iter().filter(|token| !is_known(&pipeline, token)).cloned().collect();
    if !new.is_empty() {
        pipeline.add_tokens(new).map_err(|error| error.to_string())?;
    }
    Ok(pipeline)
}

fn is_known(pipeline: &Pipeline, token: &AddedToken) -> bool {
    let vocabulary = pipeline.get_added_vocabulary();
    let id = vocabulary.get_vocab().get(&token.content);
    id.is_some_and(|id| vocabulary.get_added_tokens_decoder().get(id) == Some(token))
}

fn id_count(pipeline: &Pipeline) -> u32 {
    let model = match pipeline.get_model() {
        AnyModel::Bpe(bpe) => bpe.id_count(),
        AnyModel::Other(model) => model.get_vocab_size() as u32,
    };
    let added = pipeline.get_added_vocabulary().get_added_tokens_decoder();
    added.keys().max().map_or(model, |id| model.max(id + 1))
}
