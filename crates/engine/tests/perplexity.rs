//! Scoring a text in windows, against plain arithmetic on the rows of whole runs.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::ops::ControlFlow;

use common::{Kind, Stored, checkpoint, load, options, processor};
use mlxk_engine::perplexity::{
    self, Evaluate, Evaluation, LogitsReader, LogitsWriter, PerplexityError, Reference, Windows,
};
use mlxk_engine::{Engine, LoadOptions};
use tempfile::TempDir;

const TEXT: &str = "fn main() { println!(\"Hello\"); } // A text of a hundred and some bytes, each a token \
                    of its own: äöü, so that windows overlap more than once.";

fn engine(folder: &TempDir, exact: bool) -> Engine {
    load(&LoadOptions { device: processor(2, exact), ..options(folder) })
}

fn evaluate(
    engine: &Engine,
    windows: Windows,
    reference: Option<Reference<'_>>,
    save: Option<LogitsWriter>,
) -> Result<Evaluation, PerplexityError> {
    let ids = perplexity::text_tokens(engine, TEXT, usize::MAX).unwrap();
    let job = Evaluate { engine, ids: &ids, windows, reference, save };
    perplexity::evaluate(job, &mut |_| ControlFlow::Continue(()))
}

/// For each scored token its row, computed from its whole window alone.
fn brute_force(engine: &Engine, windows: &Windows) -> Vec<(u32, Vec<f64>)> {
    let ids = perplexity::text_tokens(engine, TEXT, usize::MAX).unwrap();
    (1..ids.len())
        .filter_map(|at| {
            // The first window that holds the token.
            let late = (at + 1).saturating_sub(windows.window());
            let begin = late.div_ceil(windows.stride()) * windows.stride();
            let seen = ids[begin..at].to_vec();
            if seen.len() < windows.min_context() {
                return None;
            }
            let row = engine.logits_for(seen, at - 1 - begin).unwrap().remove(0);
            Some((ids[at], row.into_iter().map(f64::from).collect()))
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn close(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error <= tolerance, "{found} is not {expected}");
}

fn top(row: &[f64]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
}

#[test]
fn figures_are_those_of_plain_arithmetic() {
    let folder = checkpoint(Kind::Qwen2, Stored::Bits(4));
    let (fast, exact) = (engine(&folder, false), engine(&folder, true));
    for (window, stride, min_context) in [(40, 20, 1), (64, 1, 1), (33, 33, 17), (500, 250, 1)] {
        let windows = Windows::new(window, stride, min_context).unwrap();
        let found = evaluate(&fast, windows, Some(Reference::Engine(&exact)), None).unwrap();
        let (ours, theirs) = (brute_force(&fast, &windows), brute_force(&exact, &windows));
        assert_eq!(found.tokens, ours.len());
        let nll = |rows: &[(u32, Vec<f64>)]| mean(rows.iter().map(|(id, row)| -row[*id as usize]));
        close(found.nll.mean, nll(&ours), 1e-9);
        close(found.nll.perplexity().mean, nll(&ours).exp(), 1e-8);
        let comparison = found.comparison.clone().unwrap();
        close(comparison.nll.mean, nll(&theirs), 1e-9);
        close(comparison.perplexity_ratio.mean, (nll(&ours) - nll(&theirs)).exp(), 1e-8);
        let pairs = || ours.iter().zip(&theirs).map(|((id, q), (_, p))| (*id as usize, p, q));
        let divergence =
            |p: &[f64], q: &[f64]| -> f64 { p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum() };
        let mut divergences: Vec<f64> = pairs().map(|(_, p, q)| divergence(p, q)).collect();
        close(comparison.kl.mean, mean(divergences.iter().copied()), 1e-8);
        let variance = mean(divergences.iter().map(|kl| (kl - comparison.kl.mean).powi(2)));
        let error = (variance / (divergences.len() - 1) as f64).sqrt();
        close(comparison.kl.standard_error.unwrap(), error, 1e-6);
        divergences.sort_by(f64::total_cmp);
        close(comparison.kl_max, divergences[divergences.len() - 1], 1e-9);
        assert!(comparison.kl_median <= comparison.kl_99 && comparison.kl_99 <= comparison.kl_max);
        let same = mean(pairs().map(|(_, p, q)| f64::from(u8::from(top(p) == top(q)))));
        close(comparison.top1_agreement, same, 1e-12);
        let squares = mean(pairs().map(|(id, p, q)| (p[id].exp() - q[id].exp()).powi(2)));
        close(comparison.rms_probability_difference, squares.sqrt(), 1e-6);
        assert!(comparison.kl.mean > 1e-7, "the modes differ");
    }
}

#[test]
fn bytes_are_those_of_the_scored_tokens() {
    let folder = checkpoint(Kind::Llama, Stored::Dense);
    let engine = engine(&folder, true);
    let found = evaluate(&engine, Windows::new(64, 32, 1).unwrap(), None, None).unwrap();
    // Every token is a byte, and the first is not scored.
    assert_eq!((found.bytes, found.tokens), (TEXT.len() - 1, TEXT.len() - 1));
    close(found.bits_per_byte(), found.nll.mean / std::f64::consts::LN_2, 1e-12);
    assert!(found.comparison.is_none());
}

#[test]
fn saved_logits_stand_for_their_model() {
    let folder = checkpoint(Kind::Llama, Stored::Bits(4));
    let other = checkpoint(Kind::Llama, Stored::Bits(8));
    let (model, reference) = (engine(&folder, true), engine(&other, true));
    let windows = Windows::new(48, 24, 1).unwrap();
    let ids = perplexity::text_tokens(&reference, TEXT, usize::MAX).unwrap();
    let path = folder.path().join("saved");
    let writer = LogitsWriter::create(&path, reference.vocab_size(), &ids, &windows).unwrap();
    let size = writer.file_bytes();
    let alone = evaluate(&reference, windows, None, Some(writer)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    let saved = Reference::Saved(LogitsReader::open(&path).unwrap());
    let found = evaluate(&model, windows, Some(saved), None).unwrap().comparison.unwrap();
    let live = Some(Reference::Engine(&reference));
    let expected = evaluate(&model, windows, live, None).unwrap().comparison.unwrap();
    // Exact fields.
    assert_eq!(found.nll, alone.nll);
    assert_eq!(found.nll, expected.nll);
    assert_eq!(found.perplexity_ratio, expected.perplexity_ratio);
    close(found.top1_agreement, expected.top1_agreement, 1e-12);
    close(found.rms_probability_difference, expected.rms_probability_difference, 1e-12);
    // Rounded to f16: off by less than f16's 5e-4 of themselves.
    assert!(expected.kl.mean > 1e-4, "{expected:?}");
    assert!((found.kl.mean - expected.kl.mean).abs() < 2e-6, "{found:?}\n{expected:?}");
    close(found.kl_max, expected.kl_max, 5e-4);
    // Against itself nothing is left but the rounding.
    let saved = Reference::Saved(LogitsReader::open(&path).unwrap());
    let itself = evaluate(&reference, windows, Some(saved), None).unwrap().comparison.unwrap();
    assert!(itself.kl_max.abs() < 2e-6 && itself.top1_agreement >= 1.0, "{itself:?}");
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let folder = checkpoint(Kind::Llama, Stored::Dense);
    let engine = engine(&folder, true);
    let refusal = |windows: Windows, ids: &[u32]| {
        let job = Evaluate { engine: &engine, ids, windows, reference: None, save: None };
        perplexity::evaluate(job, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    assert!(refusal(Windows::new(513, 9, 1).unwrap(), &[1, 2]).contains("at most 512"));
    assert!(refusal(Windows::new(8, 4, 1).unwrap(), &[1]).ends_with("but it has 1"));
    assert!(refusal(Windows::new(8, 4, 3).unwrap(), &[1, 2, 3]).contains("at least 4"));
    let job = Evaluate {
        engine: &engine,
        ids: &[1, 2, 3],
        windows: Windows::new(8, 4, 1).unwrap(),
        reference: None,
        save: None,
    };
    let cancelled = perplexity::evaluate(job, &mut |_| ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(PerplexityError::Cancelled)));
}
