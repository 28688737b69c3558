//! The kernels of this processor against the portable ones, and those against f64.

use mlxk_format::{Bytes, Dense, Dtype, QuantTensor, Storage};
use mlxk_ops::PAGE_POSITIONS;
use proptest::prelude::*;

use super::*;

/// Values in −1..1 from a seed.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

fn dense(dtype: Dtype, values: impl Iterator<Item = f32>) -> Dense {
    let data: Vec<u8> = values
        .flat_map(|value| match dtype {
            Dtype::F32 => value.to_le_bytes().to_vec(),
            Dtype::F16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
            Dtype::Bf16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
        })
        .collect();
    Dense { dtype, data: Bytes::from(data) }
}

fn affine(bits: usize, group_size: usize, rows: usize, cols: usize, dtype: Dtype) -> QuantTensor {
    let mut next = noise((bits * group_size * rows * cols) as u64);
    let packed: Vec<u8> =
        (0..rows * cols * bits / 8).map(|_| ((next() + 1.0) * 128.0).min(255.0) as u8).collect();
    let count = rows * cols / group_size;
    let scales = dense(dtype, (0..count).map(|_| next() * 0.02));
    let biases = dense(dtype, (0..count).map(|_| next() * 0.1));
    let storage = Storage::Affine { bits, group_size, packed: packed.into(), scales, biases };
    QuantTensor { name: "w".into(), experts: 1, rows, cols, storage }
}

fn quantized(kernels: &dyn Kernels, w: &Affine<'_>, x: &[f32]) -> QuantRows {
    let (rows, stride) = (x.len() / w.cols, w.cols.next_multiple_of(SPAN));
    let block = w.block();
    let mut q = QuantRows {
        rows,
        stride,
        block,
        q: vec![1; rows * stride],
        scale: vec![1.0; rows * stride / block],
        sum: vec![1.0; rows * stride / block],
    };
    let blocks = q.blocks();
    for (r, x) in x.chunks_exact(w.cols).enumerate() {
        kernels.quantize_row(
            x,
            w.order(),
            block,
            &mut q.q[r * stride..][..stride],
            &mut q.scale[r * blocks..][..blocks],
            &mut q.sum[r * blocks..][..blocks],
        );
    }
    q
}

fn shapes() -> impl Strategy<Value = (usize, usize, usize, usize, usize, Dtype)> {
    (
        prop::sample::select(vec![4usize, 8]),
        prop::sample::select(vec![32usize, 64, 128]),
        1usize..40,
        1usize..24,
        1usize..10,
        prop::sample::select(vec![Dtype::F32, Dtype::F16, Dtype::Bf16]),
    )
        .prop_map(|(bits, group, rows, groups, tokens, dtype)| {
            (bits, group, rows, groups * group, tokens, dtype)
        })
}

fn bits_of(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Integer products: the same bits from every implementation, tiled or not, and close to the
    /// product of the quantized values in f64.
    #[test]
    fn affine_products_agree((bits, group, rows, cols, tokens, dtype) in shapes()) {
        let tensor = affine(bits, group, rows, cols, dtype);
        let w = Affine::of(&tensor).unwrap();
        let mut next = noise(tokens as u64);
        let x: Vec<f32> = (0..tokens * cols).map(|_| next() * 3.0).collect();
        let kernels = detect();
        let (q, reference) = (quantized(&*kernels, &w, &x), quantized(&Scalar, &w, &x));
        prop_assert_eq!(&q.q, &reference.q);
        prop_assert_eq!(bits_of(&q.scale), bits_of(&reference.scale));
        prop_assert_eq!(bits_of(&q.sum), bits_of(&reference.sum));
        let mut scratch = Scratch::default();
        for row in (0..rows).step_by(TILE_ROWS) {
            kernels.affine_tile(&w, row, &q, &mut scratch);
            for r in 0..tokens {
                for part in 0..2 {
                    let (mut got, mut want) = ([0.0; DOT_ROWS], [0.0; DOT_ROWS]);
                    let first = row + part * DOT_ROWS;
                    if first >= rows {
                        continue;
                    }
                    kernels.affine_dot(&w, first, q.row(r), &mut got);
                    Scalar.affine_dot(&w, first, q.row(r), &mut want);
                    prop_assert_eq!(bits_of(&got), bits_of(&want));
                    let tiled = &scratch.out[r * TILE_ROWS + part * DOT_ROWS..][..DOT_ROWS];
                    prop_assert_eq!(bits_of(tiled), bits_of(&want));
                    let mut line = vec![0.0; cols];
                    Scalar.dequantize_row(&tensor, first, &mut line);
                    let exact: f64 = (0..cols).map(|column| {
                        let at = column / SPAN * SPAN + scalar::place(w.order(), column % SPAN);
                        let x = f64::from(q.q[r * q.stride + at])
                            * f64::from(q.scale[r * q.blocks() + column / q.block]);
                        f64::from(line[column]) * x
                    }).sum();
                    prop_assert!((exact - f64::from(want[0])).abs() < 1e-3, "{} {}", exact, want[0]);
                }
            }
        }
    }

    /// Rows as f32: the same bits from every implementation, for every storage.
    #[test]
    fn dequantized_rows_agree((bits, group, rows, cols, _, dtype) in shapes()) {
        let mut next = noise(cols as u64);
        let values: Vec<f32> = (0..rows * (cols + 3)).map(|_| next()).collect();
        let storage = Storage::Dense(dense(dtype, values.into_iter()));
        let odd = QuantTensor { name: "w".into(), experts: 1, rows, cols: cols + 3, storage };
        for tensor in [affine(bits, group, rows, cols, dtype), odd] {
            let (mut got, mut want) = (vec![0.0; tensor.cols], vec![0.0; tensor.cols]);
            for row in 0..rows {
                detect().dequantize_row(&tensor, row, &mut got);
                Scalar.dequantize_row(&tensor, row, &mut want);
                prop_assert_eq!(bits_of(&got), bits_of(&want));
            }
        }
    }

    #[test]
    fn float_products_are_close_to_f64(cols in 1usize..300, seed in 0u64..1000) {
        let mut next = noise(seed);
        let x: Vec<f32> = (0..cols).map(|_| next()).collect();
        let w: Vec<f32> = (0..4 * cols).map(|_| next()).collect();
        for kernels in [&*detect(), &Scalar] {
            for (row, got) in w.chunks_exact(cols).zip(kernels.dot4(&w, &x)) {
                let exact: f64 = row.iter().zip(&x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                prop_assert!((exact - f64::from(got)).abs() < 1e-5 * cols as f64);
            }
        }
    }

    #[test]
    fn norms_and_activations_are_close_to_f64(len in 1usize..200, seed in 0u64..1000) {
        let mut next = noise(seed);
        let mut random = |scale: f32| (0..len).map(|_| next() * scale).collect::<Vec<f32>>();
        let (x, weight, wide) = (random(2.0), random(1.0), random(90.0));
        for kernels in [&*detect(), &Scalar] {
            let mut out = vec![0.0; len];
            kernels.rms_norm(&mut out, &x, &weight, 1e-6);
            let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / len as f64;
            for i in 0..len {
                let exact = f64::from(x[i]) / (mean + 1e-6).sqrt() * f64::from(weight[i]);
                prop_assert!((exact - f64::from(out[i])).abs() <= 1e-6 * (1.0 + exact.abs()));
            }
            let mut gate = wide.clone();
            kernels.silu_mul(&mut gate, &x);
            for i in 0..len {
                let g = f64::from(wide[i]);
                let exact = g / (1.0 + (-g).exp()) * f64::from(x[i]);
                prop_assert!((exact - f64::from(gate[i])).abs() <= 1e-6 * (1.0 + exact.abs()));
            }
        }
    }

    /// Attention over three pages with arbitrary visible spans, f16 and f32.
    #[test]
    fn attention_is_close_to_f64(
        dim in prop::sample::select(vec![8usize, 20, 64, 72, 128]),
        count in 1usize..6,
        spans in prop::collection::vec((0usize..96, 1usize..96), 6),
        half in any::<bool>(),
        seed in 0u64..1000,
    ) {
        let mut next = noise(seed);
        let mut page = || (0..dim * PAGE_POSITIONS).map(|_| next() * 2.0).collect::<Vec<f32>>();
        let pages: Vec<(Vec<f32>, Vec<f32>)> = (0..3).map(|_| (page(), page())).collect();
        let narrow = |values: &[f32]| values.iter().map(|&x| half::f16::from_f32(x)).collect::<Vec<_>>();
        let halves: Vec<_> = pages.iter().map(|(k, v)| (narrow(k), narrow(v))).collect();
        for kernels in [&*detect(), &Scalar] {
            let mut queries = Queries::default();
            queries.reset(count, dim);
            let mut next = noise(seed + 1);
            queries.q.fill_with(&mut next);
            let mut scratch = vec![];
            for p in 0..3 {
                for (n, &(from, len)) in spans.iter().enumerate().take(count) {
                    queries.from[n] = from.saturating_sub(32 * p).min(32);
                    queries.to[n] = (from + len).min(96).saturating_sub(32 * p).min(32);
                }
                let head = if half {
                    PageHead::F16 { keys: &halves[p].0, values: &halves[p].1 }
                } else {
                    PageHead::F32 { keys: &pages[p].0, values: &pages[p].1 }
                };
                kernels.attend_page(head, &mut queries, &mut scratch);
            }
            let (key, value) = if half {
                let wide = |v: &[half::f16]| v.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
                halves.iter().map(|(k, v)| (wide(k), wide(v))).unzip::<_, _, Vec<_>, Vec<_>>()
            } else {
                let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
                pages.iter().map(|(k, v)| (wide(k), wide(v))).unzip()
            };
            for (n, &(from, len)) in spans.iter().enumerate().take(count) {
                let positions = from..(from + len).min(96);
                let weights: Vec<f64> = positions.clone().map(|p| {
                    (0..dim).map(|i| {
                        f64::from(queries.q[n * dim + i]) * key[p / 32][i * PAGE_POSITIONS + p % 32]
                    }).sum::<f64>().exp()
                }).collect();
                let total: f64 = weights.iter().sum();
                for i in 0..dim {
                    let exact: f64 = positions.clone().zip(&weights)
                        .map(|(p, weight)| weight / total * value[p / 32][p % 32 * dim + i]).sum();
                    let got = f64::from(queries.acc[n * dim + i]) / f64::from(queries.sum[n]);
                    prop_assert!((exact - got).abs() < 1e-5 * dim as f64, "{} {}", exact, got);
                }
            }
        }
    }
}
