//! Every operation without a cache, against the portable kernels of the processor.

use std::cmp::Ordering;

use mlxk_ops::{
    Activation, Batch, Compute, HadamardSpec, Pieces, Reduction, RopeSpec, RouteGroups,
    RouteScores, RouteSpec, Weights,
};
use mlxk_tensor::{Dtype, Mode};
use proptest::prelude::*;

use crate::common::{
    self, assert_close, assert_within, begin, check, input, noise, read, table, tensor, values,
};
use crate::device;

/// Every form of weights.
fn forms() -> Vec<(Option<Mode>, Dtype)> {
    let dtypes = [Dtype::F32, Dtype::F16, Dtype::Bf16];
    let modes = || std::iter::once(None).chain(Mode::all().map(Some));
    dtypes.into_iter().flat_map(|dtype| modes().map(move |mode| (mode, dtype))).collect()
}

fn form() -> impl Strategy<Value = (Option<Mode>, Dtype)> {
    prop::sample::select(forms())
}

fn cols(mode: Option<Mode>, groups: usize) -> usize {
    // Dense matrices have rows of any length.
    mode.map_or(7 * groups + 3, |mode| mode.group_size() * groups)
}

#[test]
fn rows_of_every_form_are_those_of_the_file() {
    check(1, Just(()), |pair, ()| {
        for (mode, dtype) in forms() {
            let weight = tensor(mode, dtype, [1, 9, cols(mode, 5)], 1);
            let mut expected = Vec::new();
            let ids = [3_u32, 0, 8, 8, 5, 1, 2, 7];
            for id in ids {
                let mut row = vec![0.0; weight.cols];
                weight.dequantize_row(0, id as usize, &mut row);
                expected.extend(row.iter().map(|x| x * 1.5));
            }
            let device = &mut pair.device;
            let width = weight.cols;
            let weight = device.load(weight, None).unwrap();
            begin(device);
            let out = device.act(ids.len(), width);
            device.embed(out, weight, &ids, 1.5);
            let found = read(device, out);
            assert_within([&expected, &found], 1e-6, &format!("{mode:?} {dtype}"))?;
        }
        Ok(())
    });
}

#[test]
fn products_of_every_form() {
    check(1, Just(()), |pair, ()| {
        for (mode, dtype) in forms() {
            let width = cols(mode, 5);
            let weight = tensor(mode, dtype, [1, 37, width], 2);
            let x = values(3, 3 * width);
            let found = pair.both(|ops| {
                let weight = ops.load(weight.clone(), None).unwrap();
                begin(ops);
                let x = input(ops, &x, width);
                let out = ops.act(3, 37);
                ops.linear(&[out], x, &[weight]);
                read(ops, out)
            });
            assert_close(&found, &format!("{mode:?} {dtype}"))?;
        }
        Ok(())
    });
}

#[test]
fn products_of_any_size() {
    let sizes = (1..40usize, 1..70usize, 1..24usize, any::<bool>(), 0..1000u64);
    check(16, (form(), sizes), |pair, ((mode, dtype), (rows, outs, groups, bias, seed))| {
        let width = cols(mode, groups);
        let weights = [seed, seed + 1].map(|seed| tensor(mode, dtype, [1, outs, width], seed));
        let (x, bias) = (values(seed, rows * width), bias.then(|| values(seed + 9, outs)));
        let found = pair.both(|ops| {
            let [a, b] = weights.clone();
            let (a, b) = (ops.load(a, bias.clone()).unwrap(), ops.load(b, None).unwrap());
            begin(ops);
            let x = input(ops, &x, width);
            let outs = [ops.act(rows, outs), ops.act(rows, outs)];
            ops.linear(&outs, x, &[a, b]);
            [read(ops, outs[0]), read(ops, outs[1])].concat()
        });
        assert_close(&found, "linear")
    });
}

/// Without exact mode, many rows are computed in tiles.
#[test]
fn products_of_many_rows() {
    let Some(mut pair) = common::open_with(mlxk_ops::KvFormat::F32, false) else { return };
    // Compiling them for the processor takes a while, so not every form is here.
    for (index, (mode, dtype)) in forms().into_iter().enumerate().step_by(8) {
        let (rows, outs, width) = (16 + 3 * index, 130 - index, cols(mode, 3));
        let weight = tensor(mode, dtype, [1, outs, width], 4);
        let (x, bias) = (values(5, rows * width), (index % 2 == 0).then(|| values(6, outs)));
        let found = pair.both(|ops| {
            let weight = ops.load(weight.clone(), bias.clone()).unwrap();
            begin(ops);
            let x = input(ops, &x, width);
            let out = ops.act(rows, outs);
            ops.linear(&[out], x, &[weight]);
            read(ops, out)
        });
        let case = format!("{rows} rows, {mode:?} {dtype}");
        assert_within([&found[0], &found[1]], device::FAST_BOUND, &case).unwrap();
    }
}

/// One row alone, and in a batch: the same bits.
#[test]
fn a_row_does_not_depend_on_its_batch() {
    check(8, (form(), 2..20usize, 0..1000u64), |pair, ((mode, dtype), rows, seed)| {
        let width = cols(mode, 9);
        let device = &mut pair.device;
        let weight = device.load(tensor(mode, dtype, [1, 21, width], seed), None).unwrap();
        let x = values(seed, rows * width);
        begin(device);
        let act = input(device, &x, width);
        let out = device.act(rows, 21);
        device.linear(&[out], act, &[weight]);
        let together = read(device, out);
        for (x, together) in x.chunks(width).zip(together.chunks(21)).step_by(5) {
            begin(device);
            let act = input(device, x, width);
            let out = device.act(1, 21);
            device.linear(&[out], act, &[weight]);
            prop_assert_eq!(&read(device, out)[..], together);
        }
        Ok(())
    });
}

#[test]
fn matrices_of_a_stack() {
    let sizes = (1..9usize, 1..40usize, 2..7usize, any::<bool>(), 0..1000u64);
    check(10, (form(), sizes), |pair, ((mode, dtype), (rows, outs, experts, bias, seed))| {
        let width = cols(mode, 3);
        let weight = tensor(mode, dtype, [experts, outs, width], seed);
        let down = tensor(mode, dtype, [experts, 5, width], seed + 1);
        let bias = bias.then(|| values(seed + 9, experts * outs));
        let (x, wide) = (values(seed, rows * width), values(seed + 1, rows * experts * width));
        let logits = values(seed + 2, rows * experts);
        let found = pair.both(|ops| {
            let weight = ops.load(weight.clone(), bias.clone()).unwrap();
            let down = ops.load(down.clone(), None).unwrap();
            begin(ops);
            let (x, wide) = (input(ops, &x, width), input(ops, &wide, experts * width));
            let logits = input(ops, &logits, experts);
            let heads = ops.act(rows, experts * outs);
            ops.linear_heads(heads, wide, weight);
            let routes = ops.route(logits, &RouteSpec::new(2, RouteScores::Softmax));
            let routed = ops.act(2 * rows, outs);
            ops.linear_routed(&[routed], x, &[weight], routes);
            // The results of an earlier call are as many as there are choices.
            let twice = ops.act(2 * rows, width);
            let all: Vec<usize> = (0..2 * rows).map(|row| row / 2).collect();
            ops.select_rows(twice, x, &all);
            let again = ops.act(2 * rows, 5);
            ops.linear_routed(&[again], twice, &[down], routes);
            let combined = ops.act(rows, 5);
            ops.combine(combined, again, routes);
            [heads, routed, again, combined].map(|act| read(ops, act)).concat()
        });
        assert_close(&found, "stack")
    });
}

#[test]
fn experts_are_chosen_alike() {
    let scores = prop_oneof![
        Just(RouteScores::Softmax),
        Just(RouteScores::SoftmaxOfChosen),
        Just(RouteScores::Sigmoid),
        Just(RouteScores::SparseMixer { band: 0.2 }),
    ];
    let sizes = (1..12usize, prop_oneof![Just(4usize), Just(16), Just(128), Just(200)], 1..5usize);
    let options = (any::<bool>(), any::<bool>(), any::<bool>(), 0..3u8, 0..1000u64);
    check(20, (scores, sizes, options), |pair, (scores, (rows, experts, per_row), options)| {
        let (normalize, corrected, factored, grouped, seed) = options;
        // Each expert returns its index, so that the choice shows.
        let logits: Vec<f32> = values(seed, rows * experts).iter().map(|x| x * 4.0).collect();
        let groups = RouteGroups {
            count: 4,
            keep: 2,
            best: if experts > 4 { 2 } else { 1 },
            excluded: grouped == 2,
        };
        let vectors = [seed + 1, seed + 2].map(|seed| values(seed, experts));
        let indices: Vec<f32> = (0..experts).map(|index| index as f32 + 1.0).collect();
        let found = pair.both(|ops| {
            let weight = tensor(None, Dtype::F32, [experts, 1, 4], 1);
            let mut stack = common::table(&indices, 1);
            (stack.experts, stack.rows) = (experts, 1);
            let [weight, stack] = [weight, stack].map(|it| ops.load(it, None).unwrap());
            let [correction, factors] = vectors.clone().map(|it| ops.load_vector(it).unwrap());
            begin(ops);
            let logits = input(ops, &logits, experts);
            let spec = RouteSpec {
                normalize,
                scale: 1.5,
                correction: corrected.then_some(correction),
                factors: factored.then_some(factors),
                groups: (grouped > 0).then_some(groups),
                ..RouteSpec::new(per_row, scores)
            };
            let routes = ops.route(logits, &spec);
            let ones = input(ops, &vec![1.0; rows], 1);
            let chosen = ops.act(rows * per_row, 1);
            ops.linear_routed(&[chosen], ones, &[stack], routes);
            let x = input(ops, &values(seed + 3, rows * 4), 4);
            let results = ops.act(rows * per_row, 1);
            ops.linear_routed(&[results], x, &[weight], routes);
            let combined = ops.act(rows, 1);
            ops.combine(combined, results, routes);
            [read(ops, chosen), read(ops, combined)].concat()
        });
        assert_close(&found, "route")
    });
}

#[test]
fn experts_pass_their_input_on_alike() {
    let sizes = (1..12usize, 1..5usize, 1..6usize, any::<bool>(), 0..1000u64);
    check(10, sizes, |pair, (rows, per_row, passing, normalize, seed)| {
        let computing = 7;
        let logits: Vec<f32> = values(seed, rows * (computing + passing));
        let found = pair.both(|ops| {
            let weight = tensor(None, Dtype::F32, [computing, 4, 4], 1);
            let weight = ops.load(weight, None).unwrap();
            begin(ops);
            let logits = input(ops, &logits, computing + passing);
            let new = RouteSpec::new(per_row, RouteScores::Softmax);
            let routes = ops.route(logits, &RouteSpec { normalize, scale: 1.5, passing, ..new });
            let x = input(ops, &values(seed + 1, rows * 4), 4);
            let results = ops.act(rows * per_row, 4);
            ops.linear_routed(&[results], x, &[weight], routes);
            let combined = ops.act(rows, 4);
            ops.combine(combined, results, routes);
            ops.add_passed(combined, x, routes);
            read(ops, combined)
        });
        assert_close(&found, "route")
    });
}

#[test]
fn norms() {
    let sizes = (1..30usize, 1..5usize, 1..300usize, any::<bool>(), 0..1000u64);
    check(40, sizes, |pair, (rows, pieces, width, bias, seed)| {
        let x: Vec<f32> =
            values(seed, rows * pieces * width).iter().map(|x| x * 5.0 + 1.0).collect();
        let (weight, bias) = (values(seed + 1, width), bias.then(|| values(seed + 2, width)));
        let found = pair.both(|ops| {
            let weight = ops.load_vector(weight.clone()).unwrap();
            let bias = bias.clone().map(|bias| ops.load_vector(bias).unwrap());
            begin(ops);
            let x = input(ops, &x, pieces * width);
            let outs = [ops.act(rows, pieces * width), ops.act(rows, pieces * width)];
            ops.rms_norm(outs[0], x, weight, 1e-5);
            ops.layer_norm(outs[1], x, weight, bias, 1e-5);
            outs.map(|out| read(ops, out)).concat()
        });
        assert_close(&found, "norm")
    });
}

#[test]
fn rows_and_pieces_of_columns() {
    check(20, (1..9usize, 1..5usize, 1..9usize, 0..1000u64), |pair, (rows, count, width, seed)| {
        let stride = width + 3;
        let cols = count * stride + 2;
        let x = values(seed, rows * cols);
        let picked: Vec<usize> = (0..rows).rev().collect();
        let found = pair.both(|ops| {
            begin(ops);
            let x = input(ops, &x, cols);
            let out = input(ops, &vec![0.5; rows * (count * width + 1)], count * width + 1);
            let (to, from) = (Pieces { offset: 1, stride: width }, Pieces { offset: 2, stride });
            ops.copy_pieces((out, to), (x, from), count, width);
            let selected = ops.act(rows, cols);
            ops.select_rows(selected, x, &picked);
            [read(ops, out), read(ops, selected)].concat()
        });
        prop_assert_eq!(&found[0], &found[1]);
        Ok(())
    });
}

#[test]
fn activations() {
    let all = [
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Softplus,
        Activation::ReluSquared,
        Activation::Clip { limit: 2.0 },
        Activation::Xielu { positive: 0.8, negative: 0.7, beta: 0.5, eps: -1e-6 },
        Activation::ClampedSwiglu { limit: 2.0 },
        Activation::ClippedSwiglu { alpha: 1.7, limit: 7.0 },
    ];
    check(
        8,
        (1..2000usize, prop_oneof![Just(0.01f32), Just(3.0), Just(40.0)], 0..1000u64),
        |pair, (count, size, seed)| {
            let mut next = noise(seed);
            let x: Vec<f32> = (0..count).map(|_| next() * size).collect();
            let up: Vec<f32> = (0..count).map(|_| next() * 3.0).collect();
            for activation in all {
                let gated_only = matches!(
                    activation,
                    Activation::ClampedSwiglu { .. } | Activation::ClippedSwiglu { .. }
                );
                let found = pair.both(|ops| {
                    begin(ops);
                    let (gate, up) = (input(ops, &x, count), input(ops, &up, count));
                    ops.glu(gate, up, activation);
                    let mut values = read(ops, gate);
                    if !gated_only {
                        let x = input(ops, &x, count);
                        ops.activate(x, activation);
                        values.extend(read(ops, x));
                    }
                    values
                });
                assert_within([&found[0], &found[1]], 3e-6, &format!("{activation:?}"))?;
            }
            Ok(())
        },
    );
}

#[test]
fn products_of_rotated_activations() {
    check(
        12,
        (1..12usize, 1..4usize, 6..14u32, 1..40usize, 0..1000u64),
        |pair, (rows, blocks, log, outs, seed)| {
            let (block, cols) = (1 << log, blocks << log);
            let (x, weight) = (values(seed, rows * cols), values(seed + 1, outs * cols));
            let signs = values(seed + 2, cols).iter().map(|it| it.signum()).collect();
            let rotation = HadamardSpec { block, signs };
            let ids: Vec<u32> = (0..rows).map(|row| (row * 7 % outs) as u32).collect();
            let found = pair.both(|ops| {
                let weight = ops.load_rotated(table(&weight, cols), rotation.clone()).unwrap();
                begin(ops);
                let x = input(ops, &x, cols);
                let (out, looked_up) = (ops.act(rows, outs), ops.act(rows, cols));
                ops.linear(&[out], x, &[weight]);
                ops.embed(looked_up, weight, &ids, 0.5);
                [read(ops, out), read(ops, looked_up)]
            });
            let [[out, row], [other_out, other_row]] = &found;
            assert_within([out, other_out], 1e-5, "a product")?;
            assert_within([row, other_row], 1e-5, "rows")
        },
    );
}

#[test]
fn multiples_of_a_step() {
    check(5, (1..20usize, 1..30usize), |pair, (rows, cols)| {
        // Some are in the middle of two multiples, and some are beyond the last one.
        let numbers: Vec<f32> = (0..rows * cols).map(|i| (i as f32 - 290.0) * 0.125).collect();
        let found = pair.both(|ops| {
            begin(ops);
            let x = input(ops, &numbers, cols);
            ops.snap(x, 0.25);
            read(ops, x)
        });
        assert_within([&found[0], &found[1]], 0.0, "multiples of a step")
    });
}

#[test]
fn sums_and_products_of_elements() {
    check(
        20,
        (1..20usize, 1..9usize, 1..30usize, 0..1000u64),
        |pair, (rows, heads, width, seed)| {
            let cols = heads * width;
            let [a, b] = [seed, seed + 1].map(|seed| values(seed, rows * cols));
            let (numbers, factors) = (values(seed + 2, rows * heads), values(seed + 3, cols));
            let found = pair.both(|ops| {
                let factors = ops.load_vector(factors.clone()).unwrap();
                begin(ops);
                let [a, b] = [&a, &b].map(|values| input(ops, values, cols));
                let numbers = input(ops, &numbers, heads);
                ops.add(a, b);
                ops.multiply(a, b);
                ops.multiply(a, numbers);
                ops.scale(a, 40.0);
                ops.scale_columns(a, factors);
                ops.soft_cap(a, 5.0);
                read(ops, a)
            });
            assert_within([&found[0], &found[1]], 2e-6, "elements")
        },
    );
}

#[test]
fn rows_by_their_sums() {
    let sizes = (1..9usize, 1..300usize, any::<bool>(), 0..1000u64);
    check(20, sizes, |pair, (rows, cols, is_mean, seed)| {
        let [a, b, c] = [0, 1, 2].map(|part| values(seed + part, rows * cols));
        let factors = values(seed + 3, rows * 3);
        let reduction = if is_mean { Reduction::Mean } else { Reduction::Max };
        let found = pair.both(|ops| {
            begin(ops);
            let [a, b, c] = [&a, &b, &c].map(|values| input(ops, values, cols));
            let factors = input(ops, &factors, 3);
            ops.add_scaled(a, b, factors, 1);
            ops.match_rms(b, a);
            ops.cut_below(c, 0.3);
            let reduced = ops.act(2, cols);
            ops.reduce_rows(reduced, a, &[0..rows, rows - 1..rows], reduction);
            [a, b, c, reduced].map(|act| read(ops, act)).concat()
        });
        assert_within([&found[0], &found[1]], 2e-6, "rows")
    });
}

/// Tokens that the device chooses are those that it finds when asked, and a step can begin with them.
#[test]
fn chosen_tokens_continue() {
    check(12, (1..5usize, 1..5000usize, 0..1000u64), |pair, (rows, width, seed)| {
        let x: Vec<f32> =
            values(seed, rows * width).iter().map(|x| (x * 300.0).round() / 100.0).collect();
        let table = values(seed + 1, width * 8);
        let device = &mut pair.device;
        let table = device.load(common::table(&table, 8), None).unwrap();
        begin(device);
        let logits = input(device, &x, width);
        let expected = device.top(logits, width, 1).unwrap();
        let logits = input(device, &x, width);
        let choice = device.choose(logits, width).unwrap().unwrap();
        let batch = Batch { chosen: Some(choice), ..Batch::default() };
        device.begin(&batch).unwrap();
        let ahead = device.act(rows, 8);
        device.embed(ahead, table, &vec![Batch::CHOSEN; rows], 1.0);
        prop_assert_eq!(&device.chosen(choice).unwrap(), &expected);
        let found = read(device, ahead);
        begin(device);
        let known = device.act(rows, 8);
        let ids: Vec<u32> = expected.iter().map(|ranked| ranked.column).collect();
        device.embed(known, table, &ids, 1.0);
        prop_assert_eq!(read(device, known), found);
        Ok(())
    });
}

/// A survey finds the best values and the sum of all weights, and a step that begins with its tokens waits for them.
#[test]
fn surveyed_tokens_continue() {
    let sizes = (1..4usize, 1..5000usize, 1..300usize, 0..1000u64);
    check(12, sizes, |pair, (rows, width, k, seed)| {
        let x: Vec<f32> =
            values(seed, rows * width).iter().map(|x| (x * 900.0).round() / 100.0).collect();
        let scales: Vec<f32> = (0..rows).map(|row| 0.7 + row as f32).collect();
        let table = values(seed + 1, width * 8);
        let device = &mut pair.device;
        let table = device.load(common::table(&table, 8), None).unwrap();
        begin(device);
        let logits = input(device, &x, width);
        // Some rows come with all their values.
        let complete: Vec<usize> = (0..rows).filter(|row| (seed >> row) & 1 == 1).collect();
        let k = if complete.len() == rows { 0 } else { k };
        let Some(choice) = device.survey(logits, width, k, &scales, &complete) else {
            return Ok(());
        };
        let choice = choice.unwrap();
        let batch = Batch { chosen: Some(choice), ..Batch::default() };
        device.begin(&batch).unwrap();
        // This step writes to the memory of the logits.
        let ahead = device.act(rows, 8);
        device.embed(ahead, table, &vec![Batch::CHOSEN; rows], 1.0);
        let next = device.survey(ahead, 8, 1, &scales, &[]).unwrap().unwrap();
        let found = device.surveyed(choice).unwrap();
        for (row, found) in found.iter().enumerate() {
            let x = &x[row * width..][..width];
            prop_assert_eq!(device.surveyed_row(choice, row).unwrap(), x);
            if complete.contains(&row) {
                prop_assert!(found.best.is_empty());
                continue;
            }
            prop_assert_eq!(&found.best, &mlxk_ops::top(x, width, k.min(256)));
            let max = f64::from(found.best[0].value);
            let weight = |&x: &f32| ((f64::from(x) - max) * f64::from(scales[row])).exp();
            let total: f64 = x.iter().map(weight).sum();
            prop_assert!((found.total / total - 1.0).abs() < mlxk_ops::Survey::ERROR);
        }
        let tokens: Vec<u32> = (0..rows).map(|row| (row * 7 % width) as u32).collect();
        device.tell(choice, &tokens).unwrap();
        let chosen: Vec<_> =
            device.surveyed(next).unwrap().iter().map(|survey| survey.best[0]).collect();
        begin(device);
        let known = device.act(rows, 8);
        device.embed(known, table, &tokens, 1.0);
        prop_assert_eq!(device.top(known, 8, 1).unwrap(), chosen);
        Ok(())
    });
}

#[test]
fn rotations() {
    let sizes = (1..5usize, 1..20usize, 0..3usize, any::<bool>(), 0..3000usize, 0..1000u64);
    check(20, sizes, |pair, (heads, pairs, offset, interleaved, start, seed)| {
        let (head, rows) = (2 * pairs + offset + 1, 5);
        let x = values(seed, rows * heads * head);
        let frequencies = (0..pairs).map(|i| 0.3_f32.powi(i as i32)).collect();
        let spec = RopeSpec { frequencies, interleaved, offset, scale: 1.2 };
        let found = pair.both(|ops| {
            let rope = ops.load_rope(spec.clone()).unwrap();
            let cache = mlxk_ops::CacheSpec::default();
            let sequence = common::sequences(ops, &cache, 1)[0];
            // Positions are appended without gaps.
            let mut batch = mlxk_ops::Batch::default();
            batch.push(sequence, 0, &vec![0; start + 1], false);
            ops.begin(&batch).unwrap();
            let mut batch = mlxk_ops::Batch::default();
            batch.push(sequence, start + 1, &vec![0; rows], false);
            ops.begin(&batch).unwrap();
            let x = input(ops, &x, heads * head);
            ops.rope(x, heads, rope, &batch);
            read(ops, x)
        });
        assert_within([&found[0], &found[1]], device::TURN_BOUND, "rope")
    });
}

#[test]
fn the_largest_values() {
    let width = prop_oneof![1..60usize, 1000..1100usize, 4000..9000usize];
    let k = prop_oneof![Just(1usize), Just(2), 1..300usize, Just(512), Just(700)];
    check(30, (1..4usize, width, k, 0..1000u64), |pair, (rows, width, k, seed)| {
        // Some values are equal, and some have no order.
        let mut x: Vec<f32> =
            values(seed, rows * width).iter().map(|x| (x * 500.0).round() / 100.0).collect();
        if seed % 3 == 0 {
            x[seed as usize % width] = f32::NAN;
            x[width / 2] = -0.0;
            x[width / 3] = f32::INFINITY;
        }
        let found = pair.both(|ops| {
            begin(ops);
            let x = input(ops, &x, width);
            let top = ops.top(x, width, k).unwrap();
            (top, ops.argmax(x, width).unwrap())
        });
        let [(expected, greatest), (top, found)] = found;
        prop_assert_eq!(greatest, found);
        prop_assert_eq!(expected.len(), top.len());
        for (expected, found) in expected.iter().zip(&top) {
            prop_assert_eq!(expected.column, found.column);
            prop_assert!(expected.value.partial_cmp(&found.value).is_none_or(Ordering::is_eq));
        }
        Ok(())
    });
}
