//! mlx-lm's recipes: more bits where a model is sensitive, few elsewhere.

use mlxk_tensor::Mode;

/// A recipe by its bits, few and many.
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

/// Where the number of the layer stands in a module's path, and how many layers there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layers {
    pub(super) place: usize,
    pub(super) count: usize,
}

impl Layers {
    /// As the modules' paths have it; `None` where no module is called `down_proj`.
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
    /// Every recipe.
    pub const ALL: [Self; 4] =
        [Self::Mixed2And6, Self::Mixed3And4, Self::Mixed3And6, Self::Mixed4And6];

    /// mlx-lm's name for it.
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

    /// Values and the way back down get many bits in the first and the last eighth of the layers
    /// and in every third one between; so does the output projection, everywhere.
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
