//! Checks that the kernels compute correctly on this processor. Every kernel of an instruction set
//! runs on made-up operands of every form. Integer products are compared bit by bit with the
//! portable kernels; these and all floats are compared with f64.
//!
//! The tests of the kernels make the same comparisons over many more shapes.

mod attention;
mod comparison;
mod floats;
mod operands;
mod products;
mod recurrent;

use mlxk_ops::KvFormat;
use mlxk_tensor::{Dtype, Mode};

use crate::InstructionSet;
use crate::kernels::{self, Kernels};
pub(crate) use attention::attention;
#[cfg(test)]
pub(crate) use attention::wide;
pub(crate) use comparison::Comparison;
pub use comparison::Difference;
pub(crate) use floats::{bf16_products, elementwise, float_products};
#[cfg(test)]
pub(crate) use operands::noise;
pub(crate) use operands::tensor;
pub(crate) use products::{dequantized_rows, products};
pub(crate) use recurrent::recurrent;

/// Result of the self-test of an instruction set.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfTest {
    /// The instruction set.
    pub instructions: InstructionSet,
    /// Number of forms of weights that the products were tested with.
    pub forms: usize,
    /// Number of values that were compared.
    pub compared: u64,
    /// The first difference of each kernel and operand.
    pub differences: Vec<Difference>,
}

/// Neither a whole number of tiles, nor of spans for any group size.
const ROWS: usize = 37;
const GROUPS: usize = 5;
/// One more than a tile takes.
const TOKENS: usize = 5;
const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::Bf16];
const KV_FORMATS: [KvFormat; 4] =
    [KvFormat::F32, KvFormat::F16, KvFormat::Affine8, KvFormat::Affine4];

/// Tests the kernels of an instruction set, which takes a fraction of a second. Returns `None` if
/// this processor does not support it.
pub fn self_test(set: InstructionSet) -> Option<SelfTest> {
    kernels::of(set).map(|kernels| test(&*kernels, set))
}

fn test(kernels: &dyn Kernels, instructions: InstructionSet) -> SelfTest {
    let mut comparison = Comparison::default();
    let modes: Vec<Mode> = Mode::all().collect();
    for dtype in DTYPES {
        for &mode in &modes {
            let weight = tensor(Some(mode), ROWS, GROUPS * mode.group_size(), dtype);
            products(kernels, &weight, TOKENS, &mut comparison);
            dequantized_rows(kernels, &weight, &mut comparison);
        }
        let dense = tensor(None, ROWS, GROUPS * 32 + 3, dtype);
        dequantized_rows(kernels, &dense, &mut comparison);
    }
    for len in [1, 31, 64, 203] {
        float_products(kernels, len, 1, &mut comparison);
        bf16_products(kernels, len, 1, &mut comparison);
        elementwise(kernels, len, 1, &mut comparison);
        recurrent(kernels, len, 1, &mut comparison);
    }
    for format in KV_FORMATS {
        for dims in [[64, 64], [80, 80], [128, 96]] {
            attention(kernels, format, dims, &[(0, 96), (17, 40), (40, 9)], 1, &mut comparison);
        }
    }
    SelfTest {
        instructions,
        forms: modes.len() + DTYPES.len(),
        compared: comparison.compared(),
        differences: comparison.into_differences(),
    }
}

#[cfg(test)]
mod tests;
