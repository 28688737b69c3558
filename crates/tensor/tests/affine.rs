//! Properties of packing and quantizing.

use mlxk_tensor::affine::{
    dequantize_row, pack_row, quantize_row, row_bytes, unpack_one, unpack_row,
};
use proptest::prelude::*;

fn widths() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![2_usize, 3, 4, 5, 6, 8])
}

proptest! {
    #[test]
    fn unpacking_undoes_packing(
        bits in widths(), values in prop::collection::vec(any::<u8>(), 0..40), groups in 1_usize..4,
    ) {
        let values: Vec<u8> = values
            .into_iter()
            .cycle()
            .take(32 * groups)
            .map(|value| value & ((1_u16 << bits) - 1) as u8)
            .collect();
        prop_assume!(values.len() == 32 * groups);
        let mut packed = vec![0; row_bytes(values.len(), bits)];
        pack_row(&values, bits, &mut packed);
        let mut unpacked = vec![0; values.len()];
        unpack_row(&packed, bits, &mut unpacked);
        prop_assert_eq!(&unpacked, &values);
        for (index, &value) in values.iter().enumerate() {
            prop_assert_eq!(unpack_one(&packed, bits, index), value);
        }
    }

    #[test]
    fn quantizing_errs_by_half_a_step(
        bits in widths(),
        group_size in prop::sample::select(vec![32_usize, 64, 128]),
        weights in prop::collection::vec(-8.0_f32..8.0, 128),
    ) {
        let mut values = vec![0; 128];
        let groups = 128 / group_size;
        let (mut scales, mut biases) = (vec![0.0; groups], vec![0.0; groups]);
        quantize_row(&weights, bits, group_size, &mut values, &mut scales, &mut biases);
        let mut back = vec![0.0; 128];
        dequantize_row(&values, group_size, &scales, &biases, &mut back);
        for (index, (weight, back)) in weights.iter().zip(&back).enumerate() {
            let group = &weights[index / group_size * group_size..][..group_size];
            let high = group.iter().fold(f32::MIN, |high, &w| high.max(w));
            let low = group.iter().fold(f32::MAX, |low, &w| low.min(w));
            // The step that spans the range, and the one that zero's place on the grid asks for:
            // whatever lies past the end of the grid is clipped to it.
            let step = ((high - low) / ((1 << bits) - 1) as f32).max(scales[index / group_size].abs());
            prop_assert!((weight - back).abs() <= step * 1.01 + 1e-6, "{} {} {}", weight, back, step);
        }
    }
}

#[test]
fn zero_stays_zero() {
    let weights: Vec<f32> =
        (0..32).map(|i| if i % 3 == 0 { 0.0 } else { 0.1 * i as f32 - 1.0 }).collect();
    let (mut values, mut scales, mut biases) = (vec![0; 32], vec![0.0], vec![0.0]);
    quantize_row(&weights, 4, 32, &mut values, &mut scales, &mut biases);
    let mut back = vec![0.0; 32];
    dequantize_row(&values, 32, &scales, &biases, &mut back);
    assert!((0..32).step_by(3).all(|index| back[index].abs() < 1e-6));
    assert!(scales[0] < 0.0, "the positive end is the farther one");
}
