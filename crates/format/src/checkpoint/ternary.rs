//! Matrices of -1, 0 and 1 with one factor, as BitNet b1.58 stores them (Ma et al., 2024, arXiv:2402.17764).
//!
//! A byte has the codes of one column of four rows, a quarter of the matrix apart from each other. Two bits
//! with a scale and a bias say the same: `code · factor - factor`. So kernels need no form of their own.

use serde_json::Value;

use crate::error::FormatError;
use crate::safetensors::{ElementType, Entry};
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage};

use super::Checkpoint;

/// Rows in a byte.
pub(super) const ROWS: usize = 4;
/// Bits of a code.
const BITS: usize = 2;
/// Group sizes of affine modes. The factors repeat, so the largest that fits is the best.
const GROUP_SIZES: [usize; 3] = [128, 64, 32];

/// Ternary matrices, as `config.json` describes them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ternary {
    /// `true` if matrices may be ternary.
    is_expected: bool,
    /// `true` if the files have the reciprocals of the factors.
    is_inverted: bool,
}

impl Ternary {
    /// Reads the configuration as mlx-lm does: the model type has ternary matrices of its own, and those of
    /// all other types are in the form that `linear_class` names.
    pub(super) fn new(config: &Value, quant_method: Option<&str>) -> Self {
        if config.get("model_type").is_some_and(|name| name == "bitnet") {
            return Self { is_expected: true, is_inverted: false };
        }
        let class = config.get("quantization_config").and_then(|table| table.get("linear_class"));
        Self {
            is_expected: quant_method == Some("bitnet"),
            is_inverted: class.is_none_or(|class| class != "autobitlinear"),
        }
    }
}

impl Checkpoint {
    /// Returns the factor of the ternary matrix of the module `path`, or `None` if it is not ternary.
    pub(super) fn ternary_factor(&self, path: &str, weight: &Entry) -> Option<&Entry> {
        let factor = self.tensors.get(&format!("{path}.weight_scale"))?;
        let is_number = factor.shape.iter().product::<usize>() == 1;
        (self.table.ternary.is_expected && weight.dtype == ElementType::U8 && is_number)
            .then_some(factor)
    }

    /// Returns the ternary matrix `[rows, cols]` of the module `path` in affine groups of two bits.
    pub(super) fn ternary(
        &self,
        path: &str,
        [weight, factor]: [&Entry; 2],
        [rows, cols]: [usize; 2],
    ) -> Result<QuantTensor, FormatError> {
        let name = format!("{path}.weight");
        let shape = |expected| FormatError::Shape {
            tensor: name.clone(),
            found: weight.shape.clone(),
            expected,
        };
        if !rows.is_multiple_of(ROWS) || weight.shape != [rows / ROWS, cols] {
            return Err(shape(format!("[{rows}/{ROWS}, {cols}]")));
        }
        let group_size =
            group_size(cols).ok_or_else(|| shape("a multiple of 32 columns".to_owned()))?;
        let stored = self.floats(&format!("{path}.weight_scale"), factor)?;
        let (factor, dtype) = match (stored.get(0), self.table.ternary.is_inverted) {
            (factor, false) => (factor, stored.dtype),
            (divisor, true) => (1.0 / divisor, Dtype::F32),
        };
        let all = |value: f32| {
            let mut data = Vec::new();
            for _ in 0..rows * cols / group_size {
                dtype.put(value, &mut data);
            }
            Dense { dtype, data: data.into() }
        };
        let storage = Storage::Affine {
            bits: BITS,
            group_size,
            packed: repacked(&weight.data, [rows, cols]).into(),
            scales: all(factor),
            biases: all(-factor),
        };
        Ok(QuantTensor { name: path.to_owned(), experts: 1, rows, cols, storage })
    }
}

/// Returns the mode that a ternary matrix of this width becomes.
pub(super) fn mode(cols: usize) -> Option<Mode> {
    Mode::affine(BITS as u64, group_size(cols)? as u64)
}

fn group_size(cols: usize) -> Option<usize> {
    GROUP_SIZES.into_iter().find(|&size| cols.is_multiple_of(size))
}

/// Puts the codes of each row next to each other, as MLX packs two bits.
fn repacked(bytes: &[u8], [rows, cols]: [usize; 2]) -> Vec<u8> {
    let per_byte = 8 / BITS;
    let mut packed = Vec::with_capacity(rows * cols / per_byte);
    for quarter in 0..ROWS {
        for row in bytes.chunks_exact(cols) {
            packed.extend(row.chunks_exact(per_byte).map(|columns| {
                let codes = columns.iter().map(|byte| byte >> (BITS * quarter) & 3);
                codes.rev().fold(0, |byte, code| byte << BITS | code)
            }));
        }
    }
    packed
}
