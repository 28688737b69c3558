//! Feed-forward parts with a shortcut (LongCat-Flash, 2025, arXiv:2509.01322, §2.2): experts work next to the first
//! part of a layer, and their result is added after the second.

use mlxk_ops::{Act, Batch, Compute};

use super::experts::{Experts, ExpertsSpec};
use super::mlp::{Mlp, MlpSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of one of the two parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortcutSpec {
    /// Path of the feed-forward part below the layer.
    pub(crate) path: &'static str,
    pub(crate) mlp: MlpSpec,
    /// Experts that begin here, in `mlp`. Without them, those that the part before began end here.
    pub(crate) experts: Option<ExpertsSpec>,
}

pub(crate) struct Shortcut {
    mlp: Mlp,
    experts: Option<Experts>,
    /// The result of the experts, `[rows, hidden]`.
    kept: Slot,
}

impl ShortcutSpec {
    pub(super) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) -> Slot {
        self.mlp.plan(scratch);
        if let Some(experts) = &self.experts {
            experts.plan(hidden, scratch);
        }
        scratch.row("shortcut.kept", hidden)
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Shortcut, ModelError> {
        let at = |path: &str| place.of(path);
        let experts = match &self.experts {
            None => None,
            Some(experts) => {
                let place = Place { path: &at("mlp"), ..*place };
                Some(experts.load(loader, &place, scratch)?)
            }
        };
        let kept = self.plan(place.hidden, scratch);
        let place = Place { path: &at(self.path), ..*place };
        Ok(Shortcut { mlp: self.mlp.load(loader, &place, scratch)?, experts, kept })
    }
}

impl Part for Shortcut {
    /// `kept = experts(x)`, `out = mlp(x)` or `out = mlp(x) + kept`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let kept = scratch[self.kept];
        if let Some(experts) = &self.experts {
            experts.forward(ops, kept, x, scratch, batch);
        }
        self.mlp.forward(ops, out, x, scratch, batch);
        if self.experts.is_none() {
            ops.add(out, kept);
        }
    }
}
