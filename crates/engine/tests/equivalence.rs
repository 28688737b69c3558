//! However the work is divided, the logits are the same to the last bit.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::ops::{ControlFlow, Range};
use std::path::Path;

use common::{KINDS, Kind, Stored, VOCAB, checkpoint};
use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_format::Checkpoint;
use mlxk_models::Model;
use mlxk_ops::{Batch, Ops, Sequence};

/// Longer than several pages and than a block of the attention.
const LENGTH: usize = 300;

/// The bits of `[tokens][vocab]` logits.
type Rows = Vec<Vec<u32>>;

struct Runner {
    ops: Cpu,
    model: Box<dyn Model>,
}

impl Runner {
    fn new(folder: &Path, exact: bool, threads: usize) -> Self {
        let options = CpuOptions { threads: Some(threads), exact, ..CpuOptions::default() };
        let mut ops = Cpu::new(options).unwrap();
        let checkpoint = Checkpoint::open(folder).unwrap();
        let model = mlxk_models::load(&checkpoint, &mut ops, &mut |_, _| ControlFlow::Continue(()));
        let model = model.unwrap();
        ops.kv_configure(model.kv());
        Self { ops, model }
    }

    /// Computes parts of sequences in one step, and returns all their rows.
    fn step(&mut self, parts: &[(Sequence, &[u32], Range<usize>)]) -> Rows {
        let mut batch = Batch::default();
        for (sequence, ids, range) in parts {
            batch.push(*sequence, range.start, &ids[range.clone()], false);
        }
        batch.outputs = (0..batch.rows()).collect();
        let logits = self.model.forward(&mut self.ops, &batch).unwrap();
        let logits = self.ops.read(logits).unwrap();
        assert!(logits.iter().all(|logit| logit.is_finite()));
        logits.chunks(VOCAB).map(|row| row.iter().map(|logit| logit.to_bits()).collect()).collect()
    }

    /// Computes one sequence in steps of these sizes.
    fn in_steps(&mut self, ids: &[u32], sizes: impl IntoIterator<Item = usize>) -> Rows {
        let sequence = self.ops.kv_new();
        let mut rows = Vec::new();
        for size in sizes {
            let end = ids.len().min(rows.len() + size);
            rows.extend(self.step(&[(sequence, ids, rows.len()..end)]));
        }
        assert_eq!(rows.len(), ids.len());
        assert_eq!(self.ops.kv_len(sequence), ids.len());
        self.ops.kv_free(sequence);
        rows
    }
}

fn tokens(seed: &str, count: usize) -> Vec<u32> {
    common::noise(seed, count).iter().map(|x| ((x + 1.0) * 0.499 * VOCAB as f32) as u32).collect()
}

fn assert_same(found: &Rows, expected: &Rows, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(found == expected, "{what}: row {position} differs");
    }
}

fn check(kind: Kind, stored: Stored, exact: bool) {
    let folder = checkpoint(kind, stored);
    let ids = tokens("main", LENGTH);
    let mut one = Runner::new(folder.path(), exact, 1);
    let mut two = Runner::new(folder.path(), exact, 2);
    let whole = one.in_steps(&ids, [LENGTH]);
    let distinct: std::collections::BTreeSet<_> = whole.iter().collect();
    assert!(distinct.len() > LENGTH / 2, "the model ignores its input");

    assert_same(&two.in_steps(&ids, [LENGTH]), &whole, "two threads");
    let chunks = [1, 7, 32, 31, 64, 2, 130, LENGTH];
    assert_same(&one.in_steps(&ids, chunks), &whole, "in chunks");
    assert_same(&two.in_steps(&ids, chunks), &whole, "in chunks by two threads");
    assert_same(&two.in_steps(&ids, vec![1; LENGTH]), &whole, "token by token");

    // Three sequences side by side, each with its own chunks.
    let others = [tokens("second", 90), tokens("third", 40)];
    let alone = others.each_ref().map(|ids| one.in_steps(ids, [ids.len()]));
    for runner in [&mut one, &mut two] {
        let all = [(&ids, 17, &whole), (&others[0], 5, &alone[0]), (&others[1], 1, &alone[1])];
        let sequences = all.map(|_| runner.ops.kv_new());
        let mut done = [0; 3];
        while (0..3).any(|i| done[i] < all[i].0.len()) {
            let mut parts: Vec<(Sequence, &[u32], Range<usize>)> = Vec::new();
            let mut expected = Rows::new();
            for (i, (ids, chunk, rows)) in all.into_iter().enumerate() {
                let range = done[i]..ids.len().min(done[i] + chunk);
                if !range.is_empty() {
                    expected.extend_from_slice(&rows[range.clone()]);
                    parts.push((sequences[i], ids, range.clone()));
                    done[i] = range.end;
                }
            }
            assert_same(&runner.step(&parts), &expected, "in a batch");
        }
        for sequence in sequences {
            runner.ops.kv_free(sequence);
        }
    }

    // A fork that goes back and on does not disturb its origin, and the other way round.
    let other = [&ids[..150], &others[0][..]].concat();
    let recomputed = one.in_steps(&other, [other.len()]);
    let origin = two.ops.kv_new();
    two.step(&[(origin, &ids, 0..200)]);
    let fork = two.ops.kv_fork(origin);
    two.ops.kv_truncate(fork, 150);
    let rows = two.step(&[(fork, &other, 150..other.len())]);
    assert_same(&rows, &recomputed[150..].to_vec(), "after fork and truncate");
    let rows = two.step(&[(origin, &ids, 200..LENGTH)]);
    assert_same(&rows, &whole[200..].to_vec(), "the origin of a fork");
    two.ops.kv_truncate(origin, 33);
    two.ops.kv_free(fork);
    let rows = two.step(&[(origin, &ids, 33..LENGTH)]);
    assert_same(&rows, &whole[33..].to_vec(), "after truncate");
}

macro_rules! tests {
    ($($name:ident: $stored:expr, $exact:expr;)*) => {$(
        #[test]
        fn $name() {
            for kind in KINDS {
                check(kind, $stored, $exact);
            }
        }
    )*};
}

tests! {
    dense_exact: Stored::Dense, true;
    dense_fast: Stored::Dense, false;
    four_bits_exact: Stored::Bits(4), true;
    four_bits_fast: Stored::Bits(4), false;
    eight_bits_exact: Stored::Bits(8), true;
    eight_bits_fast: Stored::Bits(8), false;
}

/// The options of an architecture are not only read but computed.
#[test]
fn options_change_the_logits() {
    let ids = tokens("main", 120);
    let logits = |kind, changes| {
        let folder = common::checkpoint_with(kind, Stored::Dense, &changes);
        Runner::new(folder.path(), true, 1).in_steps(&ids, [ids.len()])
    };
    let plain = logits(Kind::Llama, serde_json::json!({}));
    for changes in [
        serde_json::json!({"rope_theta": 500.0}),
        serde_json::json!({"rope_scaling": {"type": "linear", "factor": 3.0}}),
        serde_json::json!({"rope_traditional": true}),
        serde_json::json!({"rms_norm_eps": 0.5}),
    ] {
        assert_ne!(logits(Kind::Llama, changes), plain);
    }
    // A window shows only behind it.
    let windowed = logits(Kind::Mistral, serde_json::json!({}));
    assert!(plain[..40] == windowed[..40] && plain[40] != windowed[40]);
    let off = logits(Kind::Mistral, serde_json::json!({"sliding_window": null}));
    assert!(plain == off);
    let qwen = logits(Kind::Qwen2, serde_json::json!({}));
    let full = logits(Kind::Qwen2, serde_json::json!({"use_sliding_window": false}));
    assert!(qwen[..50] == full[..50] && qwen[50] != full[50]);
}
