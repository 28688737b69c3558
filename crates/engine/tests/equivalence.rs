//! However the work is divided, the logits are the same to the last bit.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::runner::{Runner, assert_same};
use common::{KINDS, Kind, Stored, VOCAB, checkpoint};
use mlxk_cpu::CpuOptions;
use mlxk_ops::KvFormat;

/// Longer than several pages and than a block of the attention.
const LENGTH: usize = 300;

fn tokens(seed: &str, count: usize) -> Vec<u32> {
    common::noise(seed, count).iter().map(|x| ((x + 1.0) * 0.499 * VOCAB as f32) as u32).collect()
}

fn check(kind: Kind, stored: Stored, options: CpuOptions) {
    let folder = checkpoint(kind, stored);
    let ids = tokens("main", LENGTH);
    let load = |threads| {
        Runner::load_with(folder.path(), CpuOptions { threads: Some(threads), ..options }).unwrap()
    };
    let (mut one, mut two) = (load(1), load(2));
    let whole = one.in_steps(&ids, [LENGTH]);
    let distinct: std::collections::BTreeSet<_> = whole.iter().collect();
    assert!(distinct.len() > LENGTH / 2, "the model ignores its input");

    assert_same(&two.in_steps(&ids, [LENGTH]), &whole, "two threads");
    let chunks = [1, 7, 32, 31, 64, 2, 130, LENGTH];
    assert_same(&one.in_steps(&ids, chunks), &whole, "in chunks");
    assert_same(&two.in_steps(&ids, chunks), &whole, "in chunks by two threads");
    assert_same(&two.in_steps(&ids, vec![1; LENGTH]), &whole, "token by token");

    while two.ops.migrate_weights(u64::MAX) {}
    assert_same(&two.in_steps(&ids, chunks), &whole, "with weights where they were moved to");

    // Three sequences side by side, each with its own chunks.
    let others = [tokens("second", 90), tokens("third", 40)];
    let alone = others.each_ref().map(|ids| one.in_steps(ids, [ids.len()]));
    for runner in [&mut one, &mut two] {
        let batch = runner.side_by_side(&[(&ids, 17), (&others[0], 5), (&others[1], 1)]);
        for (found, expected) in batch.iter().zip([&whole, &alone[0], &alone[1]]) {
            assert_same(found, expected, "in a batch");
        }
    }

    // A fork that goes back and on does not disturb its origin, and the other way round.
    let other = [&ids[..150], &others[0][..]].concat();
    let recomputed = one.in_steps(&other, [other.len()]);
    let origin = two.ops.new_sequence();
    two.step(&[(origin, &ids, 0..150)]);
    // A state can be taken back to a checkpoint only.
    two.ops.checkpoint(origin);
    two.step(&[(origin, &ids, 150..200)]);
    let (fork, landed) = two.ops.fork(origin, 150);
    assert_eq!(landed, 150);
    let rows = two.step(&[(fork, &other, 150..other.len())]);
    assert_same(&rows, &recomputed[150..], "after a fork");
    let rows = two.step(&[(origin, &ids, 200..LENGTH)]);
    assert_same(&rows, &whole[200..], "the origin of a fork");
    // A window has moved on, so that it goes back to where nothing is missing.
    let landed = two.ops.rewind(origin, 33);
    let forgets = matches!(kind, Kind::Mistral | Kind::Qwen2) || kind.has_states();
    assert_eq!(landed, if forgets { 0 } else { 33 });
    two.ops.free_sequence(fork);
    let rows = two.step(&[(origin, &ids, landed..LENGTH)]);
    assert_same(&rows, &whole[landed..], "after going back");
}

macro_rules! tests {
    ($($name:ident: $stored:expr, $exact:expr;)*) => {$(
        #[test]
        fn $name() {
            for kind in KINDS {
                check(kind, $stored, CpuOptions { exact: $exact, ..CpuOptions::default() });
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

/// Codes in the KV cache are computed position by position, whatever else a step holds.
#[test]
fn codes_in_the_cache() {
    for format in [KvFormat::Affine8, KvFormat::Affine4] {
        for kind in [Kind::Qwen2, Kind::Mistral] {
            check(kind, Stored::Bits(4), CpuOptions { kv: Some(format), ..CpuOptions::default() });
        }
    }
}

/// The options of an architecture are not only read but computed.
#[test]
fn options_change_the_logits() {
    let ids = tokens("main", 120);
    let logits = |kind, changes| {
        let folder = common::checkpoint_with(kind, Stored::Dense, &changes);
        Runner::load(folder.path(), true, 1).unwrap().in_steps(&ids, [ids.len()])
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
