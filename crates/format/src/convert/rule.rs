//! Which mode a module gets.

use super::pattern;
use super::recipe::{Layers, Recipe};
use super::{ModuleRule, Naming};
use mlxk_tensor::Mode;

/// How to quantize a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// The mode of most modules; what `config.json` states at the top.
    pub mode: Mode,
    /// More bits for some modules, by where they are. It replaces what the family says.
    pub recipe: Option<Recipe>,
    /// Modes of single modules; the last pattern that fits decides, before everything else.
    pub modules: Vec<ModuleMode>,
}

/// The mode of the modules that a pattern fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleMode {
    /// A path, or a part of its end that begins after a dot, where `*` stands for anything.
    pub pattern: String,
    /// `None` leaves the module dense.
    pub mode: Option<Mode>,
}

impl Quantization {
    /// One mode for all.
    pub const fn uniform(mode: Mode) -> Self {
        Self { mode, recipe: None, modules: Vec::new() }
    }

    /// The mode of the module `path` with `cols` inputs, and whether `config.json` has to name the
    /// module. `None` where it stays dense.
    pub(super) fn choose(
        &self,
        path: &str,
        cols: usize,
        layers: Layers,
        naming: &dyn Naming,
    ) -> Option<(Mode, bool)> {
        let divides = |mode: Mode| cols.is_multiple_of(mode.group_size());
        if naming.module(path) == ModuleRule::Never {
            return None;
        }
        if let Some(wish) =
            self.modules.iter().rev().find(|wish| pattern::fits(&wish.pattern, path))
        {
            return wish.mode.filter(|&mode| divides(mode)).map(|mode| (mode, true));
        }
        // mlx-lm asks this of the usual group size, also where a module has its own.
        if !divides(self.mode) {
            return None;
        }
        let (mode, named) = match (self.recipe, naming.module(path)) {
            (Some(recipe), _) => (recipe.mode(path, layers, self.mode.group_size()), true),
            (None, ModuleRule::Own(mode)) => (mode, true),
            (None, _) => (self.mode, false),
        };
        divides(mode).then_some((mode, named))
    }
}
