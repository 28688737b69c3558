//! Modules of packs for rotated activations: matrices of 2 bits, each with a vector of signs and the width of the blocks
//! in which its inputs are rotated.

use std::collections::HashMap;

use mlxk_ops::{HadamardSpec, Weight};
use mlxk_tensor::{Mode, QuantTensor};

use super::Loader;
use super::source::Source;
use crate::error::ModelError;

/// Storage of all modules.
const MODE: Mode = Mode::Affine { bits: 2, group_size: 128 };

/// A module as `config.json` lists it.
#[derive(Clone, Debug)]
pub(crate) struct PackedModule {
    /// Path below the prefix of the language model.
    pub(crate) path: String,
    /// Width of the blocks; `None` if the inputs are not rotated.
    pub(crate) block: Option<usize>,
}

/// The modules by their paths.
#[derive(Default)]
pub(super) struct PackedModules(HashMap<String, Packed>);

struct Packed {
    block: Option<usize>,
    is_used: bool,
}

impl PackedModules {
    /// Refuses modules that no part of the model has loaded.
    pub(super) fn check_used(&self) -> Result<(), ModelError> {
        let mut unused = self.0.iter().filter(|(_, packed)| !packed.is_used);
        match unused.next() {
            None => Ok(()),
            Some((path, _)) => Err(bad(path, "the path of a matrix of the model")),
        }
    }
}

/// Returns the error for a module.
fn bad(path: &str, expected: impl Into<String>) -> ModelError {
    let found = path.chars().take(60).collect();
    ModelError::BadValue { key: "modules".to_owned(), found, expected: expected.into() }
}

impl Loader<'_> {
    /// Sets the modules of a pack.
    pub(crate) fn pack(&mut self, modules: &[PackedModule]) {
        let packed = |block| Packed { block, is_used: false };
        let modules = modules.iter().map(|it| (it.path.clone(), packed(it.block)));
        self.packed = PackedModules(modules.collect());
    }

    /// Loads the matrix of the module `path`, or a part of its rows, with its rotation if it has one.
    pub(super) fn load_module(
        &mut self,
        path: &str,
        tensor: QuantTensor,
        bias: Option<Vec<f32>>,
    ) -> Result<Weight, ModelError> {
        let Some(packed) = self.packed.0.get_mut(path) else { return self.load(tensor, bias) };
        packed.is_used = true;
        let (block, is_list) = (packed.block, matches!(self.source, Source::List(_)));
        if !is_list && tensor.mode() != Some(MODE) {
            return Err(bad(path, "a matrix of 2 bits in groups of 128"));
        }
        if bias.is_some() {
            return Err(bad(path, "a matrix without a bias"));
        }
        let Some(block) = block else { return self.load(tensor, None) };
        let cols = tensor.cols;
        if !cols.is_multiple_of(block) {
            return Err(bad(
                path,
                format!("a matrix whose width ({cols}) is a multiple of {block}"),
            ));
        }
        let signs = self.values(&format!("{path}.signs"), &[cols])?;
        if !is_list && signs.iter().any(|sign| sign.abs().to_bits() != 1.0_f32.to_bits()) {
            return Err(bad(path, "a matrix whose signs are 1 or -1"));
        }
        let bytes = tensor.size_bytes();
        let weight = self.source.put_rotated(tensor, HadamardSpec { block, signs })?;
        self.advance(bytes)?;
        Ok(weight)
    }
}
