//! Converts a checkpoint: quantizes it, dequantizes it or changes its element type. It works tensor
//! by tensor and needs memory for a few rows only, whatever the size of the model.
//!
//! For the same settings, the tensors equal those of `mlx_lm convert` bit for bit. Weights are
//! quantized in f32 whatever their type, and only the scales are rounded to it. Dequantizing rounds
//! twice, like MLX's arithmetic in the type of the scales.

mod config;
mod files;
mod index;
mod input;
mod pattern;
mod plan;
mod recipe;
mod rule;
mod work;

use std::ops::ControlFlow;
use std::path::Path;

pub use files::{copy_companions, is_module};
pub use index::{RepairedIndex, check_shards, rebuild_index};
pub use plan::Conversion;
pub use recipe::Recipe;
pub use rule::{ModuleMode, Quantization};

use mlxk_tensor::{Dtype, Mode};

use crate::{Checkpoint, FormatError};

/// Callback that receives the bytes written and the total, and may stop the work.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// Change that a conversion makes to the matrices of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// No change.
    Keep,
    /// Turn all matrices into floating-point values.
    Dequantize,
    /// Quantize all matrices, including those that are already quantized.
    Quantize(Quantization),
}

/// Settings of a conversion.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Change to the matrices.
    pub change: Change,
    /// Type of all floating-point values; the one that `config.json` names if `None`.
    pub dtype: Option<Dtype>,
    /// Maximum size of a file with weights.
    pub max_shard_bytes: u64,
    /// `true` to leave out the parts for images and sound.
    pub text_only: bool,
}

impl Options {
    /// Returns settings with this change and otherwise the defaults of mlx-lm.
    pub const fn new(change: Change) -> Self {
        Self { change, dtype: None, max_shard_bytes: 5 << 30, text_only: false }
    }
}

/// Destination of a tensor of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A tensor of this name.
    As(String),
    /// None: the tensor follows from others or is unused.
    Drop,
    /// A place in a stack.
    Stacked(String, usize),
    /// Two tensors that take the rows of each matrix alternately; the first row goes to the first
    /// one.
    ByTurns([String; 2]),
    /// Two tensors that take one half of the rows of each matrix each; the first half goes to the first
    /// one.
    Halves([String; 2]),
    /// Tensors that take equally many consecutive rows of a matrix each, in order.
    Shares(Vec<String>),
    /// Like [`Placement::Shares`], with rows and columns exchanged in each of them.
    TurnedShares(Vec<String>),
}

/// Arithmetic that brings the values of a tensor into MLX's form. Numbers and results are rounded to the
/// type of the tensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Arithmetic {
    /// No change.
    #[default]
    None,
    /// A number is added to every value.
    Add(f32),
    /// Every value is multiplied by a number.
    Multiply(f32),
    /// Every row of a matrix is multiplied by a number of its own, and all numbers by another before.
    MultiplyRows {
        /// Factor of all rows.
        common: f32,
        /// Factor of each row.
        rows: Vec<f32>,
    },
    /// Every row of a matrix is divided by its length plus a small number.
    UnitRows {
        /// The number.
        eps: f32,
    },
}

/// Rule for quantizing a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleRule {
    /// No special rule.
    Usual,
    /// A fixed mode, whatever the others have.
    Own(Mode),
    /// Never quantized, because it is not a matrix product.
    Never,
}

/// Knowledge of a model family about its tensors.
pub trait Naming {
    /// Returns the destination of the tensor `name` of a checkpoint from elsewhere.
    fn place(&self, name: &str) -> Placement;

    /// Returns the rule for quantizing the module `path`.
    fn module(&self, path: &str) -> ModuleRule;

    /// Returns `true` if the tensor `name` belongs to a part for images or sound. It keeps its name
    /// and its values, or is left out with [`Options::text_only`].
    fn is_other_modality(&self, _name: &str) -> bool {
        false
    }

    /// Returns `true` if the tensor that will be called `name` has the filters of a convolution over time,
    /// `[columns, 1, kernel]` in published checkpoints and `[columns, kernel, 1]` in MLX.
    fn is_filters(&self, _name: &str) -> bool {
        false
    }

    /// Returns the arithmetic on the tensor that will be called `name`.
    fn arithmetic(&self, _name: &str) -> Arithmetic {
        Arithmetic::None
    }

    /// Returns `true` if the tensor `name` keeps its element type whatever the others get.
    fn keeps_type(&self, _name: &str) -> bool {
        false
    }
}

/// Naming that changes no name and has no special modules.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsIs;

impl Naming for AsIs {
    fn place(&self, name: &str) -> Placement {
        Placement::As(name.to_owned())
    }

    fn module(&self, _path: &str) -> ModuleRule {
        ModuleRule::Usual
    }
}

/// Converts the checkpoint into the empty folder `output`: weights and `config.json`. Use
/// [`copy_companions`] for the other files of a model.
pub fn convert(
    checkpoint: &Checkpoint,
    naming: &dyn Naming,
    options: &Options,
    output: &Path,
    progress: &mut Progress<'_>,
) -> Result<(), FormatError> {
    Conversion::plan(checkpoint, naming, options)?.write(output, progress)
}

#[cfg(test)]
mod tests;
