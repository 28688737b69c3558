//! The output of `mlxk perplexity` for several models, for people and as JSON.

use mlxk_engine::perplexity::{Estimate, Loss, Verdict, Windows};
use serde_json::{Value, json};

use super::object::{self, Compared, Work};
use super::several::{Change, Measured};
use crate::args::PerplexityArgs;
use crate::commands::table;
use crate::{format, output};

/// The measurements of several models, the first of which is the reference.
pub(super) struct Report<'a> {
    pub(super) args: &'a PerplexityArgs,
    /// The text that every model read.
    pub(super) text: &'a str,
    /// Bytes of the whole text.
    pub(super) text_bytes: usize,
    pub(super) windows: Windows,
    pub(super) models: &'a [Measured],
}

impl Report<'_> {
    /// Prints the envelope.
    pub(super) fn write_json(&self) -> anyhow::Result<()> {
        let models: Vec<Value> = self.models.iter().map(model_json).collect();
        let work = Work {
            file: &self.args.file,
            text_bytes: self.text.len(),
            windows: self.windows,
            exact: self.args.compute.exact,
            device: self.models.first().map_or("", |model| &model.device),
        };
        work.print(&models, self.smallest_good().map(|model| model.name.as_str()))
    }

    /// Writes a row for each model, and the answer in a sentence.
    pub(super) fn write_table(&self) -> anyhow::Result<()> {
        let (file, bytes) = (self.args.file.display(), self.text.len());
        let bytes = match self.text_bytes {
            all if all == bytes => format!("{bytes} bytes"),
            all => format!("the first {bytes} of {all} bytes"),
        };
        let (window, stride) = (self.windows.window(), self.windows.stride());
        let mut out = output::stdout();
        out.line(format_args!(
            "{file}, {bytes}, in windows of up to {window} tokens with a stride of {stride}"
        ))?;
        out.line("")?;
        // The table locks standard output itself.
        drop(out);
        let header =
            ["Model", "Bits", "Size", "Perplexity", "Per byte", "Change", "Same top", "Verdict"];
        let header = header.map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> =
            std::iter::once(header).chain(self.models.iter().map(row)).collect();
        table::print(&rows)?;
        let mut out = output::stdout();
        if self.models.iter().any(|model| matches!(model.change, Some(Change::Bytes(_)))) {
            out.line("")?;
            out.line(
                "A model with other tokens is compared by bits per byte: a perplexity counts per token.",
            )?;
        }
        if let Some(model) = self.smallest_good() {
            out.line("")?;
            let (bits, size) = (model.facts.bits_per_weight, format::size(model.facts.file_bytes));
            let is_reference = if model.change.is_none() { ", the reference" } else { "" };
            out.line(format_args!(
                "Smallest with at most a small loss: {}{is_reference} ({bits:.2} bits per weight, {size})",
                model.name
            ))?;
        }
        if let (Some(better), Some(first)) = (self.better(), self.models.first()) {
            out.line("")?;
            out.line(format_args!(
                "{} predicts the text better than the reference, so {} is hardly the original. Name the original \
                 first: losses are measured from it.",
                better.name, first.name
            ))?;
        }
        Ok(())
    }

    /// Returns the smallest model that loses little, the reference included. `None` if there are no conversions, or if
    /// the reference itself loses much.
    fn smallest_good(&self) -> Option<&Measured> {
        let is_good = |model: &&Measured| {
            let verdict = verdict(model);
            model.change.is_none()
                || matches!(verdict, Some(Verdict::Loss(Loss::None | Loss::Small)))
        };
        if self.better().is_some() || !self.models.iter().any(|model| verdict(model).is_some()) {
            return None;
        }
        self.models.iter().filter(is_good).min_by_key(|model| model.facts.file_bytes)
    }

    /// Returns the first conversion that is better than the reference.
    fn better(&self) -> Option<&Measured> {
        self.models.iter().find(|model| verdict(model) == Some(Verdict::Gain))
    }
}

fn verdict(model: &Measured) -> Option<Verdict> {
    match model.change {
        Some(Change::Tokens { verdict, .. }) => verdict,
        _ => None,
    }
}

fn row(model: &Measured) -> Vec<String> {
    let Measured { name, facts, evaluation, change, .. } = model;
    let perplexity = evaluation.nll.perplexity();
    let agreement = match change {
        Some(Change::Tokens { paired, .. }) => format!("{:.1} %", 100.0 * paired.top1_agreement),
        _ => String::new(),
    };
    vec![
        name.clone(),
        format!("{:.2}", facts.bits_per_weight),
        format::size(facts.file_bytes),
        match perplexity.standard_error {
            Some(error) => format!("{:.3} ± {error:.3}", perplexity.mean),
            None => format!("{:.3}", perplexity.mean),
        },
        format!("{:.4}", evaluation.bits_per_byte()),
        match change {
            None => String::new(),
            Some(Change::Tokens { paired, .. }) => percent(&paired.perplexity_ratio, ""),
            Some(Change::Bytes(per_byte)) => percent(&per_byte.ratio, " per byte"),
        },
        agreement,
        in_words(change.as_ref()),
    ]
}

/// Formats a ratio as a change, such as `+4.2 ± 0.3 %`.
fn percent(ratio: &Estimate, unit: &str) -> String {
    let change = 100.0 * (ratio.mean - 1.0);
    let digits = usize::from(change.abs() < 100.0);
    let error = ratio.standard_error.map(|error| format!(" ± {:.digits$}", 100.0 * error));
    format!("{change:+.digits$}{} %{unit}", error.unwrap_or_default())
}

fn in_words(change: Option<&Change>) -> String {
    let ratio = match change {
        None => return "reference".to_owned(),
        Some(Change::Tokens { verdict: Some(Verdict::Loss(loss)), .. }) => {
            return loss_in_words(*loss).to_owned();
        }
        Some(Change::Tokens { verdict: Some(Verdict::Unclear(best, worst)), .. }) => {
            let (best, worst) = (loss_in_words(*best), loss_in_words(*worst));
            return format!("{best} to {worst}: use a longer text");
        }
        Some(Change::Tokens { verdict: Some(Verdict::Gain), .. }) => {
            return "better than the reference".to_owned();
        }
        Some(Change::Tokens { paired, verdict: None }) => &paired.perplexity_ratio,
        Some(Change::Bytes(per_byte)) => &per_byte.ratio,
    };
    if ratio.standard_error.is_none() {
        return "unknown: use a longer text".to_owned();
    }
    match ratio.interval() {
        [low, _] if low > 1.0 => "predicts this text worse".to_owned(),
        [_, high] if high < 1.0 => "predicts this text better".to_owned(),
        _ => "not significant".to_owned(),
    }
}

fn loss_in_words(loss: Loss) -> &'static str {
    match loss {
        Loss::None => "no loss",
        Loss::Small => "small loss",
        Loss::Noticeable => "noticeable loss",
        Loss::Heavy => "heavy loss",
        Loss::Unusable => "unusable for this model",
    }
}

fn model_json(model: &Measured) -> Value {
    let Measured { name, facts, tokens, evaluation, change, .. } = model;
    let against_first = change.as_ref().map(|change| match change {
        Change::Tokens { paired, verdict } => json!({
            "by": "token",
            "same_model": verdict.is_some(),
            "ratio": paired.perplexity_ratio.mean,
            "ratio_standard_error": paired.perplexity_ratio.standard_error,
            "top1_agreement": paired.top1_agreement,
        }),
        Change::Bytes(per_byte) => json!({
            "by": "byte",
            "same_model": false,
            "ratio": per_byte.ratio.mean,
            "ratio_standard_error": per_byte.ratio.standard_error,
            "top1_agreement": null,
        }),
    });
    let verdict = Some(in_words(change.as_ref()));
    let compared = Compared { against_first, verdict, ..Compared::default() };
    object::model(name, facts, tokens.len(), evaluation, &compared)
}
