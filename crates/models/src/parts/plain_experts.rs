//! A mixture of experts without gates: two matrices with an activation between them. The experts may work in
//! a space of their own, narrower than the residual stream (Nemotron 3: NVIDIA, 2025).

use mlxk_ops::{Act, Activation, Batch, Compute, RouteSpec, Weight};

use super::mlp::{Mlp, MlpSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a mixture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainExpertsSpec {
    pub(crate) experts: usize,
    pub(crate) intermediate: usize,
    /// Routing. Its `correction` is loaded with the weights.
    pub(crate) route: RouteSpec,
    pub(crate) has_correction: bool,
    /// `true` if the experts add biases.
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
    pub(crate) latent: Option<LatentSpace>,
    /// A part that every row goes through, in `shared_experts`.
    pub(crate) shared: Option<MlpSpec>,
}

/// A space in which experts work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatentSpace {
    pub(crate) width: usize,
    /// `true` if the projections into it and out of it add biases.
    pub(crate) bias: bool,
}

pub(crate) struct PlainExperts {
    /// `[experts, hidden]`
    router: Weight,
    /// `[experts, intermediate, width]`
    up: Weight,
    /// `[experts, width, intermediate]`
    down: Weight,
    route: RouteSpec,
    activation: Activation,
    /// Projections into the latent space and out of it.
    latent: Option<[Weight; 2]>,
    shared: Option<Mlp>,
    slots: PlainExpertsSlots,
}

pub(crate) struct PlainExpertsSlots {
    /// `[rows, experts]`
    logits: Slot,
    /// `[rows · experts_per_row, intermediate]`
    up: Slot,
    /// `[rows · experts_per_row, width]`
    down: Slot,
    /// `[rows, width]` input of the experts.
    input: Slot,
    /// `[rows, width]` sum of their results.
    sum: Slot,
    /// `[rows, hidden]`
    shared: Slot,
}

impl PlainExpertsSpec {
    /// Returns the width of an expert's input.
    fn width(&self, hidden: usize) -> usize {
        self.latent.map_or(hidden, |latent| latent.width)
    }

    pub(super) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) -> PlainExpertsSlots {
        if let Some(shared) = &self.shared {
            shared.plan(scratch);
        }
        let (per_row, width) = (self.route.experts_per_row, self.width(hidden));
        PlainExpertsSlots {
            logits: scratch.row("plain_experts.logits", self.experts),
            up: scratch.rows("plain_experts.up", per_row, self.intermediate),
            down: scratch.rows("plain_experts.down", per_row, width),
            input: scratch.row("plain_experts.input", width),
            sum: scratch.row("plain_experts.sum", width),
            shared: scratch.row("plain_experts.shared", hidden),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<PlainExperts, ModelError> {
        let Self { experts, intermediate, mut route, .. } = *self;
        let (hidden, width) = (place.hidden, self.width(place.hidden));
        if self.has_correction {
            let correction = place.of("gate.e_score_correction_bias");
            route.correction = Some(loader.vector(&correction, experts)?);
        }
        let latent = match self.latent {
            None => None,
            Some(LatentSpace { width, bias }) => Some([
                loader.linear(&place.of("fc1_latent_proj"), [width, hidden], bias)?,
                loader.linear(&place.of("fc2_latent_proj"), [hidden, width], bias)?,
            ]),
        };
        let shared = match &self.shared {
            None => None,
            Some(mlp) => {
                let place = Place { path: &place.of("shared_experts"), ..*place };
                Some(mlp.load(loader, &place, scratch)?)
            }
        };
        let [up, down] = ["switch_mlp.fc1", "switch_mlp.fc2"].map(|name| place.of(name));
        Ok(PlainExperts {
            router: loader.linear(&place.of("gate"), [experts, hidden], false)?,
            up: loader.stack(&up, [experts, intermediate, width], self.bias)?,
            down: loader.stack(&down, [experts, width, intermediate], self.bias)?,
            route,
            activation: self.activation,
            latent,
            shared,
            slots: self.plan(hidden, scratch),
        })
    }
}

impl Part for PlainExperts {
    /// `out = latent_out(Σ weight · expert(latent_in(x))) + shared(x)`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.slots;
        let (logits, up, down) = (scratch[slots.logits], scratch[slots.up], scratch[slots.down]);
        let shared = self.shared.as_ref().map(|part| {
            part.forward(ops, scratch[slots.shared], x, scratch, batch);
            scratch[slots.shared]
        });
        ops.linear(&[logits], x, &[self.router]);
        let routes = ops.route(logits, &self.route);
        let input = match self.latent {
            None => x,
            Some([into, _]) => {
                ops.linear(&[scratch[slots.input]], x, &[into]);
                scratch[slots.input]
            }
        };
        ops.linear_routed(&[up], input, &[self.up], routes);
        ops.activate(up, self.activation);
        ops.linear_routed(&[down], up, &[self.down], routes);
        if let Some([_, back]) = self.latent {
            ops.combine(scratch[slots.sum], down, routes);
            ops.linear(&[out], scratch[slots.sum], &[back]);
        } else {
            ops.combine(out, down, routes);
        }
        if let Some(shared) = shared {
            ops.add(out, shared);
        }
    }
}
