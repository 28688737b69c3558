//! Compares the kernels of this processor with the portable ones, and those with f64. These are the
//! comparisons of the self-test, over operands of many shapes.

use mlxk_ops::KvFormat;
use mlxk_tensor::{Dtype, Mode};
use proptest::prelude::*;

use super::*;
use crate::self_test::{
    Comparison, attention, bf16_products, dequantized_rows, elementwise, float_products, products,
    recurrent, tensor,
};

/// Runs a comparison for every instruction set that this processor supports.
fn compare(with: impl Fn(&dyn Kernels, &mut Comparison)) -> Result<(), TestCaseError> {
    for set in InstructionSet::available() {
        let mut comparison = Comparison::default();
        with(&*of(set).unwrap(), &mut comparison);
        let differences = comparison.into_differences();
        prop_assert!(differences.is_empty(), "{}: {differences:?}", set.name());
    }
    Ok(())
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

#[test]
fn all_modes_but_mxfp8_are_codes() {
    for mode in Mode::all() {
        let tensor = tensor(Some(mode), 1, mode.group_size(), Dtype::F16);
        assert_eq!(Affine::of(&tensor, 1).is_none(), mode == Mode::Mxfp8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn integer_products((mode, rows, cols, tokens, dtype) in shapes()) {
        let tensor = tensor(Some(mode), rows, cols, dtype);
        compare(|kernels, comparison| products(kernels, &tensor, tokens, comparison))?;
    }

    #[test]
    fn rows_as_floats((mode, rows, cols, _, dtype) in shapes()) {
        for tensor in [tensor(Some(mode), rows, cols, dtype), tensor(None, rows, cols + 3, dtype)] {
            compare(|kernels, comparison| dequantized_rows(kernels, &tensor, comparison))?;
        }
    }

    #[test]
    fn floats(len in 1usize..300, seed in 0u64..1000) {
        compare(|kernels, comparison| {
            float_products(kernels, len, seed, comparison);
            bf16_products(kernels, len, seed, comparison);
            elementwise(kernels, len, seed, comparison);
            recurrent(kernels, len, seed, comparison);
        })?;
    }

    /// Attention over three pages with arbitrary visible spans. Each span belongs to several
    /// consecutive queries, like those of the heads that share a key.
    #[test]
    fn attention_over_pages(
        dim in prop::sample::select(vec![8usize, 20, 64, 72, 128]),
        value_dim in prop::sample::select(vec![8usize, 64, 72]),
        spans in prop::collection::vec((0usize..96, 1usize..96), 1..6),
        alike in 1usize..9,
        format in prop::sample::select(
            vec![KvFormat::F32, KvFormat::F16, KvFormat::Affine8, KvFormat::Affine4],
        ),
        seed in 0u64..1000,
    ) {
        let spans: Vec<_> =
            spans.into_iter().flat_map(|span| std::iter::repeat_n(span, alike)).collect();
        compare(|kernels, comparison| {
            attention(kernels, format, [dim, value_dim], &spans, seed, comparison);
        })?;
    }
}
