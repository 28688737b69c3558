//! Operations that become one kernel without exact mode, against the same operations on the processor.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../../../tests/devices/common.rs"]
mod common;
mod device;

use common::{Pair, assert_within, input, read, tensor, values};
use mlxk_gpu::Tuning;
use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, CacheSpec, KvFormat, LayerCache, Mask, Ops, RopeSpec,
    RouteScores, RouteSpec, ScoreGrowth, Vector,
};
use mlxk_tensor::{Dtype, Mode};

/// Numbers of 16 bits leave this much of the greatest result.
const BOUND: f32 = 2e-4;
/// So do 16-bit floats, which matrix units multiply.
const HALF_BOUND: f32 = 4e-3;

const fn affine(bits: u8, group_size: u16) -> Mode {
    Mode::Affine { bits, group_size }
}

/// One block of a decoder: norm, three products, a product that is added, norm, gated products, and one more.
fn block(ops: &mut dyn Ops, mode: Mode, dtype: Dtype, [rows, width, wide]: [usize; 3]) -> Vec<f32> {
    let mut seed = 0;
    let mut weight = |ops: &mut dyn Ops, outs: usize, cols: usize, has_bias: bool| {
        seed += 1;
        let bias = has_bias.then(|| values(seed + 40, outs));
        ops.load(tensor(Some(mode), dtype, [1, outs, cols], seed), bias).unwrap()
    };
    // Only a multiple of 64 suits matrix units.
    let narrow = if rows % 2 == 0 { 64 } else { 40 };
    let [q, k, v] = [(width, true), (narrow, false), (narrow, true)]
        .map(|(outs, has_bias)| weight(ops, outs, width, has_bias));
    let o = weight(ops, width, width, false);
    let [gate, up] = [false, true].map(|has_bias| weight(ops, wide, width, has_bias));
    let down = weight(ops, width, wide, true);
    let norms = [90, 91].map(|seed| ops.load_vector(values(seed, width)).unwrap());
    ops.begin(&Batch::default()).unwrap();
    let x = input(ops, &values(7, rows * width), width);
    let normed = ops.act(rows, width);
    let outs = [width, narrow, narrow].map(|cols| ops.act(rows, cols));
    let [gates, ups] = [ops.act(rows, wide), ops.act(rows, wide)];
    ops.rms_norm(normed, x, norms[0], 1e-5);
    ops.linear(&outs, normed, &[q, k, v]);
    ops.linear(&[normed], outs[0], &[o]);
    ops.add(x, normed);
    ops.rms_norm(normed, x, norms[1], 1e-5);
    ops.linear(&[gates, ups], normed, &[gate, up]);
    ops.glu(gates, ups, Activation::Silu);
    ops.linear(&[normed], gates, &[down]);
    ops.add(x, normed);
    // A result is never read by another operation, so gates may be tiles only.
    [outs[1], outs[2], x]
        .map(|act| {
            let values = read(ops, act);
            // Each is judged by its own greatest value.
            let most = values.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            values.iter().map(|value| value / most).collect::<Vec<_>>()
        })
        .concat()
}

fn open(kv: KvFormat) -> Option<Pair> {
    common::open_with(kv, false)
}

#[test]
fn blocks_of_decoders() {
    let Some(mut pair) = open(KvFormat::F16) else { return };
    let cases = [
        (affine(4, 64), Dtype::Bf16, [1, 576, 1536]),
        (affine(4, 64), Dtype::F16, [1, 1536, 8960]),
        (affine(4, 32), Dtype::F32, [3, 160, 320]),
        (affine(4, 128), Dtype::F16, [8, 256, 640]),
        (affine(8, 64), Dtype::Bf16, [1, 576, 1536]),
        (affine(8, 32), Dtype::F16, [5, 96, 9000 / 32 * 32]),
        (affine(3, 64), Dtype::F16, [1, 192, 320]),
    ];
    // Threads turn values into whole numbers together, or each by itself.
    for shares in [1, usize::MAX] {
        pair.device.set_tuning(Tuning { shares, ..Tuning::default() });
        for (mode, dtype, sizes) in cases {
            let found = pair.both(|ops| block(ops, mode, dtype, sizes));
            let case = format!("{mode:?} {dtype} {sizes:?}, from {shares} parts");
            assert_within([&found[0], &found[1]], BOUND, &case).unwrap();
        }
    }
}

#[test]
fn blocks_of_decoders_with_many_rows() {
    let Some(mut pair) = open(KvFormat::F16) else { return };
    let mut cases = vec![
        (affine(4, 64), Dtype::F16, [16, 256, 512]),
        (affine(4, 64), Dtype::Bf16, [70, 576, 768]),
        (affine(4, 32), Dtype::F32, [33, 160, 320]),
        (affine(8, 64), Dtype::F16, [258, 128, 256]),
        (affine(4, 128), Dtype::F16, [128, 512, 4096]),
    ];
    if pair.device.info().matrix_tiles.is_empty() {
        eprintln!("without matrix units: the GPU has none");
    } else {
        // Long rows have workgroups of another shape, and would take other devices minutes.
        cases.push((affine(4, 64), Dtype::F16, [256, 4096, 128]));
    }
    for (mode, dtype, sizes) in cases {
        let found = pair.both(|ops| block(ops, mode, dtype, sizes));
        assert_within([&found[0], &found[1]], HALF_BOUND, &format!("{mode:?} {dtype} {sizes:?}"))
            .unwrap();
    }
}

#[test]
fn steps_of_many_dispatches() {
    let Some(mut pair) = open(KvFormat::F16) else { return };
    // The first step is submitted in pieces, and the second one repeats its dispatches.
    for _ in 0..2 {
        let found = pair.both(|ops| {
            ops.begin(&Batch::default()).unwrap();
            let [x, y] = [7, 8].map(|seed| input(ops, &values(seed, 256), 64));
            for _ in 0..100 {
                ops.add(x, y);
                ops.scale(x, 0.5);
            }
            read(ops, x)
        });
        assert_within([&found[0], &found[1]], BOUND, "sums and products in turn").unwrap();
    }
}

/// A mixture of experts in a decoder.
#[derive(Clone, Copy, Debug)]
struct Mixture {
    mode: Mode,
    dtype: Dtype,
    experts: usize,
    per_row: usize,
    bias: bool,
    /// `true` if the router is quantized, too.
    router: bool,
    /// `true` if something follows the sum of the experts but for the residual.
    shared: bool,
}

/// Norm, router, gated units of experts, and their sum, which is added.
fn mixture(ops: &mut dyn Ops, spec: &Mixture, [rows, width, wide]: [usize; 3]) -> Vec<f32> {
    let Mixture { mode, dtype, experts, per_row, bias, router, shared } = *spec;
    let mut seed = 200;
    let mut stack = |ops: &mut dyn Ops, outs: usize, cols: usize, has_bias: bool| {
        seed += 1;
        let bias = has_bias.then(|| values(seed + 40, experts * outs));
        ops.load(tensor(Some(mode), dtype, [experts, outs, cols], seed), bias).unwrap()
    };
    let gate_up = [false, bias].map(|has_bias| stack(ops, wide, width, has_bias));
    let down = stack(ops, width, wide, bias);
    let routing = if router { Some(mode) } else { None };
    let router = ops.load(tensor(routing, Dtype::F32, [1, experts, width], 300), None).unwrap();
    let norm = ops.load_vector(values(90, width)).unwrap();
    ops.begin(&Batch::default()).unwrap();
    let x = input(ops, &values(7, rows * width), width);
    let other = input(ops, &values(8, rows * width), width);
    let [normed, sum] = [0; 2].map(|_| ops.act(rows, width));
    let logits = ops.act(rows, experts);
    let [gates, ups] = [0; 2].map(|_| ops.act(rows * per_row, wide));
    let results = ops.act(rows * per_row, width);
    ops.rms_norm(normed, x, norm, 1e-5);
    ops.linear(&[logits], normed, &[router]);
    let routes = ops.route(logits, &RouteSpec::new(per_row, RouteScores::Softmax));
    ops.linear_routed(&[gates, ups], normed, &gate_up, routes);
    ops.glu(gates, ups, Activation::Silu);
    ops.linear_routed(&[results], gates, &[down], routes);
    ops.combine(sum, results, routes);
    if shared {
        ops.add(sum, other);
    }
    ops.add(x, sum);
    read(ops, x)
}

#[test]
fn mixtures_of_experts() {
    let Some(mut pair) = open(KvFormat::F16) else { return };
    let plain = Mixture {
        mode: affine(4, 64),
        dtype: Dtype::F16,
        experts: 16,
        per_row: 4,
        bias: false,
        router: true,
        shared: false,
    };
    let cases = [
        (plain, [1, 576, 256]),
        (Mixture { router: false, ..plain }, [1, 576, 256]),
        (Mixture { experts: 128, per_row: 8, ..plain }, [1, 256, 768]),
        (Mixture { bias: true, ..plain }, [1, 192, 320]),
        (Mixture { mode: affine(8, 32), dtype: Dtype::Bf16, ..plain }, [2, 96, 160]),
        (Mixture { mode: affine(4, 128), dtype: Dtype::F32, shared: true, ..plain }, [3, 256, 640]),
        (Mixture { bias: true, shared: true, router: false, ..plain }, [8, 192, 128]),
        (Mixture { per_row: 1, ..plain }, [5, 64, 128]),
        (Mixture { experts: 200, per_row: 3, router: false, ..plain }, [20, 64, 64]),
        // Rows of more blocks than a workgroup has threads.
        (Mixture { per_row: 8, ..plain }, [1, 64, 3072]),
        (Mixture { mode: affine(3, 64), ..plain }, [2, 64, 128]),
    ];
    for shares in [1, usize::MAX] {
        pair.device.set_tuning(Tuning { shares, ..Tuning::default() });
        for (spec, sizes) in cases {
            let found = pair.both(|ops| mixture(ops, &spec, sizes));
            // Weights are exponential in what a quantized router finds.
            let bound = if spec.router { HALF_BOUND } else { BOUND };
            let case = format!("{spec:?} {sizes:?}, from {shares} parts");
            assert_within([&found[0], &found[1]], bound, &case).unwrap();
        }
    }
}

#[test]
fn mixtures_of_experts_with_many_rows() {
    let Some(mut pair) = open(KvFormat::F16) else { return };
    let plain = Mixture {
        mode: affine(4, 64),
        dtype: Dtype::F16,
        experts: 16,
        per_row: 4,
        bias: false,
        // In f16, another expert might be chosen.
        router: false,
        shared: false,
    };
    let cases = [
        (plain, [16, 256, 128]),
        (Mixture { bias: true, dtype: Dtype::Bf16, ..plain }, [130, 128, 192]),
        (Mixture { mode: affine(8, 32), per_row: 2, ..plain }, [70, 64, 64]),
        (Mixture { experts: 3, per_row: 2, shared: true, ..plain }, [300, 192, 320]),
        // Too narrow for matrix units.
        (Mixture { mode: affine(4, 32), ..plain }, [40, 96, 96]),
    ];
    for (spec, sizes) in cases {
        let found = pair.both(|ops| mixture(ops, &spec, sizes));
        assert_within([&found[0], &found[1]], HALF_BOUND, &format!("{spec:?} {sizes:?}")).unwrap();
    }
}

/// Attention of one token of each of several sequences, of several lengths.
fn decode(
    ops: &mut dyn Ops,
    spec: &AttentionSpec,
    rope: Option<&RopeSpec>,
    has_norms: bool,
    lengths: &[usize],
) -> [Vec<f32>; 2] {
    let AttentionSpec { heads, kv_heads, head_dim, .. } = *spec;
    let cache = CacheSpec {
        layers: vec![LayerCache::Pages {
            kv_heads,
            head_dim,
            value_dim: head_dim,
            window: spec.window,
        }],
    };
    let rope = rope.map(|rope| ops.load_rope(rope.clone()).unwrap());
    let norms = [300, 301].map(|seed| ops.load_vector(values(seed, head_dim)).unwrap());
    let sequences = common::sequences(ops, &cache, lengths.len());
    let widths = [heads * head_dim, kv_heads * head_dim];
    let step = |ops: &mut dyn Ops, batch: &Batch, seed: u64| {
        let rows = batch.rows();
        ops.begin(batch).unwrap();
        let [q, k, v] = [(1, widths[0]), (2, widths[1]), (3, widths[1])]
            .map(|(add, cols)| input(ops, &values(seed + add, rows * cols), cols));
        let out = ops.act(rows, widths[0]);
        let prepared = |ops: &mut dyn Ops, x: Act, heads: usize, weight: Vector| {
            let mut out = x;
            if has_norms {
                out = ops.act(rows, heads * head_dim);
                ops.rms_norm(out, x, weight, 1e-5);
            }
            if let Some(rope) = rope {
                ops.rope(out, heads, rope, batch);
            }
            out
        };
        let q = prepared(ops, q, heads, norms[0]);
        let k = prepared(ops, k, kv_heads, norms[1]);
        ops.attend(out, q, k, v, 0, spec, batch);
        read(ops, out)
    };
    // All prompts together, in two chunks.
    let mut prompts = Vec::new();
    for (index, part) in [0.0, 0.6].into_iter().enumerate() {
        let mut batch = Batch::default();
        for (&sequence, &len) in sequences.iter().zip(lengths) {
            let start = (len as f64 * part) as usize;
            let end = if index == 0 { (len as f64 * 0.6) as usize } else { len };
            if end > start {
                batch.push(sequence, start, &vec![0; end - start], false);
            }
        }
        prompts.extend(step(ops, &batch, 100 * index as u64));
    }
    let mut found = Vec::new();
    for next in 0..3 {
        let mut batch = Batch::default();
        for (&sequence, &len) in sequences.iter().zip(lengths) {
            batch.push(sequence, len + next, &[0], false);
        }
        found.extend(step(ops, &batch, 7000 + 10 * next as u64));
    }
    [prompts, found]
}

fn assert_alike([expected, found]: &[[Vec<f32>; 2]; 2], name: &str) {
    assert_within([&expected[0], &found[0]], HALF_BOUND, &format!("{name}: prompts")).unwrap();
    assert_within([&expected[1], &found[1]], BOUND, &format!("{name}: tokens")).unwrap();
}

#[test]
fn tokens_that_continue_sequences() {
    let Some(mut pair) = open(KvFormat::F16) else { return };
    let plain = AttentionSpec {
        heads: 6,
        kv_heads: 2,
        head_dim: 64,
        value_dim: 64,
        scale: 0.125,
        mask: Mask::Causal,
        window: None,
        chunked: false,
        soft_cap: None,
        sinks: None,
        growth: None,
    };
    let rope = |dims: usize, interleaved, offset| RopeSpec {
        frequencies: (0..dims / 2).map(|i| 0.5_f32.powi(i as i32)).collect(),
        interleaved,
        offset,
        scale: 1.0,
    };
    let short = [1, 31, 70];
    let cases = [
        ("plain", plain, Some(rope(64, false, 0)), &short[..]),
        ("long", plain, Some(rope(64, false, 0)), &[520, 510]),
        ("heads together", AttentionSpec { heads: 4, ..plain }, None, &[1540, 3]),
        ("a window", AttentionSpec { window: Some(40), ..plain }, Some(rope(32, true, 16)), &short),
        ("a long window", AttentionSpec { window: Some(530), ..plain }, None, &[1030]),
        (
            "a cap and growth",
            AttentionSpec {
                soft_cap: Some(2.0),
                growth: Some(ScoreGrowth { beta: 0.3, first: 0, step: 16 }),
                ..plain
            },
            None,
            &short,
        ),
        (
            "128",
            AttentionSpec { head_dim: 128, value_dim: 128, ..plain },
            Some(rope(128, false, 0)),
            &short,
        ),
        (
            "80",
            AttentionSpec { head_dim: 80, value_dim: 80, ..plain },
            Some(rope(80, false, 0)),
            &short,
        ),
    ];
    for (name, spec, rope, lengths) in cases {
        for has_norms in [false, true] {
            let found = pair.both(|ops| decode(ops, &spec, rope.as_ref(), has_norms, lengths));
            assert_alike(&found, &format!("{name}, norms: {has_norms}"));
        }
    }
    let sinks = pair.both(|ops| {
        let sinks = ops.load_vector(vec![0.5, 1.0, -1.0, 0.0, 2.0, 3.0]).unwrap();
        let spec = AttentionSpec { sinks: Some(sinks), ..plain };
        decode(ops, &spec, None, false, &[5, 540])
    });
    assert_alike(&sinks, "sinks");
}
