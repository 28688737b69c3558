//! The `data` of the envelope, which is the same for one model and for several.

use std::path::Path;

use mlxk_bench::model::ModelFacts;
use mlxk_engine::perplexity::{Evaluation, Windows};
use serde_json::{Value, json};

use crate::json;

/// The text, and what all models have in common.
pub(super) struct Work<'a> {
    pub(super) file: &'a Path,
    pub(super) text_bytes: usize,
    pub(super) windows: Windows,
    pub(super) exact: bool,
    pub(super) device: &'a str,
}

impl Work<'_> {
    /// Prints the envelope. Numbers that are not finite become `null`. `smallest` is the smallest model that loses
    /// little, if there are several.
    pub(super) fn print(&self, models: &[Value], smallest: Option<&str>) -> anyhow::Result<()> {
        let data = json!({
            "file": self.file.to_string_lossy(),
            "text_bytes": self.text_bytes,
            "window": self.windows.window(),
            "stride": self.windows.stride(),
            "min_context": self.windows.min_context(),
            "exact": self.exact,
            "device": self.device,
            "models": models,
            "smallest_with_small_loss": smallest,
        });
        json::print("perplexity", &data)
    }
}

/// Comparisons of a model.
#[derive(Default)]
pub(super) struct Compared {
    /// With the reference of `--against` and its like.
    pub(super) against: Option<Value>,
    /// With the first of several models.
    pub(super) against_first: Option<Value>,
    pub(super) verdict: Option<String>,
}

/// Returns the object of a model. `text_tokens` counts the tokens of the text, scored or not.
pub(super) fn model(
    name: &str,
    facts: &ModelFacts,
    text_tokens: usize,
    evaluation: &Evaluation,
    compared: &Compared,
) -> Value {
    let perplexity = evaluation.nll.perplexity();
    json!({
        "model": name,
        "bits_per_weight": facts.bits_per_weight,
        "size_bytes": facts.file_bytes,
        "text_tokens": text_tokens,
        "windows": evaluation.windows,
        "scored_tokens": evaluation.tokens,
        "scored_bytes": evaluation.bytes,
        "perplexity": perplexity.mean,
        "perplexity_standard_error": perplexity.standard_error,
        "nll": evaluation.nll.mean,
        "nll_standard_error": evaluation.nll.standard_error,
        "bits_per_byte": evaluation.bits_per_byte(),
        "against": compared.against,
        "against_first": compared.against_first,
        "verdict": compared.verdict,
    })
}
