//! A single matrix in place of a part (Bercovich et al., 2025, arXiv:2505.00949).

use mlxk_ops::{Act, Batch, Compute, Pieces, Weight};

use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a square matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearSpec {
    /// Name of the module below the part.
    pub(crate) name: &'static str,
    pub(crate) bias: bool,
}

pub(crate) struct Linear {
    /// `[hidden, hidden]`
    weight: Weight,
    /// `[rows, hidden]`, because the result may have to replace the input.
    out: Slot,
    hidden: usize,
}

impl LinearSpec {
    pub(super) fn plan(hidden: usize, scratch: &mut ScratchPlan) -> Slot {
        scratch.row("linear.out", hidden)
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Linear, ModelError> {
        let hidden = place.hidden;
        let weight = loader.linear(&place.of(self.name), [hidden, hidden], self.bias)?;
        Ok(Linear { weight, out: Self::plan(hidden, scratch), hidden })
    }
}

impl Part for Linear {
    /// `out = weight · x`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, _: &Batch) {
        let own = scratch[self.out];
        ops.linear(&[own], x, &[self.weight]);
        let all = Pieces { offset: 0, stride: 0 };
        ops.copy_pieces((out, all), (own, all), 1, self.hidden);
    }
}
