//! Storage forms of weights, by their names on the command line.

use std::fmt;
use std::str::FromStr;

use mlxk_tensor::{Dtype, Mode};

/// A quantization mode or an element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightForm {
    /// One of MLX's modes.
    Quantized(Mode),
    /// Floating-point values.
    Dense(Dtype),
}

/// The forms that one name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightForms(pub Vec<WeightForm>);

/// Error for an unknown form.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown weight format; expected bits (`4`, for all group sizes), bits and group size \
     (`4:64`), `mxfp4`, `mxfp8`, `nvfp4`, `bf16`, `f16`, `f32` or `all`"
)]
pub struct UnknownForm;

impl WeightForm {
    /// Returns all modes of MLX and all types of dense weights.
    pub fn all() -> impl Iterator<Item = Self> {
        let dense = [Dtype::Bf16, Dtype::F16, Dtype::F32];
        Mode::all().map(Self::Quantized).chain(dense.map(Self::Dense))
    }

    /// Returns the number of values that share a scale, or 1 for dense weights.
    pub const fn group_size(self) -> usize {
        match self {
            Self::Quantized(mode) => mode.group_size(),
            Self::Dense(_) => 1,
        }
    }
}

impl fmt::Display for WeightForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantized(Mode::Affine { bits, group_size }) => write!(f, "{bits}:{group_size}"),
            Self::Quantized(mode) => f.write_str(mode.name()),
            Self::Dense(dtype) => f.write_str(&dtype.name().to_lowercase()),
        }
    }
}

impl FromStr for WeightForms {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        let named = |form: &WeightForm| {
            let name = form.to_string();
            text == "all"
                || name == text
                || name.split_once(':').is_some_and(|(bits, _)| bits == text)
        };
        let forms: Vec<WeightForm> = WeightForm::all().filter(named).collect();
        if forms.is_empty() { Err(UnknownForm) } else { Ok(Self(forms)) }
    }
}

/// Shape of a weight matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// Output features.
    pub out: usize,
    /// Input features.
    pub cols: usize,
}

/// Error for a malformed shape.
#[derive(Debug, thiserror::Error)]
#[error("malformed shape; expected outputs and inputs, as in `4096x4096`")]
pub struct UnknownShape;

/// Larger than any matrix of a model.
const MAX_SIDE: usize = 1 << 20;

impl FromStr for MatrixShape {
    type Err = UnknownShape;

    fn from_str(text: &str) -> Result<Self, UnknownShape> {
        let (out, cols) = text.split_once(['x', 'X', '×']).ok_or(UnknownShape)?;
        let side = |text: &str| {
            text.trim()
                .parse()
                .ok()
                .filter(|side| (1..=MAX_SIDE).contains(side))
                .ok_or(UnknownShape)
        };
        Ok(Self { out: side(out)?, cols: side(cols)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        let forms = text.parse::<WeightForms>().map_or_else(|_| vec![], |forms| forms.0);
        forms.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_stand_for_one_form_or_several() {
        assert_eq!(forms("4:64"), ["4:64"]);
        assert_eq!(forms("4"), ["4:32", "4:64", "4:128"]);
        assert_eq!(forms("nvfp4"), ["nvfp4"]);
        assert_eq!(forms("bf16"), ["bf16"]);
        assert_eq!(forms("all").len(), 6 * 3 + 3 + 3);
        for unknown in ["7", "4:63", "", "affine", "BF16", ":"] {
            assert!(forms(unknown).is_empty(), "{unknown}");
        }
    }

    #[test]
    fn shapes_are_outputs_by_inputs() {
        let shape =
            |text: &str| text.parse::<MatrixShape>().ok().map(|shape| (shape.out, shape.cols));
        assert_eq!(shape("8960x1536"), Some((8960, 1536)));
        for wrong in ["4096", "0x64", "64x", "ax64", "99999999x64", "-1x64"] {
            assert_eq!(shape(wrong), None, "{wrong}");
        }
    }
}
