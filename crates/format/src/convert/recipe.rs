//! mlx-lm's recipes: more bits in sensitive places of a model, few bits elsewhere.

use mlxk_tensor::Mode;

/// A recipe, named after its two bit widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// 2 and 6 bits.
    Mixed2And6,
    /// 3 and 4 bits.
    Mixed3And4,
    /// 3 and 6 bits.
    Mixed3And6,
    /// 4 and 6 bits.
    Mixed4And6,
}

/// Position of the layer number in the path of a module, and the number of layers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layers {
    pub(super) place: usize,
    pub(super) count: usize,
}

impl Layers {
    /// Derives both from the paths of the modules. Returns `None` if no module is called
    /// `down_proj`.
    pub(super) fn of<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let first = paths.clone().find(|path| path.contains("down_proj"))?;
        let place = first.split('.').position(is_number).unwrap_or(0);
        let count = paths
            .filter_map(|path| path.split('.').nth(place).and_then(|word| word.parse().ok()))
            .max()
            .map_or(0, |last: usize| last.saturating_add(1));
        Some(Self { place, count })
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

impl Recipe {
    /// All recipes.
    pub const ALL: [Self; 4] =
        [Self::Mixed2And6, Self::Mixed3And4, Self::Mixed3And6, Self::Mixed4And6];

    /// Returns mlx-lm's name for the recipe.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed2And6 => "mixed_2_6",
            Self::Mixed3And4 => "mixed_3_4",
            Self::Mixed3And6 => "mixed_3_6",
            Self::Mixed4And6 => "mixed_4_6",
        }
    }

    const fn bits(self) -> (u8, u8) {
        match self {
            Self::Mixed2And6 => (2, 6),
            Self::Mixed3And4 => (3, 4),
            Self::Mixed3And6 => (3, 6),
            Self::Mixed4And6 => (4, 6),
        }
    }

    /// Returns the mode of a module. The value and down projections get more bits in the first and
    /// the last eighth of the layers and in every third layer between them; the output projection
    /// always does.
    pub(super) fn mode(self, path: &str, layers: Layers, group_size: usize) -> Mode {
        let (few, many) = self.bits();
        let word = path.split('.').nth(layers.place);
        let index: i64 = word.and_then(|word| word.parse().ok()).unwrap_or(0);
        let count = layers.count as i64;
        let eighth = count / 8;
        let sensitive =
            index < eighth || index >= 7 * count / 8 || (index - eighth).rem_euclid(3) == 2;
        let has = |part: &str| path.contains(part);
        let values = has("v_proj") || has("v_a_proj") || has("v_b_proj");
        let more = has("lm_head") || (sensitive && (values || has("down_proj")));
        Mode::Affine { bits: if more { many } else { few }, group_size: group_size as u16 }
    }
}
