//! Against MLX itself: every mode, bit by bit. The files are made by `golden/make.py`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use mlxk_format::Checkpoint;
use mlxk_tensor::{Mode, affine};

fn open() -> Checkpoint {
    Checkpoint::open(&common::golden("modes")).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    // Adding zero turns -0 into 0: MLX's sums and ours may differ in that sign.
    values.iter().map(|value| (value + 0.0).to_bits()).collect()
}

fn floats(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    checkpoint.dense(name).unwrap().1.to_f32()
}

fn affine_modes() -> impl Iterator<Item = (String, usize, usize)> {
    let plain = Mode::all().filter_map(|mode| match mode {
        Mode::Affine { bits, group_size } => {
            Some((format!("affine_{bits}_{group_size}"), bits.into(), group_size.into()))
        }
        _ => None,
    });
    plain.chain([("bf16_4_64".to_owned(), 4, 64), ("f16_8_32".to_owned(), 8, 32)])
}

#[test]
fn affine_groups_are_dequantized_as_mlx_does() {
    let checkpoint = open();
    for (name, width, group_size) in affine_modes() {
        let weight = checkpoint.weight(&name, 3, 128).unwrap();
        assert_eq!(weight.mode(), Mode::affine(width as u64, group_size as u64), "{name}");
        let expected = floats(&checkpoint, &format!("expected.{name}"));
        assert_eq!(bits(&weight.dequantize()), bits(&expected), "{name}");
    }
}

#[test]
fn affine_groups_are_quantized_as_mlx_does() {
    let checkpoint = open();
    for (name, width, group_size) in affine_modes() {
        let dtype = checkpoint.dense(&format!("{name}.scales")).unwrap().1.dtype;
        // MLX reads the weights in their type, and rounds scales to it in the end.
        let input: Vec<f32> = {
            let mut data = Vec::new();
            for value in floats(&checkpoint, "input") {
                dtype.put(value, &mut data);
            }
            (0..3 * 128).map(|index| dtype.get(&data, index)).collect()
        };
        let groups = 128 / group_size;
        let (mut values, mut packed) = (vec![0; 128], vec![0; affine::row_bytes(128, width)]);
        let (mut scales, mut biases) = (vec![0.0; groups], vec![0.0; groups]);
        let mut all = (Vec::new(), Vec::new(), Vec::new());
        for row in input.chunks(128) {
            affine::quantize_row(row, width, group_size, &mut values, &mut scales, &mut biases);
            affine::pack_row(&values, width, &mut packed);
            all.0.extend_from_slice(&packed);
            for (&scale, &bias) in scales.iter().zip(&biases) {
                dtype.put(scale, &mut all.1);
                dtype.put(bias, &mut all.2);
            }
        }
        let Ok(mlxk_tensor::QuantTensor {
            storage: mlxk_tensor::Storage::Affine { packed, scales, biases, .. },
            ..
        }) = checkpoint.weight(&name, 3, 128)
        else {
            panic!("{name} is affine")
        };
        assert_eq!(all.0, *packed, "values of {name}");
        assert_eq!(all.1, *scales.data, "scales of {name}");
        assert_eq!(all.2, *biases.data, "biases of {name}");
    }
}

#[test]
fn block_modes_are_dequantized_as_mlx_does() {
    let checkpoint = open();
    for (name, mode) in [("mxfp4", Mode::Mxfp4), ("mxfp8", Mode::Mxfp8), ("nvfp4", Mode::Nvfp4)] {
        let weight = checkpoint.weight(name, 3, 128).unwrap();
        assert_eq!(weight.mode(), Some(mode));
        let expected = floats(&checkpoint, &format!("expected.{name}"));
        assert_eq!(bits(&weight.dequantize()), bits(&expected), "{name}");
    }
    let every = checkpoint.weight("every_e4m3", 1, 256).unwrap().dequantize();
    assert_eq!(bits(&every), bits(&floats(&checkpoint, "expected.every_e4m3")));
    let every = checkpoint.weight("every_e8m0", 252, 32).unwrap().dequantize();
    let firsts: Vec<f32> = every.iter().copied().step_by(32).collect();
    assert_eq!(bits(&firsts), bits(&floats(&checkpoint, "expected.every_e8m0")));
}

#[test]
fn experts_have_their_own_global_scale() {
    let checkpoint = open();
    let stack = checkpoint.weight_stack("stack", 2, 2, 32).unwrap();
    let found = stack.dequantize();
    let expected = floats(&checkpoint, "expected.stack");
    for (found, expected) in found.iter().zip(&expected) {
        // The three factors may be multiplied in another order.
        assert!((found - expected).abs() <= 2e-7 * expected.abs(), "{found} {expected}");
    }
}
