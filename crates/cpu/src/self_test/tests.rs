use mlxk_ops::Activation;
use mlxk_tensor::QuantTensor;

use super::*;
use crate::cache::PageHead;
use crate::kernels::{
    Affine, ColumnOrder, DOT_ROWS, QuantRow, QuantRows, Queries, Scalar, Scratch, TILE_ROWS,
};

#[test]
fn every_set_of_this_processor_passes() {
    for set in InstructionSet::available() {
        let found = self_test(set).unwrap();
        assert!(found.differences.is_empty(), "{found:?}");
        assert!(found.compared > 100_000, "{found:?}");
    }
    for set in InstructionSet::ALL
        .into_iter()
        .filter(|set| !InstructionSet::available().any(|it| it == *set))
    {
        assert_eq!(self_test(set), None);
    }
}

/// The portable kernels with a few wrong values, as if the processor or the compiler had a bug.
struct Wrong;

impl Kernels for Wrong {
    fn quantize_row(
        &self,
        x: &[f32],
        order: ColumnOrder,
        block: usize,
        q: &mut [i8],
        scale: &mut [f32],
        sum: &mut [f32],
    ) {
        Scalar.quantize_row(x, order, block, q, scale, sum);
    }

    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]) {
        Scalar.affine_dot(w, row, x, out);
        if w.bits == 5 && w.group_size == 64 {
            out[3] = f32::from_bits(out[3].to_bits() ^ 1);
        }
    }

    fn affine_tile(
        &self,
        w: &Affine<'_>,
        row: usize,
        x: &QuantRows,
        rows: &[usize],
        scratch: &mut Scratch,
    ) {
        Scalar.affine_tile(w, row, x, rows, scratch);
        if w.bits == 3 && w.group_size == 32 && row == 32 {
            scratch.out[TILE_ROWS] = f32::NAN;
        }
    }

    fn dequantize_row(&self, w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]) {
        Scalar.dequantize_row(w, expert, row, out);
        if w.mode() == Some(Mode::Mxfp8) && expert == 1 {
            out[7] += 1.0;
        }
    }

    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4] {
        Scalar.dot4(w, x)
    }

    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>) {
        Scalar.attend_page(page, queries, scratch);
        if matches!(page, PageHead::Codes { values, .. } if values.bits() == 4) {
            queries.acc[0] *= 1.1;
        }
    }

    fn score_keys(&self, keys: &[f32], q: &[f32], weights: &[f32], out: &mut [f32; 32]) {
        Scalar.score_keys(keys, q, weights, out);
        out[31] -= 0.1;
    }

    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
        Scalar.rms_norm(out, x, weight, eps);
    }

    fn gate(&self, gate: &mut [f32], up: &[f32], activation: Activation) {
        Scalar.gate(gate, up, activation);
    }

    fn silu_mul(&self, gate: &mut [f32], up: &[f32]) {
        Scalar.silu_mul(gate, up);
        gate[0] += 1e-3;
    }

    fn add(&self, out: &mut [f32], x: &[f32]) {
        Scalar.add(out, x);
    }
}

#[test]
fn single_wrong_values_are_found_and_named() {
    let found = test(&Wrong, InstructionSet::Portable).differences;
    let named = |kernel: &str, operand: &str| {
        found.iter().any(|it| it.kernel == kernel && it.operand.starts_with(operand))
    };
    assert!(named("affine_dot", "5-bit (group size 64)"), "{found:?}");
    assert!(named("affine_tile", "3-bit (group size 32)"), "{found:?}");
    assert!(named("dequantize_row", "mxfp8"), "{found:?}");
    assert!(named("attend_page", "Affine4"), "{found:?}");
    assert!(named("score_keys", "F16"), "{found:?}");
    assert!(named("silu_mul", "f32"), "{found:?}");
    let kernels: Vec<&str> = found.iter().map(|difference| difference.kernel).collect();
    assert!(!kernels.contains(&"rms_norm") && !kernels.contains(&"dot4"), "{found:?}");
    assert!(found[0].to_string().contains(" gives "), "{}", found[0]);
}
