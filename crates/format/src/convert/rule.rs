//! Chooses the mode of each module.

use super::pattern;
use super::recipe::{Layers, Recipe};
use super::{ModuleRule, Naming};
use mlxk_tensor::Mode;

/// Settings for quantizing a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// Mode of most modules, stated at the top of `config.json`.
    pub mode: Mode,
    /// Recipe that gives more bits to some modules. It replaces the rules of the model family.
    pub recipe: Option<Recipe>,
    /// Modes of single modules. The last matching pattern takes precedence over everything else.
    pub modules: Vec<ModuleMode>,
}

/// The mode of the modules that match a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleMode {
    /// A path, or the end of one from after a dot. `*` matches anything.
    pub pattern: String,
    /// Mode of the modules; `None` leaves them dense.
    pub mode: Option<Mode>,
}

impl Quantization {
    /// Returns settings with one mode for all modules.
    pub const fn uniform(mode: Mode) -> Self {
        Self { mode, recipe: None, modules: Vec::new() }
    }

    /// Returns the mode of the module `path` with `cols` inputs, and `true` if `config.json` has to
    /// name the module. Returns `None` if it stays dense.
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
        // mlx-lm checks the default group size here, even if the module has another one.
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
