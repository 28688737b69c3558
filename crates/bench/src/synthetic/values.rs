//! Values of the random weights.

use mlxk_models::{TensorKind, TensorNeed};

use crate::random::Random;

/// Deviation of norms from 1, and size of biases.
const NORM_NOISE: f32 = 0.1;
const BIAS: f32 = 0.02;

/// Values of a tensor, row by row.
#[derive(Clone, Debug)]
pub(super) struct Values {
    random: Random,
    middle: f32,
    scale: f32,
}

impl Values {
    /// Chooses the distribution: matrices preserve the magnitude of their input, norms are close to
    /// one, biases close to zero.
    pub(super) fn of(need: &TensorNeed) -> Self {
        let (middle, scale) = match need.kind {
            TensorKind::Matrix { cols, .. } | TensorKind::Stack { cols, .. } => {
                (0.0, (3.0 / cols as f32).sqrt())
            }
            TensorKind::Floats(_) if need.name.ends_with(".weight") => (1.0, NORM_NOISE),
            TensorKind::Floats(_) => (0.0, BIAS),
        };
        Self { random: Random::of(&need.name), middle, scale }
    }

    /// Fills `out` with row `index`.
    pub(super) fn row(&self, index: usize, out: &mut [f32]) {
        let mut random = self.random.at(index);
        for out in out {
            *out = self.middle + self.scale * random.signed();
        }
    }
}
