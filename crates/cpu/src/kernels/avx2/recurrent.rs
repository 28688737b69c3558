//! Steps of recurrent layers.

use crate::kernels::recurrent::{self, Columns, StateReads, StateStep};

/// See [`super::super::Kernels::state_step`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn state_step(state: &mut [Columns], step: &StateStep<'_>) -> StateReads {
    recurrent::state_step::<true>(state, step)
}

/// See [`super::super::Kernels::state_read`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn state_read(state: &[Columns], key: &[f32]) -> Columns {
    recurrent::state_read::<true>(state, key)
}

/// See [`super::super::Kernels::convolve`].
#[target_feature(enable = "avx2")]
pub(super) fn convolve(out: &mut [f32], taps: &[&[f32]], weights: &[&[f32]], bias: Option<&[f32]>) {
    recurrent::convolve(out, taps, weights, bias);
}

/// See [`super::super::Kernels::normalize`].
#[target_feature(enable = "avx2")]
pub(super) fn normalize(x: &mut [f32], eps: f32, scale: f32) {
    recurrent::normalize(x, eps, scale);
}
