//! Attention and recurrent layers, against the portable kernels of the processor.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::cell::RefCell;
use std::ops::Range;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, CacheSpec, ColumnScanInputs, ColumnScanSpec, ConvSpec,
    DeltaDecay, DeltaInputs, DeltaSizes, DeltaSpec, GatedUnitInputs, KvFormat, LayerCache, Mask,
    Ops, ScanInputs, ScanSizes, ScanSpec, ScoreGrowth, Sequence, StatePlace, WkvInputs, WkvSpec,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::common::{Pair, assert_close, assert_within, input, open, read, sequences, values};

/// Runs cases with a KV cache of one format.
fn check<S: Strategy>(
    kv: KvFormat,
    cases: u32,
    strategy: S,
    test: impl Fn(&mut Pair, S::Value) -> Result<(), TestCaseError>,
) {
    let Some(pair) = open(kv) else { return };
    let pair = RefCell::new(pair);
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let result = runner.run(&strategy, |case| test(&mut pair.borrow_mut(), case));
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Rows of sequences, step after step: for each step the ranges of positions of every sequence.
type Steps = Vec<Vec<Range<usize>>>;

/// Two sequences of these lengths in steps of these sizes.
fn steps(lengths: [usize; 2], sizes: &[usize]) -> Steps {
    let mut done = [0; 2];
    let mut steps = Vec::new();
    for size in sizes.iter().cycle() {
        let ranges: Vec<Range<usize>> =
            (0..2).map(|i| done[i]..lengths[i].min(done[i] + size)).collect();
        if ranges.iter().all(Range::is_empty) {
            return steps;
        }
        done = [ranges[0].end, ranges[1].end];
        steps.push(ranges);
    }
    steps
}

fn batch(sequences: &[Sequence], ranges: &[Range<usize>]) -> Batch {
    let mut batch = Batch::default();
    for (&sequence, range) in sequences.iter().zip(ranges) {
        if !range.is_empty() {
            batch.push(sequence, range.start, &vec![0; range.len()], false);
        }
    }
    batch
}

/// Returns the rows of the step out of the rows of each sequence.
fn rows_of(all: &[Vec<f32>], ranges: &[Range<usize>], width: usize) -> Vec<f32> {
    let rows = all.iter().zip(ranges);
    rows.flat_map(|(all, range)| all[range.start * width..range.end * width].to_vec()).collect()
}

/// Returns the values of inputs of these widths, each of both sequences.
fn all_values(widths: &[usize], lengths: [usize; 2], seed: u64) -> Vec<Vec<Vec<f32>>> {
    let of = |(part, width): (u64, &usize)| {
        (0..2).map(|i| values(seed + part * 2 + i as u64, lengths[i] * width)).collect()
    };
    (10..).zip(widths).map(of).collect()
}

/// Uploads the rows of a step of each input.
fn inputs(
    ops: &mut dyn Ops,
    all: &[Vec<Vec<f32>>],
    widths: &[usize],
    ranges: &[Range<usize>],
) -> Vec<Act> {
    let each = all.iter().zip(widths);
    each.map(|(all, &width)| input(ops, &rows_of(all, ranges, width), width)).collect()
}

/// Appends the rows of a step of each output to the results, of which there is one for each output and sequence.
fn collect(
    ops: &mut dyn Ops,
    outs: &[(Act, usize)],
    ranges: &[Range<usize>],
    results: &mut [Vec<f32>],
) {
    for (part, &(out, width)) in outs.iter().enumerate() {
        let found = read(ops, out);
        let mut rest = found.as_slice();
        for (i, range) in ranges.iter().enumerate() {
            let (own, others) = rest.split_at(range.len() * width);
            results[2 * part + i].extend_from_slice(own);
            rest = others;
        }
    }
}

#[derive(Clone, Debug)]
struct Attention {
    heads: [usize; 2],
    dims: [usize; 2],
    window: Option<usize>,
    soft_cap: Option<f32>,
    sinks: bool,
    growth: bool,
    lengths: [usize; 2],
    sizes: Vec<usize>,
    seed: u64,
}

fn attention() -> impl Strategy<Value = Attention> {
    let heads = prop_oneof![Just([3, 1]), Just([4, 2]), Just([2, 2])];
    let dims =
        prop_oneof![Just([64, 64]), Just([24, 40]), Just([128, 96]), Just([80, 80]), Just([7, 5])];
    let window = prop_oneof![Just(None), Just(Some(1)), Just(Some(20)), Just(Some(45))];
    let cap = prop_oneof![Just(None), Just(Some(2.0f32))];
    let lengths = (1..120usize, 1..70usize);
    let sizes = prop::collection::vec(1..50usize, 1..4);
    let options = (any::<bool>(), any::<bool>(), 0..1000u64);
    (heads, dims, window, cap, lengths, sizes, options).prop_map(
        |(heads, dims, window, soft_cap, (a, b), sizes, (sinks, growth, seed))| Attention {
            heads,
            dims,
            window,
            soft_cap,
            sinks,
            growth,
            lengths: [a, b],
            sizes,
            seed,
        },
    )
}

impl Attention {
    fn run(&self, ops: &mut dyn Ops, steps: &Steps) -> Vec<f32> {
        let ([heads, kv_heads], [head_dim, value_dim]) = (self.heads, self.dims);
        let layer = LayerCache::Pages { kv_heads, head_dim, value_dim, window: self.window };
        let cache = CacheSpec { layers: vec![layer; 2] };
        let sequences = sequences(ops, &cache, 2);
        let sinks = ops.load_vector(values(self.seed, heads)).unwrap();
        let spec = AttentionSpec {
            mask: Mask::Causal,
            chunked: false,
            heads,
            kv_heads,
            head_dim,
            value_dim,
            scale: 1.5 / (head_dim as f32).sqrt(),
            window: self.window,
            soft_cap: self.soft_cap,
            sinks: self.sinks.then_some(sinks),
            growth: self.growth.then_some(ScoreGrowth { beta: 0.3, step: 10, first: 0 }),
        };
        let widths = [heads * head_dim, kv_heads * head_dim, kv_heads * value_dim];
        let all = |part: usize| -> Vec<Vec<f32>> {
            let seed = |sequence: usize| self.seed + (1 + part * 2 + sequence) as u64;
            (0..2).map(|i| values(seed(i), self.lengths[i] * widths[part])).collect()
        };
        let all = [all(0), all(1), all(2)];
        let mut results = vec![Vec::new(); 2];
        for ranges in steps {
            let batch = batch(&sequences, ranges);
            ops.begin(&batch).unwrap();
            let rows = batch.rows();
            let [q, k, v] =
                [0, 1, 2].map(|i| input(ops, &rows_of(&all[i], ranges, widths[i]), widths[i]));
            let (out, again) = (ops.act(rows, heads * value_dim), ops.act(rows, heads * value_dim));
            ops.attend(out, q, k, v, 1, &spec, &batch);
            ops.attend_shared(again, q, 1, &spec, &batch);
            let out = read(ops, out);
            assert_eq!(out, read(ops, again));
            let mut rest = out.as_slice();
            for (result, range) in results.iter_mut().zip(ranges) {
                let (own, others) = rest.split_at(range.len() * heads * value_dim);
                result.extend_from_slice(own);
                rest = others;
            }
        }
        results.concat()
    }
}

fn attends(kv: KvFormat, bound: f32) {
    check(kv, 10, attention(), |pair, case| {
        let steps = steps(case.lengths, &case.sizes);
        let found = pair.both(|ops| case.run(ops, &steps));
        assert_within([&found[0], &found[1]], bound, "attend")?;
        // Token by token, the bits are the same.
        let single = self::steps(case.lengths, &[1]);
        prop_assert!(case.run(&mut pair.device, &single) == found[1], "chunks change the result");
        Ok(())
    });
}

#[test]
fn attention_in_f32() {
    attends(KvFormat::F32, 1e-5);
}

#[test]
fn attention_in_f16() {
    attends(KvFormat::F16, 1e-5);
}

#[test]
fn attention_over_codes() {
    // A number that lies between two codes may be rounded to either of them.
    attends(KvFormat::Affine8, 1e-2);
    // With values within 1, neighbouring codes of 4 bits differ by up to 2/15.
    attends(KvFormat::Affine4, 1.4e-1);
}

/// Runs a convolution, a delta rule and a scan over two sequences, and returns all results.
fn recurrent(ops: &mut dyn Ops, steps: &Steps, lengths: [usize; 2], seed: u64) -> Vec<f32> {
    let delta = DeltaSizes { key_heads: 2, value_heads: 4, key_dim: 24, value_dim: 40 };
    let scan = ScanSizes { heads: 4, head_dim: 20, groups: 2, state_dim: 16 };
    let conv_cols = 50;
    let kernel = 4;
    let conv_values = ConvSpec::state_values(kernel, conv_cols);
    let layers = vec![
        LayerCache::State { values: conv_values + delta.state_values() },
        LayerCache::State { values: scan.state_values() },
    ];
    let sequences = sequences(ops, &CacheSpec { layers }, 2);
    let mut vector = |offset: u64, len: usize| ops.load_vector(values(seed + offset, len)).unwrap();
    let conv = ConvSpec {
        kernel,
        weight: vector(1, kernel * conv_cols),
        bias: Some(vector(2, conv_cols)),
        activation: Some(if seed.is_multiple_of(2) { Activation::Silu } else { Activation::Gelu }),
    };
    let (decay, decay_cols) = match seed % 3 {
        0 => (DeltaDecay::Heads, 4),
        1 => (DeltaDecay::Keys, 4 * delta.key_dim),
        _ => (DeltaDecay::BoundedKeys(-5.0), 4 * delta.key_dim),
    };
    let delta_spec = DeltaSpec {
        decay,
        rate_scale: if seed.is_multiple_of(2) { 1.0 } else { 2.0 },
        sizes: delta,
        a_log: vector(3, 4),
        dt_bias: vector(4, decay_cols),
    };
    let scan_spec = ScanSpec {
        sizes: scan,
        a_log: vector(5, 4),
        d: vector(6, 4),
        dt_bias: vector(7, 4),
        limits: [0.01, 0.8],
    };
    let widths = [
        conv_cols,
        2 * delta.keys() + delta.values(),
        decay_cols,
        4,
        scan.inner() + 2 * scan.keys(),
        4,
    ];
    let all = all_values(&widths, lengths, seed);
    let mut results = vec![Vec::new(); 6];
    for ranges in steps {
        let batch = batch(&sequences, ranges);
        ops.begin(&batch).unwrap();
        let rows = batch.rows();
        let inputs = inputs(ops, &all, &widths, ranges);
        let [x, qkv, decay, rate, xbc, dt] = inputs[..] else { panic!("six inputs") };
        let outs =
            [conv_cols, delta.values(), scan.inner()].map(|width| (ops.act(rows, width), width));
        let place = |layer, offset| StatePlace { layer, offset };
        ops.short_conv(outs[0].0, x, &conv, place(0, 0), &batch);
        let inputs = DeltaInputs { qkv, decay, rate };
        ops.delta_rule(outs[1].0, inputs, &delta_spec, place(0, conv_values), &batch);
        ops.selective_scan(outs[2].0, ScanInputs { xbc, dt }, &scan_spec, place(1, 0), &batch);
        collect(ops, &outs, ranges, &mut results);
    }
    results.concat()
}

#[test]
fn recurrent_layers() {
    let sizes = (1..60usize, 1..30usize, prop::collection::vec(1..20usize, 1..4), 0..1000u64);
    check(KvFormat::F32, 8, sizes, |pair, (a, b, sizes, seed)| {
        let steps = steps([a, b], &sizes);
        let found = pair.both(|ops| recurrent(ops, &steps, [a, b], seed));
        assert_close(&found, "recurrent layers")?;
        let single = self::steps([a, b], &[1]);
        prop_assert!(
            recurrent(&mut pair.device, &single, [a, b], seed) == found[1],
            "chunks change the result"
        );
        Ok(())
    });
}

/// Operations whose columns have states of their own, over two sequences.
fn columns(ops: &mut dyn Ops, steps: &Steps, lengths: [usize; 2], seed: u64) -> Vec<f32> {
    const COLUMNS: usize = 45;
    const STATE: usize = 6;
    const HEADS: usize = 2;
    let width = HEADS * 24;
    let layers =
        [ColumnScanSpec::state_values(COLUMNS, STATE), COLUMNS, WkvSpec::state_values(HEADS, 24)];
    let layers = layers.map(|values| LayerCache::State { values }).to_vec();
    let sequences = sequences(ops, &CacheSpec { layers }, 2);
    let mut vector = |part: u64, len: usize| ops.load_vector(values(seed + part, len)).unwrap();
    let scan = ColumnScanSpec {
        columns: COLUMNS,
        state_dim: STATE,
        a_log: vector(1, STATE * COLUMNS),
        d: vector(2, COLUMNS),
    };
    let speed = vector(3, COLUMNS);
    let [removed, added, bonus] = [4, 5, 6].map(|part| vector(part, width));
    let spec = WkvSpec { heads: HEADS, head_dim: 24, removed, added, bonus };
    let widths = [COLUMNS, COLUMNS, STATE, STATE, COLUMNS, width, width, width, width, width];
    let all = all_values(&widths, lengths, seed);
    let mut results = vec![Vec::new(); 8];
    for ranges in steps {
        let batch = batch(&sequences, ranges);
        ops.begin(&batch).unwrap();
        let rows = batch.rows();
        let inputs = inputs(ops, &all, &widths, ranges);
        let [x, dt, keys, queries, gate, q, k, v, decay, rate] = inputs[..] else {
            panic!("ten inputs")
        };
        let place = |layer| StatePlace { layer, offset: 0 };
        let outs = [COLUMNS, COLUMNS, width, width].map(|width| (ops.act(rows, width), width));
        let inputs = ColumnScanInputs { x, dt, keys, queries };
        ops.column_scan(outs[0].0, inputs, &scan, place(0), &batch);
        let inputs = GatedUnitInputs { x, input_gate: gate, decay_gate: dt };
        ops.gated_unit(outs[1].0, inputs, speed, place(1), &batch);
        let removed = ops.act(rows, width);
        let bonus = outs[3].0;
        let inputs = WkvInputs { queries: q, keys: k, values: v, decay, rate, removed, bonus };
        ops.wkv(outs[2].0, inputs, &spec, place(2), &batch);
        collect(ops, &outs, ranges, &mut results);
    }
    results.concat()
}

#[test]
fn recurrent_columns() {
    let sizes = (1..50usize, 1..20usize, prop::collection::vec(1..20usize, 1..4), 0..1000u64);
    check(KvFormat::F32, 6, sizes, |pair, (a, b, sizes, seed)| {
        let steps = steps([a, b], &sizes);
        let found = pair.both(|ops| columns(ops, &steps, [a, b], seed));
        assert_close(&found, "recurrent columns")?;
        let single = self::steps([a, b], &[1]);
        prop_assert!(
            columns(&mut pair.device, &single, [a, b], seed) == found[1],
            "chunks change the result"
        );
        Ok(())
    });
}

/// Texts that are seen as a whole, and windows that don't slide.
#[test]
fn attention_within_texts_and_chunks() {
    let options = (any::<bool>(), prop_oneof![Just(None), Just(Some(20usize)), Just(Some(33))]);
    let lengths = (1..100usize, 1..60usize, 0..1000u64);
    check(KvFormat::F32, 12, (options, lengths), |pair, ((full, window), (a, b, seed))| {
        let spec = AttentionSpec {
            mask: if full { Mask::Full } else { Mask::Causal },
            chunked: !full,
            heads: 4,
            kv_heads: 2,
            head_dim: 24,
            value_dim: 24,
            scale: 0.3,
            window,
            soft_cap: None,
            sinks: None,
            growth: None,
        };
        let found = pair.both(|ops| {
            let layer = LayerCache::Pages {
                kv_heads: 2,
                head_dim: 24,
                value_dim: 24,
                window: if full { None } else { window },
            };
            let sequences = sequences(ops, &CacheSpec { layers: vec![layer] }, 2);
            let batch = batch(&sequences, &[0..a, 0..b]);
            ops.begin(&batch).unwrap();
            let rows = batch.rows();
            let [q, k, v] = [(1, 96), (2, 48), (3, 48)]
                .map(|(part, width)| input(ops, &values(seed + part, rows * width), width));
            let out = ops.act(rows, 96);
            ops.attend(out, q, k, v, 0, &spec, &batch);
            read(ops, out)
        });
        assert_close(&found, "attention")
    });
}

/// Appends rows to a sequence, and returns what attention and a convolution give for them.
fn append(ops: &mut dyn Ops, sequence: Sequence, rows: Range<usize>, seed: u64) -> Vec<f32> {
    let batch = batch(&[sequence], std::slice::from_ref(&rows));
    let spec = AttentionSpec {
        mask: Mask::Causal,
        chunked: false,
        heads: 2,
        kv_heads: 1,
        head_dim: 16,
        value_dim: 16,
        scale: 0.5,
        window: None,
        soft_cap: None,
        sinks: None,
        growth: None,
    };
    let weight = ops.load_vector(values(99, 3 * 32)).unwrap();
    let conv = ConvSpec { kernel: 3, weight, bias: None, activation: None };
    ops.begin(&batch).unwrap();
    let [q, k, v] = [(0, 32), (1, 16), (2, 16)].map(|(part, width)| {
        let all: Vec<f32> =
            rows.clone().flat_map(|row| values(seed + (3 * row + part) as u64, width)).collect();
        input(ops, &all, width)
    });
    let (out, state) = (ops.act(rows.len(), 32), ops.act(rows.len(), 32));
    ops.attend(out, q, k, v, 0, &spec, &batch);
    ops.short_conv(state, q, &conv, StatePlace { layer: 1, offset: 0 }, &batch);
    [read(ops, out), read(ops, state)].concat()
}

/// Forks, goes back, and copies a sequence through bytes.
fn history(ops: &mut dyn Ops) -> Vec<f32> {
    let pages = LayerCache::Pages { kv_heads: 1, head_dim: 16, value_dim: 16, window: None };
    let layers = vec![pages, LayerCache::State { values: ConvSpec::state_values(3, 32) }, pages];
    let origin = sequences(ops, &CacheSpec { layers }, 1)[0];
    let mut results = append(ops, origin, 0..70, 1);
    ops.checkpoint(origin);
    results.extend(append(ops, origin, 70..75, 1));
    let (fork, landed) = ops.fork(origin, 72);
    assert_eq!(landed, 70);
    results.extend(append(ops, fork, 70..80, 5000));
    results.extend(append(ops, origin, 75..77, 1));
    let extent = ops.extent(fork, 80);
    let mut bytes = Vec::new();
    ops.export(fork, &extent, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    assert_eq!(bytes.len() as u64, ops.export_bytes(&extent));
    let mut rest = bytes.as_slice();
    let copy = ops.import(&extent, &mut |into| std::io::Read::read_exact(&mut rest, into)).unwrap();
    let (one, other) = (append(ops, fork, 80..85, 3), append(ops, copy, 80..85, 3));
    assert_eq!(one, other);
    results.extend(other);
    assert_eq!(ops.rewind(copy, 75), 70);
    results.extend(append(ops, copy, 70..72, 1));
    assert_eq!(ops.rewind(origin, 10), 0);
    results.extend(append(ops, origin, 0..3, 1));
    for sequence in [origin, fork, copy] {
        ops.free_sequence(sequence);
    }
    results
}

#[test]
fn sequences_have_a_history() {
    let Some(mut pair) = open(KvFormat::F32) else { return };
    let found = pair.both(history);
    assert_close(&found, "history").unwrap();
}

/// More pages than there is memory for at first.
#[test]
fn the_cache_grows() {
    let Some(mut pair) = open(KvFormat::F32) else { return };
    let found = pair.both(|ops| {
        let pages = LayerCache::Pages { kv_heads: 1, head_dim: 16, value_dim: 16, window: None };
        let layers = vec![pages, LayerCache::State { values: ConvSpec::state_values(3, 32) }];
        let all = sequences(ops, &CacheSpec { layers }, 2);
        let mut results = append(ops, all[0], 0..600, 1);
        results.extend(append(ops, all[1], 0..900, 2));
        results.extend(append(ops, all[0], 600..620, 1));
        results
    });
    assert_close(&found, "a long sequence").unwrap();
}
