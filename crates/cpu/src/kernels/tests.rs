//! The kernels of this processor against the portable ones, and those against f64.

use mlxk_format::{Bytes, Dense, Dtype, Mode, QuantTensor, Storage};
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

/// A stack of two matrices in any mode, `None` being dense.
fn tensor(mode: Option<Mode>, rows: usize, cols: usize, dtype: Dtype) -> QuantTensor {
    let mut next = noise((mode.map_or(1, Mode::bits) * rows * cols) as u64);
    let mut bytes = |count: usize| -> Vec<u8> {
        (0..count).map(|_| ((next() + 1.0) * 128.0).min(255.0) as u8).collect()
    };
    let values = 2 * rows * cols;
    let storage = match mode {
        None => {
            let mut next = noise(cols as u64);
            Storage::Dense(dense(dtype, (0..values).map(|_| next())))
        }
        Some(Mode::Affine { bits, group_size }) => {
            let (bits, group_size) = (usize::from(bits), usize::from(group_size));
            let packed = bytes(values * bits / 8).into();
            let mut next = noise((bits * cols) as u64);
            let count = values / group_size;
            let scales = dense(dtype, (0..count).map(|_| next() * 0.02));
            let biases = dense(dtype, (0..count).map(|_| next() * 0.1));
            Storage::Affine { bits, group_size, packed, scales, biases }
        }
        Some(mode) => {
            // Usual scales, and the smallest; NaN would spoil every comparison.
            let scales = bytes(values / mode.group_size()).into_iter().map(|byte| match byte {
                0..6 => 0,
                _ if mode == Mode::Nvfp4 => byte & 0x3f | (byte & 0x40) << 1,
                _ => 118 + byte % 8,
            });
            let scales: Vec<u8> = scales.collect();
            let global_scale = (mode == Mode::Nvfp4 && dtype == Dtype::F16).then(|| vec![0.7, 0.3]);
            // 0x7f and 0xff are NaN in E4M3.
            let packed = bytes(values * mode.bits() / 8).into_iter();
            let packed = packed.map(|byte| if mode == Mode::Mxfp8 { byte & 0xbf } else { byte });
            let packed = packed.collect::<Vec<u8>>().into();
            Storage::Block { mode, packed, scales: scales.into(), global_scale }
        }
    };
    QuantTensor { name: "w".into(), experts: 2, rows, cols, storage }
}

/// What this processor runs.
fn available() -> Vec<Box<dyn Kernels>> {
    InstructionSet::available().filter_map(of).collect()
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

/// Mode, rows, columns, activation rows, type of the scales.
fn shapes() -> impl Strategy<Value = (Mode, usize, usize, usize, Dtype)> {
    (
        prop::sample::select(Mode::all().collect::<Vec<_>>()),
        1usize..40,
        1usize..24,
        1usize..10,
        prop::sample::select(vec![Dtype::F32, Dtype::F16, Dtype::Bf16]),
    )
        .prop_map(|(mode, rows, groups, tokens, dtype)| {
            (mode, rows, groups * mode.group_size(), tokens, dtype)
        })
}

/// The bits, −0 and 0 being the same.
fn bits_of(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| (value + 0.0).to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Integer products: the same bits from every implementation, tiled or not, and close to the
    /// product of the quantized values in f64.
    #[test]
    fn products_agree((mode, rows, cols, tokens, dtype) in shapes()) {
        let tensor = tensor(Some(mode), rows, cols, dtype);
        let Some(w) = Affine::of(&tensor, 1) else {
            prop_assert_eq!(mode, Mode::Mxfp8);
            return Ok(());
        };
        let mut next = noise(tokens as u64);
        let x: Vec<f32> = (0..tokens * cols).map(|_| next() * 3.0).collect();
        for kernels in available() {
            let (q, reference) = (quantized(&*kernels, &w, &x), quantized(&Scalar, &w, &x));
            prop_assert_eq!(&q.q, &reference.q);
            prop_assert_eq!(bits_of(&q.scale), bits_of(&reference.scale));
            prop_assert_eq!(bits_of(&q.sum), bits_of(&reference.sum));
            let mut scratch = Scratch::default();
            // Some of the activation rows, in another order.
            let wanted: Vec<usize> = (0..tokens).rev().step_by(1 + tokens % 2).collect();
            for row in (0..rows).step_by(TILE_ROWS) {
                kernels.affine_tile(&w, row, &q, &wanted, &mut scratch);
                for (i, &r) in wanted.iter().enumerate() {
                    for part in 0..2 {
                        let (mut got, mut want) = ([0.0; DOT_ROWS], [0.0; DOT_ROWS]);
                        let first = row + part * DOT_ROWS;
                        if first >= rows {
                            continue;
                        }
                        kernels.affine_dot(&w, first, q.row(r), &mut got);
                        Scalar.affine_dot(&w, first, q.row(r), &mut want);
                        prop_assert_eq!(bits_of(&got), bits_of(&want));
                        let tiled = &scratch.out[i * TILE_ROWS + part * DOT_ROWS..][..DOT_ROWS];
                        prop_assert_eq!(bits_of(tiled), bits_of(&want));
                        let mut line = vec![0.0; cols];
                        tensor.dequantize_row(1, first, &mut line);
                        let (mut exact, mut size) = (0.0, 0.0);
                        for (column, &line) in line.iter().enumerate() {
                            let at = column / SPAN * SPAN
                                + scalar::place(w.order(), q.block, column % SPAN);
                            let x = f64::from(q.q[r * q.stride + at])
                                * f64::from(q.scale[r * q.blocks() + column / q.block]);
                            exact += f64::from(line) * x;
                            size += (f64::from(line) * x).abs();
                        }
                        // Codes and biases cancel: fp4's zero alone is twelve half scales.
                        let error = (exact - f64::from(want[0])).abs();
                        prop_assert!(error < 1e-3 + 1e-5 * size, "{} {}", exact, want[0]);
                    }
                }
            }
        }
    }

    /// Rows as f32: the very values of the format, from every implementation, for every storage.
    #[test]
    fn dequantized_rows_agree((mode, rows, cols, _, dtype) in shapes()) {
        let odd = tensor(None, rows, cols + 3, dtype);
        for tensor in [tensor(Some(mode), rows, cols, dtype), odd] {
            let (mut got, mut want) = (vec![0.0; tensor.cols], vec![0.0; tensor.cols]);
            for row in 0..rows {
                for expert in 0..2 {
                    tensor.dequantize_row(expert, row, &mut want);
                    for kernels in available() {
                        kernels.dequantize_row(&tensor, expert, row, &mut got);
                        prop_assert_eq!(bits_of(&got), bits_of(&want));
                    }
                }
            }
        }
    }

    #[test]
    fn float_products_are_close_to_f64(cols in 1usize..300, seed in 0u64..1000) {
        let mut next = noise(seed);
        let x: Vec<f32> = (0..cols).map(|_| next()).collect();
        let w: Vec<f32> = (0..4 * cols).map(|_| next()).collect();
        for kernels in available() {
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
        for kernels in available() {
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
        for kernels in available() {
            let mut queries = Queries::default();
            queries.reset(count, dim, dim);
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
