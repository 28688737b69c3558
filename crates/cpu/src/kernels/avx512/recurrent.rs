//! Steps of recurrent layers: a row of a state is one register.

use crate::kernels::recurrent::{self, Columns, StateReads, StateStep};

/// See [`super::super::Kernels::state_step`].
#[target_feature(enable = "avx512f,avx512vl")]
pub(super) fn state_step(state: &mut [Columns], step: &StateStep<'_>) -> StateReads {
    recurrent::state_step::<true>(state, step)
}

/// See [`super::super::Kernels::state_read`].
#[target_feature(enable = "avx512f,avx512vl")]
pub(super) fn state_read(state: &[Columns], key: &[f32]) -> Columns {
    recurrent::state_read::<true>(state, key)
}
