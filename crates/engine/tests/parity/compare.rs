//! A model against its golden, and against itself.

use std::fmt::Write;

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_engine::Split;
use mlxk_models::{ModelError, registry};
use mlxk_ops::OpsError;

use crate::golden::Golden;
use crate::made::Made;
use crate::runner::{Runner, assert_same};

/// Largest `max|Δlogit| / std(logits)` that passes.
pub(crate) const BOUND: f32 = 2e-4;

/// Outcome of a case.
pub(crate) enum Outcome {
    Ran(Agreement),
    /// The build does not know the family, one of its options or the mode.
    NotYet(String),
}

/// Agreement of the logits and of the tokens.
#[derive(Debug)]
pub(crate) struct Agreement {
    /// `max|Δlogit| / std(logits)` over the rows of the golden.
    pub(crate) error: f32,
    /// Positions of the golden's rows, each with its error.
    pub(crate) rows: Vec<(usize, f32)>,
    /// Steps whose token is the golden's.
    pub(crate) same_tokens: usize,
    /// Steps whose token differs, if the golden's leads by less than the bound.
    pub(crate) near_ties: usize,
    /// All others, by their number.
    pub(crate) misses: Vec<usize>,
}

impl Agreement {
    pub(crate) fn passes(&self) -> bool {
        self.error <= BOUND && self.misses.is_empty()
    }

    /// Returns the end of a line of the table: empty if the case passes, otherwise with the error of each row. Faults
    /// of positions spare the first row.
    pub(crate) fn verdict(&self) -> String {
        if self.passes() {
            return String::new();
        }
        let row = |(row, error): &(usize, f32)| format!("row {row}: {error:.0e}");
        format!("  MISS ({})", self.rows.iter().map(row).collect::<Vec<_>>().join(", "))
    }

    /// Describes the agreement of the tokens.
    pub(crate) fn greedy(&self) -> String {
        let mut words = format!("{} equal", self.same_tokens);
        if self.near_ties > 0 {
            let _ = write!(words, ", {} near ties", self.near_ties);
        }
        if !self.misses.is_empty() {
            let _ = write!(words, ", wrong at {:?}", self.misses);
        }
        words
    }
}

/// Returns the largest `|Δlogit| / std(logits)` of the fast mode over the rows of the golden.
pub(crate) fn fast_error(golden: &Golden, made: &Made) -> f32 {
    let folder = made.write();
    let mut runner = Runner::load(folder.path(), false, 1).unwrap();
    let rows = runner.in_steps(&golden.ids, [golden.ids.len()]);
    let difference = golden.rows.iter().zip(&golden.logits).flat_map(|(&row, expected)| {
        rows[row].iter().zip(expected).map(|(bits, x)| (f32::from_bits(*bits) - x).abs())
    });
    difference.fold(0.0_f32, f32::max) / golden.std
}

/// Loads a checkpoint in exact mode. Returns the reason if this build cannot run it.
fn load(made: &Made, threads: usize) -> Result<Runner, String> {
    let folder = made.write();
    Runner::load(folder.path(), true, threads).map_err(|error| match error {
        ModelError::UnknownModelType { .. }
        | ModelError::Multimodal { .. }
        | ModelError::Unsupported { .. }
        | ModelError::Ops(OpsError::Unsupported { .. }) => error.to_string(),
        // A name or a bias of the family, most likely. The golden's own files are consistent.
        _ => format!("did not load: {error}"),
    })
}

/// Returns `true` if the model type is supported.
pub(crate) fn known(made: &Made) -> bool {
    registry::supported().iter().any(|one| made.config["model_type"] == one.model_type)
}

/// Compares the logits of the prompt, then each of the tokens that follow; every one is computed
/// after the golden's tokens, so that one near tie does not hide the rest.
pub(crate) fn agreement(golden: &Golden, made: &Made) -> Outcome {
    if !known(made) {
        let model_type = made.config["model_type"].as_str().unwrap_or_default();
        let advice = "is not registered: add its `FAMILY` line to `families/mod.rs`";
        return Outcome::NotYet(format!("`{model_type}` {advice}"));
    }
    match load(made, 1) {
        Ok(mut runner) => Outcome::Ran(agreement_of(&mut runner, golden)),
        Err(reason) => Outcome::NotYet(reason),
    }
}

/// Compares like [`agreement`], with a model that is loaded.
pub(crate) fn agreement_of(runner: &mut Runner, golden: &Golden) -> Agreement {
    let all = golden.all_ids();
    let rows = runner.in_steps(&all, [all.len()]);
    let error_of = |(&row, expected): (&usize, &Vec<f32>)| {
        let pairs = rows[row].iter().zip(expected);
        let largest = pairs.map(|(bits, x)| (f32::from_bits(*bits) - x).abs());
        (row, largest.fold(0.0_f32, f32::max) / golden.std)
    };
    let errors: Vec<(usize, f32)> = golden.rows.iter().zip(&golden.logits).map(error_of).collect();
    let error = errors.iter().map(|(_, error)| *error).fold(0.0, f32::max);
    let mut found =
        Agreement { error, rows: errors, same_tokens: 0, near_ties: 0, misses: Vec::new() };
    for (step, (&token, &margin)) in golden.greedy.iter().zip(&golden.margins).enumerate() {
        let logits = rows[golden.ids.len() - 1 + step].iter().map(|&bits| f32::from_bits(bits));
        let (best, _) = logits.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        if best == token as usize {
            found.same_tokens += 1;
        } else if margin < BOUND {
            found.near_ties += 1;
        } else {
            found.misses.push(step);
        }
    }
    found
}

/// Checks that a model whose first layers are on another device gives the same bits.
pub(crate) fn assert_splittable(golden: &Golden, made: &Made) {
    let Ok(mut whole) = load(made, 1) else { return };
    let ids = &golden.ids[..80];
    let expected = whole.in_steps(ids, [50, 1, 29]);
    let len = ids.len() - 37;
    let resumed = whole.resumed(ids, len, &golden.greedy[..5]);
    for cpu_layers in [1, 2, 100] {
        let name = format!("{}: {cpu_layers} layers apart", golden.name);
        let devices = [1, 2].map(|threads| {
            let options =
                CpuOptions { threads: Some(threads), exact: true, ..CpuOptions::default() };
            Box::new(Cpu::new(options).unwrap())
        });
        let [first, second] = devices;
        let split = Box::new(Split::new(first, second, cpu_layers));
        let mut split = Runner::on(split, made.write().path()).unwrap();
        assert_same(&split.in_steps(ids, [50, 1, 29]), &expected, &name);
        let found = split.resumed(ids, len, &golden.greedy[..5]);
        assert_same(&found[0], &resumed[0], &format!("{name}, after wrong drafts"));
        assert_same(&found[1], &resumed[1], &format!("{name}, in a fork"));
    }
}

/// The same bits whatever the chunks, the threads and the company, also after drafts that were wrong and from a
/// file, over a sequence that passes the windows, the original contexts and several pages of the cache.
pub(crate) fn assert_equivalent(golden: &Golden, made: &Made) {
    let (Ok(mut one), Ok(mut two)) = (load(made, 1), load(made, 2)) else { return };
    let ids = &golden.ids[..110];
    let name = &golden.name;
    let whole = one.in_steps(ids, [ids.len()]);
    let chunks = [1, 7, 32, 31, 2, ids.len()];
    assert_same(&two.in_steps(ids, chunks), &whole, &format!("{name}: in chunks, two threads"));
    let single = std::iter::once(ids.len() - 40).chain([1; 40]);
    assert_same(&one.in_steps(ids, single), &whole, &format!("{name}: token by token"));
    let len = ids.len() - 37;
    let [resumed, forked] = two.resumed(ids, len, &golden.greedy[..5]);
    assert_same(&resumed, &whole[len..], &format!("{name}: after wrong drafts"));
    assert_same(&forked, &whole[len..], &format!("{name}: in a fork"));
    let reloaded = one.reloaded(ids, len);
    assert_same(&reloaded, &whole[len..], &format!("{name}: read from a file"));
    let other = &golden.greedy[..50];
    let alone = one.in_steps(other, [other.len()]);
    let batch = two.side_by_side(&[(ids, 33), (other, 9), (&ids[..6], 1)]);
    assert_same(&batch[0], &whole, &format!("{name}: in a batch"));
    assert_same(&batch[1], &alone, &format!("{name}: second of a batch"));
    assert_same(&batch[2], &whole[..6], &format!("{name}: third of a batch"));
}
