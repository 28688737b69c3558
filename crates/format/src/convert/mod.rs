//! From one checkpoint to another: quantizing, dequantizing, another element type; tensor by tensor,
//! so that a model of any size needs memory for a few rows only.
//!
//! For equal settings the tensors are those of `mlx_lm convert`, bit for bit: weights are quantized
//! in f32 whatever their type, and only the scales are rounded to it; dequantizing rounds twice, as
//! MLX's arithmetic in the type of the scales does.

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

pub use files::copy_companions;
pub use index::{RepairedIndex, rebuild_index};
pub use plan::Conversion;
pub use recipe::Recipe;
pub use rule::{ModuleMode, Quantization};

use mlxk_tensor::{Dtype, Mode};

use crate::{Checkpoint, FormatError};

/// Hears how many of how many bytes are written, and may stop the work.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// What a conversion does with the matrices of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// They stay as they are.
    Keep,
    /// All become floating values.
    Dequantize,
    /// They are quantized, quantized ones anew.
    Quantize(Quantization),
}

/// What a conversion does.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// To the matrices.
    pub change: Change,
    /// The type of all floating values; the one that `config.json` names where there is none.
    pub dtype: Option<Dtype>,
    /// Files of weights end before they exceed this.
    pub max_shard_bytes: u64,
}

impl Options {
    /// A change and nothing else, with the largest files that mlx-lm writes.
    pub const fn new(change: Change) -> Self {
        Self { change, dtype: None, max_shard_bytes: 5 << 30 }
    }
}

/// Where a tensor of the source goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Into a tensor of this name.
    As(String),
    /// Nowhere: it follows from the rest, or is of no use.
    Drop,
    /// Into a stack, at this place.
    Stacked(String, usize),
    /// The rows of each matrix by turns into two tensors, the first row into the first.
    ByTurns([String; 2]),
}

/// How the modules of a model may be quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleRule {
    /// Like most of them.
    Usual,
    /// In a mode of its own, whatever the others have.
    Own(Mode),
    /// Not at all: it is no matrix product.
    Never,
}

/// What a family of models knows about its tensors.
pub trait Naming {
    /// Where the tensor `name` of a checkpoint of another origin goes.
    fn place(&self, name: &str) -> Placement;

    /// How the module `path` may be quantized.
    fn module(&self, path: &str) -> ModuleRule;

    /// Whether the tensor `name` keeps its element type whatever the others get.
    fn keeps_type(&self, _name: &str) -> bool {
        false
    }
}

/// Names as they are, and no module special.
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

/// Converts the checkpoint into the empty folder `output`: weights and `config.json`. What else
/// belongs to a model is copied with [`copy_companions`].
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
