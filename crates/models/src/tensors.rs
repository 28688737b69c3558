//! The tensors of a model, as a list.

/// A tensor of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorNeed {
    /// Full name, such as `model.norm.weight`.
    pub name: String,
    /// Kind and shape.
    pub kind: TensorKind,
}

/// The kind of a tensor, with its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// A matrix `[rows, cols]`, which may be quantized.
    Matrix {
        /// Output features.
        rows: usize,
        /// Input features.
        cols: usize,
    },
    /// A stack of such matrices.
    Stack {
        /// Number of matrices.
        count: usize,
        /// Output features of each.
        rows: usize,
        /// Input features of each.
        cols: usize,
    },
    /// Floating-point values of this shape, such as those of a norm or a bias.
    Floats(Vec<usize>),
}
