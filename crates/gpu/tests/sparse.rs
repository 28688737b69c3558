//! Attention to the positions that an indexer chooses, on a GPU, against the portable kernels of the processor.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../../../tests/devices/common.rs"]
mod common;
mod device;

use std::cell::RefCell;
use std::ops::Range;

use common::{assert_within, input, noise, open_with, read, sequences, values};
use mlxk_gpu::Tuning;
use mlxk_ops::{
    AttentionSpec, Batch, CacheSpec, IndexInputs, IndexSpec, KvFormat, LayerCache, Mask, Ops,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const SEQUENCES: usize = 3;
/// Numbers of the operands of the indexer, behind those of attention.
const QUERIES: usize = 3;
const KEYS: usize = 4;
const WEIGHTS: usize = 5;

/// The rows of every sequence in a step.
type Step = [Range<usize>; SEQUENCES];

#[derive(Clone, Debug)]
struct Case {
    heads: usize,
    kv_heads: usize,
    dims: [usize; 2],
    soft_cap: Option<f32>,
    sinks: bool,
    index: IndexSpec,
    /// Most positions that rows of the first step see, if they are not those of the indexer.
    first_keep: Option<usize>,
    lengths: [usize; SEQUENCES],
    /// Most rows of a sequence in each step, taken in turn.
    sizes: Vec<usize>,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let heads = prop_oneof![Just([3, 1]), Just([4, 2])];
    let dims = prop_oneof![Just([64, 64]), Just([48, 32]), Just([7, 5])];
    let cap = prop_oneof![Just(None), Just(Some(2.0_f32))];
    let index_heads = prop_oneof![Just(1_usize), Just(4), Just(9), Just(16)];
    let index_dim = prop_oneof![Just(16_usize), Just(40), Just(5)];
    let keep = prop_oneof![1..8_usize, 20..70_usize, Just(128)];
    let lengths = (1..400_usize, 1..150_usize, 0..40_usize);
    let sizes = prop::collection::vec(prop_oneof![Just(1), 2..40_usize, 100..300_usize], 1..4);
    let options = (any::<bool>(), 0..1000_u64);
    (heads, dims, cap, (index_heads, index_dim, keep), lengths, sizes, options).prop_map(
        |([heads, kv_heads], dims, soft_cap, index, (a, b, c), sizes, (sinks, seed))| {
            let (index_heads, head_dim, keep) = index;
            Case {
                heads,
                kv_heads,
                dims,
                soft_cap,
                sinks,
                index: IndexSpec { heads: index_heads, head_dim, keep, layer: 1 },
                first_keep: None,
                lengths: [a, b, c],
                sizes,
                seed,
            }
        },
    )
}

/// Returns small whole numbers, whose sums are exact in any order, so that many scores are equal.
fn whole(seed: u64, count: usize) -> Vec<f32> {
    let mut next = noise(seed);
    (0..count).map(|_| (next() * 2.5).round()).collect()
}

impl Case {
    fn steps(&self, sizes: &[usize]) -> Vec<Step> {
        let (mut done, mut steps) = ([0; SEQUENCES], vec![]);
        for size in sizes.iter().cycle() {
            let ranges: Step =
                std::array::from_fn(|i| done[i]..self.lengths[i].min(done[i] + size));
            if ranges.iter().all(Range::is_empty) {
                return steps;
            }
            done = ranges.each_ref().map(|range| range.end);
            steps.push(ranges);
        }
        steps
    }

    /// Returns the results of the rows of each sequence, one sequence after the other.
    fn run(&self, ops: &mut dyn Ops, steps: &[Step]) -> Vec<f32> {
        let (Self { heads, kv_heads, index, .. }, [head_dim, value_dim]) = (self, self.dims);
        let (heads, kv_heads) = (*heads, *kv_heads);
        let pages = |kv_heads, head_dim, value_dim| LayerCache::Pages {
            kv_heads,
            head_dim,
            value_dim,
            window: None,
        };
        let layers = vec![pages(kv_heads, head_dim, value_dim), pages(1, index.head_dim, 0)];
        let sequences = sequences(ops, &CacheSpec { layers }, SEQUENCES);
        let sinks = ops.load_vector(values(self.seed, heads)).unwrap();
        let spec = AttentionSpec {
            value_dim,
            scale: 1.5 / (head_dim as f32).sqrt(),
            mask: Mask::Causal,
            soft_cap: self.soft_cap,
            sinks: self.sinks.then_some(sinks),
            ..AttentionSpec::causal(heads, kv_heads, head_dim)
        };
        let widths = [
            heads * head_dim,
            kv_heads * head_dim,
            kv_heads * value_dim,
            index.heads * index.head_dim,
            index.head_dim,
            index.heads,
        ];
        let operand = |part: usize, sequence: usize| {
            let (seed, count) = (self.seed + (7 + 3 * part + sequence) as u64, widths[part]);
            let count = self.lengths[sequence] * count;
            // Codes keep the keys as they are, because these are the ends of each stretch.
            let end = |x: &f32| if *x < 0.0 { 0.0 } else { 255.0 };
            match part {
                KEYS => values(seed, count).iter().map(end).collect(),
                QUERIES | WEIGHTS => whole(seed, count),
                _ => values(seed, count),
            }
        };
        let all: Vec<[Vec<f32>; SEQUENCES]> =
            (0..6).map(|part| std::array::from_fn(|sequence| operand(part, sequence))).collect();
        let mut results = [(); SEQUENCES].map(|()| vec![]);
        for (number, ranges) in steps.iter().enumerate() {
            let mut batch = Batch::default();
            for (&sequence, range) in sequences.iter().zip(ranges) {
                if !range.is_empty() {
                    batch.push(sequence, range.start, &vec![0; range.len()], false);
                }
            }
            ops.begin(&batch).unwrap();
            let acts: Vec<_> = (all.iter().zip(widths))
                .map(|(all, width)| {
                    let rows = all.iter().zip(ranges);
                    let rows = rows.flat_map(|(all, it)| &all[it.start * width..it.end * width]);
                    input(ops, &rows.copied().collect::<Vec<_>>(), width)
                })
                .collect();
            let [q, k, v, queries, keys, weights] = acts[..] else { panic!("six operands") };
            let out = ops.act(batch.rows(), heads * value_dim);
            let inputs = IndexInputs { queries, keys, weights };
            let first = self.first_keep.filter(|_| number == 0);
            let index = IndexSpec { keep: first.unwrap_or(index.keep), ..*index };
            ops.attend_best(out, [q, k, v], 0, &spec, inputs, &index, &batch);
            let found = read(ops, out);
            let mut rest = found.as_slice();
            for (result, range) in results.iter_mut().zip(ranges) {
                let (own, others) = rest.split_at(range.len() * heads * value_dim);
                result.extend_from_slice(own);
                rest = others;
            }
        }
        for sequence in sequences {
            ops.free_sequence(sequence);
        }
        results.concat()
    }
}

/// Compares a GPU in a KV format, and with its own results in other steps.
fn attends(kv: KvFormat, exact: bool, count: u32, bound: f32) {
    let Some(mut pair) = open_with(kv, exact) else { return };
    // Positions that the scores have room for are a multiple of it.
    pair.device.set_tuning(Tuning { chunk: 64, ..Tuning::default() });
    let pair = RefCell::new(pair);
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(count) });
    let result = runner.run(&cases(), |case| {
        let mut pair = pair.borrow_mut();
        let steps = case.steps(&case.sizes);
        let [expected, found] = pair.both(|ops| case.run(ops, &steps));
        assert_within([&expected, &found], bound, "attention to the best")?;
        for sizes in [&[400][..], &[33, 1]] {
            let other = case.run(&mut pair.device, &case.steps(sizes));
            prop_assert!(other == found, "steps of {sizes:?} change the result");
        }
        // Each sequence by itself.
        let mut alone = vec![];
        for sequence in 0..SEQUENCES {
            let mut case = case.clone();
            for (other, length) in case.lengths.iter_mut().enumerate() {
                *length = if other == sequence { *length } else { 0 };
            }
            if case.lengths[sequence] > 0 {
                alone.extend(case.run(&mut pair.device, &case.steps(&[100])));
            }
        }
        prop_assert!(alone == found, "other sequences change the result");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn rows_see_the_best_positions() {
    attends(KvFormat::F32, true, 12, 1e-5);
}

#[test]
fn rows_see_the_best_positions_in_f16() {
    attends(KvFormat::F16, false, 8, 2e-5);
}

#[test]
fn rows_see_the_best_positions_of_codes() {
    // As for attention to all positions.
    attends(KvFormat::Affine8, true, 4, 1e-2);
    attends(KvFormat::Affine4, true, 4, 1.4e-1);
}

#[test]
fn a_row_has_more_scores_than_a_workgroup_has_threads_for() {
    let Some(mut pair) = open_with(KvFormat::F32, true) else { return };
    // More than 256 words of bits, so that ties are counted across blocks.
    let case = Case {
        heads: 2,
        kv_heads: 1,
        dims: [8, 8],
        soft_cap: None,
        sinks: false,
        index: IndexSpec { heads: 2, head_dim: 3, keep: 2000, layer: 1 },
        // So that the rows before these are computed fast.
        first_keep: Some(1),
        lengths: [8300, 0, 5],
        sizes: vec![8290, 3],
        seed: 5,
    };
    let steps = case.steps(&case.sizes);
    let found = pair.both(|ops| case.run(ops, &steps));
    assert_within([&found[0], &found[1]], 1e-5, "attention to the best").unwrap();
}
