//! Weights for a product: random codes, and scales of the usual size.

use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage, affine};

use super::form::{MatrixShape, WeightForm};
use crate::random::Random;

/// Returns a weight whose values are centered at zero.
pub(super) fn tensor(form: WeightForm, shape: MatrixShape) -> QuantTensor {
    let MatrixShape { out, cols } = shape;
    let mut random = Random::of("kernels");
    let mut bytes = |count: usize| random.bytes(count);
    let storage = match form {
        WeightForm::Dense(dtype) => {
            let mut data = Vec::with_capacity(out * cols * dtype.size_bytes());
            for _ in 0..out * cols {
                dtype.put(random.signed(), &mut data);
            }
            Storage::Dense(Dense { dtype, data: data.into() })
        }
        WeightForm::Quantized(mode) => {
            let mut packed = bytes(out * affine::row_bytes(cols, mode.bits()));
            if mode == Mode::Mxfp8 {
                // Below 2 in E4M3, so never NaN.
                for byte in &mut packed {
                    *byte &= 0xbf;
                }
            }
            let packed = packed.into();
            let groups = out * cols / mode.group_size();
            let same = |value: f32| {
                let mut data = Vec::with_capacity(2 * groups);
                (0..groups).for_each(|_| Dtype::Bf16.put(value, &mut data));
                Dense { dtype: Dtype::Bf16, data: data.into() }
            };
            let steps = ((1_u32 << mode.bits()) - 1) as f32;
            match mode {
                Mode::Affine { bits, group_size } => Storage::Affine {
                    bits: bits.into(),
                    group_size: group_size.into(),
                    packed,
                    scales: same(2.0 / steps),
                    biases: same(-1.0),
                },
                // 1 in E4M3, and close to 1 in E8M0.
                mode => Storage::Block {
                    mode,
                    packed,
                    scales: vec![if mode == Mode::Nvfp4 { 0x38 } else { 127 }; groups].into(),
                    global_scale: None,
                },
            }
        }
    };
    QuantTensor { name: "w".to_owned(), experts: 1, rows: out, cols, storage }
}

/// Returns a copy of the weight in memory of its own.
pub(super) fn copy(tensor: &QuantTensor) -> QuantTensor {
    let all = 0..tensor.rows;
    let mut copy = tensor.stack_of_rows(std::slice::from_ref(&all));
    // The engine moves its weights to huge pages as well. If there are none, the copy stays where
    // it is.
    let _ = mlxk_memory::move_to_huge_pages(&mut copy.bytes_mut());
    copy
}
