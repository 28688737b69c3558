//! The output of `mlxk perplexity`, for people and as JSON.

use std::io;
use std::path::Path;

use mlxk_bench::model::ModelFacts;
use mlxk_engine::perplexity::{Comparison, Estimate, Evaluation, Windows};
use serde_json::{Value, json};

use super::object::{self, Compared, Work};
use crate::format::count;
use crate::output::Output;

/// The measurements.
pub(super) struct Report<'a> {
    pub(super) model: &'a str,
    pub(super) exact: bool,
    pub(super) file: &'a Path,
    pub(super) text_bytes: usize,
    /// Tokens of the text, scored or not.
    pub(super) tokens: usize,
    pub(super) windows: Windows,
    pub(super) evaluation: &'a Evaluation,
    /// The reference, and `true` if it is in exact mode.
    pub(super) against: Option<(&'a str, bool)>,
    /// File with the saved logits of the reference.
    pub(super) saved: Option<&'a Path>,
    pub(super) device: &'a str,
}

impl Report<'_> {
    /// Prints the envelope.
    pub(super) fn write_json(&self, facts: &ModelFacts) -> anyhow::Result<()> {
        let against = self.evaluation.comparison.as_ref().map(|it| self.against_json(it));
        let compared = Compared { against, ..Compared::default() };
        let model = object::model(self.model, facts, self.tokens, self.evaluation, &compared);
        let work = Work {
            file: self.file,
            text_bytes: self.text_bytes,
            windows: self.windows,
            exact: self.exact,
            device: self.device,
        };
        work.print(&[model], None)
    }

    fn against_json(&self, comparison: &Comparison) -> Value {
        let perplexity = comparison.nll.perplexity();
        json!({
            "model": self.against.map(|(model, _)| model),
            "exact": self.against.map(|(_, exact)| exact),
            "logits": self.saved.map(Path::to_string_lossy),
            "perplexity": perplexity.mean,
            "perplexity_standard_error": perplexity.standard_error,
            "nll": comparison.nll.mean,
            "nll_standard_error": comparison.nll.standard_error,
            "perplexity_ratio": comparison.perplexity_ratio.mean,
            "perplexity_ratio_standard_error": comparison.perplexity_ratio.standard_error,
            "kl_mean": comparison.kl.mean,
            "kl_standard_error": comparison.kl.standard_error,
            "kl_median": comparison.kl_median,
            "kl_99": comparison.kl_99,
            "kl_max": comparison.kl_max,
            "top1_agreement": comparison.top1_agreement,
            "rms_probability_difference": comparison.rms_probability_difference,
        })
    }

    /// Writes one line per number.
    pub(super) fn write_table(&self, out: &mut Output) -> io::Result<()> {
        let mut line = |name: &str, value: String| {
            let line = format!("{name:16} {value}");
            out.line(line.trim_end())
        };
        let Evaluation { tokens, bytes, windows, nll, comparison, .. } = self.evaluation;
        let exact = |exact: bool| if exact { " (exact)" } else { "" };
        line("Model", format!("{}{}", self.model, exact(self.exact)))?;
        let file = self.file.display();
        let (tokens_of_text, all) = (count(self.tokens, "token"), self.text_bytes);
        let end = self.evaluation.scores.last().map_or(all, |score| score.end_byte);
        let text = if end < all {
            format!("{file}, the first {tokens_of_text} of {all} bytes")
        } else {
            format!("{file}, {tokens_of_text}, {all} bytes")
        };
        line("Text", text)?;
        let (window, stride) = (self.windows.window(), self.windows.stride());
        line("Windows", format!("{windows} of up to {window} tokens, stride {stride}"))?;
        line("Scored", format!("{}, {}", count(*tokens, "token"), count(*bytes, "byte")))?;
        line("Perplexity", with_error(&nll.perplexity(), 4, ""))?;
        line("NLL", with_error(nll, 4, " nats per token"))?;
        line("Bits per byte", format!("{:.4}", self.evaluation.bits_per_byte()))?;
        let Some(comparison) = comparison else { return Ok(()) };
        let reference = match (self.against, self.saved) {
            (Some((model, is_exact)), _) => format!("{model}{}", exact(is_exact)),
            (None, saved) => saved.unwrap_or(Path::new("")).display().to_string(),
        };
        line("", String::new())?;
        line("Against", reference)?;
        line("Perplexity", with_error(&comparison.nll.perplexity(), 4, ""))?;
        line("Ratio", with_error(&comparison.perplexity_ratio, 5, ""))?;
        line("Mean KL", with_error(&comparison.kl, 6, " nats per token"))?;
        line("Median KL", format!("{:.6}", comparison.kl_median))?;
        line("99 % KL", format!("{:.6}", comparison.kl_99))?;
        line("Maximum KL", format!("{:.6}", comparison.kl_max))?;
        line("Same top token", format!("{:.2} %", 100.0 * comparison.top1_agreement))?;
        line("RMS Δp", format!("{:.3} %", 100.0 * comparison.rms_probability_difference))
    }
}

/// Formats an estimate like `12.3456 ± 0.7890 unit`.
fn with_error(estimate: &Estimate, digits: usize, unit: &str) -> String {
    match estimate.standard_error {
        Some(error) => format!("{:.digits$} ± {error:.digits$}{unit}", estimate.mean),
        None => format!("{:.digits$}{unit}", estimate.mean),
    }
}
