//! `mlxk perplexity MODEL MODEL… FILE`: scores a text with several models, one after the other.

use mlxk_bench::model::ModelFacts;
use mlxk_engine::perplexity::{
    self, Evaluate, Evaluation, Paired, PerByte, PerplexityError, Verdict, Windows,
};
use mlxk_hub::Resolved;

use super::{DEFAULT_WINDOW, evaluate, failure, load_model, table};
use crate::args::PerplexityArgs;
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::models::resolve;
use crate::{Context, interrupt};

/// A model and its scores.
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) facts: ModelFacts,
    /// Tokens of the text, scored or not.
    pub(super) tokens: Vec<u32>,
    pub(super) evaluation: Evaluation,
    /// Comparison with the first model; `None` for the first.
    pub(super) change: Option<Change>,
    pub(super) device: String,
}

/// Difference of a model from the first one.
pub(super) enum Change {
    /// Both have the same tokens.
    Tokens {
        paired: Paired,
        /// Judgement if the models are conversions of each other, otherwise `None`.
        verdict: Option<Verdict>,
    },
    /// The tokens differ, so only figures per byte can be compared.
    Bytes(PerByte),
}

/// Scores the text with each model and prints a table.
pub(super) fn run(
    args: &PerplexityArgs,
    models: &[String],
    text: &str,
    context: &Context,
) -> anyhow::Result<ExitStatus> {
    let found = models.iter().map(|name| {
        let resolved = resolve::find(name, !args.compute.no_pull, context)?;
        let facts = ModelFacts::of(&resolved.path)?;
        Ok((resolved, facts))
    });
    let found: Vec<(Resolved, ModelFacts)> = found.collect::<anyhow::Result<_>>()?;
    let longest = found.iter().map(|(_, facts)| facts.max_positions).min().unwrap_or(0);
    let window = args.window.unwrap_or(longest.min(DEFAULT_WINDOW));
    let stride = args.stride.unwrap_or((window / 2).max(1));
    let windows = Windows::new(window, stride, args.min_context)
        .map_err(|error| UsageError(error.to_string()))?;
    let mut measured: Vec<Measured> = Vec::new();
    let text_bytes = text.len();
    let mut text = text;
    for (resolved, facts) in found {
        let model = score(args, &resolved, facts, (text, windows), measured.first(), context)?;
        if measured.is_empty() && args.max_tokens.is_some() {
            // The other models read what these tokens stand for.
            text = beginning(text, &model);
        }
        measured.push(model);
    }
    let report = table::Report { args, text, text_bytes, windows, models: &measured };
    if args.json {
        report.write_json()?;
    } else {
        report.write_table()?;
    }
    Ok(ExitStatus::Success)
}

fn score(
    args: &PerplexityArgs,
    resolved: &Resolved,
    facts: ModelFacts,
    (text, windows): (&str, Windows),
    first: Option<&Measured>,
    context: &Context,
) -> anyhow::Result<Measured> {
    let name = resolved.name.clone();
    let engine = load_model(args, resolved, args.compute.arithmetic(), context)?;
    let (window, longest) = (windows.window(), engine.context());
    if window > longest {
        return Err(UsageError(format!(
            "The window of {window} tokens is too long for `{name}`: its context has at most {longest}; \
             pass `--window {longest}`"
        ))
        .into());
    }
    let most = match first {
        None => args.max_tokens.unwrap_or(usize::MAX),
        Some(_) => usize::MAX,
    };
    let mut ids = perplexity::text_tokens(&engine, text, most)?;
    if let Some(first) = first.filter(|first| ids.starts_with(&first.tokens)) {
        // The end of the text may have been cut within a character or a token.
        ids.truncate(first.tokens.len());
    }
    if windows.scored(ids.len()) == 0 {
        let needed = windows.min_context() + 1;
        return Err(failure(PerplexityError::TooShort { tokens: ids.len(), needed }));
    }
    let job = Evaluate { engine: &engine, ids: &ids, windows, reference: None, save: None };
    let result = evaluate(job, &format!("Scoring with {name}"), context);
    if interrupt::requested() {
        // The engine may be deep in a step. Leaking it lets the process end without waiting.
        std::mem::forget(engine);
        return Err(Interrupted.into());
    }
    let evaluation = result?;
    let change = first.and_then(|first| change(first, &facts, &ids, &evaluation));
    let device = engine.device().to_owned();
    Ok(Measured { name, facts, tokens: ids, evaluation, change, device })
}

/// Returns the part of the text that the scored tokens stand for.
fn beginning<'a>(text: &'a str, model: &Measured) -> &'a str {
    let end = model.evaluation.scores.last().map_or(0, |score| score.end_byte);
    &text[..text.floor_char_boundary(end)]
}

/// Compares a model with the first one.
fn change(
    first: &Measured,
    facts: &ModelFacts,
    ids: &[u32],
    evaluation: &Evaluation,
) -> Option<Change> {
    let (ours, theirs) = (&evaluation.scores, &first.evaluation.scores);
    if ids != first.tokens {
        return perplexity::per_byte(evaluation, &first.evaluation).map(Change::Bytes);
    }
    let paired = perplexity::per_token(ours, theirs)?;
    let is_conversion = is_same_model(facts, &first.facts);
    let verdict = is_conversion.then(|| Verdict::of(&paired.perplexity_ratio));
    Some(Change::Tokens { paired, verdict })
}

/// Returns `true` if two checkpoints probably hold the same model: they have the same architecture and number of
/// parameters. One of them may store its output matrix separately.
fn is_same_model(a: &ModelFacts, b: &ModelFacts) -> bool {
    let difference = a.parameters.abs_diff(b.parameters);
    a.model_type == b.model_type
        && (difference == 0 || difference == a.output_parameters.min(b.output_parameters))
}
