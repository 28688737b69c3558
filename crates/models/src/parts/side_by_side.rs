//! A feed-forward part and experts side by side (Gemma 4, 2026), each with norms before and after it. The
//! router has a norm of its own.

use mlxk_ops::{Act, Batch, Compute, Vector};

use super::experts::{Experts, ExpertsSpec};
use super::mlp::{Mlp, MlpSpec};
use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of both parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideBySideSpec {
    /// In `mlp`.
    pub(crate) mlp: MlpSpec,
    pub(crate) experts: ExpertsSpec,
    pub(crate) norm: NormSpec,
}

pub(crate) struct SideBySide {
    mlp: Mlp,
    experts: Experts,
    norms: Norms,
    /// `router.scale / √hidden`, `[hidden]`
    router_scale: Vector,
    eps: f32,
    slots: SideBySideSlots,
}

struct Norms {
    mlp_in: Norm,
    mlp_out: Norm,
    experts_in: Norm,
    experts_out: Norm,
}

/// `[rows, hidden]` each.
pub(crate) struct SideBySideSlots {
    normed: Slot,
    router_input: Slot,
    dense: Slot,
    sparse: Slot,
    sum: Slot,
}

impl SideBySideSpec {
    pub(super) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) -> SideBySideSlots {
        self.mlp.plan(scratch);
        self.experts.plan(hidden, scratch);
        let mut row = |label| scratch.row(label, hidden);
        SideBySideSlots {
            normed: row("side_by_side.normed"),
            router_input: row("side_by_side.router_input"),
            dense: row("side_by_side.dense"),
            sparse: row("side_by_side.sparse"),
            sum: row("side_by_side.sum"),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<SideBySide, ModelError> {
        let hidden = place.hidden;
        let mut norm = |name: &str| Norm::load(loader, &place.of(name), hidden, self.norm);
        let norms = Norms {
            mlp_in: norm("pre_feedforward_layernorm")?,
            mlp_out: norm("post_feedforward_layernorm_1")?,
            experts_in: norm("pre_feedforward_layernorm_2")?,
            experts_out: norm("post_feedforward_layernorm_2")?,
        };
        let mut scale = loader.values(&place.of("router.scale"), &[hidden])?;
        for value in &mut scale {
            *value *= (1.0 / (hidden as f64).sqrt()) as f32;
        }
        let mlp = Place { path: &place.of("mlp"), ..*place };
        Ok(SideBySide {
            mlp: self.mlp.load(loader, &mlp, scratch)?,
            experts: self.experts.load(loader, place, scratch)?,
            norms,
            router_scale: loader.put_vector(scale)?,
            eps: self.norm.eps,
            slots: self.plan(hidden, scratch),
        })
    }
}

impl Part for SideBySide {
    /// `out = norm(mlp(norm(x))) + norm(experts(norm(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let SideBySideSlots { normed, router_input, dense, sparse, sum } = self.slots;
        let (normed, router_input) = (scratch[normed], scratch[router_input]);
        let (dense, sparse, sum) = (scratch[dense], scratch[sparse], scratch[sum]);
        self.norms.mlp_in.forward(ops, normed, x);
        self.mlp.forward(ops, dense, normed, scratch, batch);
        self.norms.mlp_out.forward(ops, sum, dense);
        ops.rms_norm(router_input, x, self.router_scale, self.eps);
        self.norms.experts_in.forward(ops, normed, x);
        self.experts.run(ops, sparse, [router_input, normed], scratch, batch);
        self.norms.experts_out.forward(ops, out, sparse);
        ops.add(out, sum);
    }
}
