//! A mixture of experts (Shazeer et al., 2017, arXiv:1701.06538): a router sends every row to a few
//! of many feed-forward parts and adds up their results.

use mlxk_ops::{Act, Activation, Batch, Compute, Pieces, RouteSpec, Weight};
use mlxk_tensor::{Dense, QuantTensor, Storage};

use super::mlp::{Mlp, MlpSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a mixture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpertsSpec {
    pub(crate) names: ExpertNames,
    pub(crate) stored: StoredExperts,
    /// Number of experts that have matrices.
    pub(crate) experts: usize,
    pub(crate) intermediate: usize,
    /// Routing. Its `correction` is loaded with the weights if `correction` names it.
    pub(crate) route: RouteSpec,
    /// Name of the tensor that corrects the choice.
    pub(crate) correction: Option<&'static str>,
    /// Name of the tensor with the factors of the experts.
    pub(crate) factors: Option<&'static str>,
    /// `true` if the router adds a bias.
    pub(crate) router_bias: bool,
    /// `true` if the experts add biases.
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
    /// `true` if weights are factors of the inputs of experts instead of their results. A row has one expert.
    pub(crate) scales_inputs: bool,
    pub(crate) shared: Option<SharedExpert>,
}

/// Names of the modules of a mixture, below its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpertNames {
    pub(crate) router: &'static str,
    /// Module with the stacks `gate_proj`, `up_proj` and `down_proj`.
    pub(crate) experts: &'static str,
}

/// Form of the experts in the files.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StoredExperts {
    /// In the stacks `gate_proj`, `up_proj` and `down_proj`.
    Stacked,
    /// Each in modules of its own, `INDEX.NAME`, with the names of gate, up and down. Published files have all in
    /// one matrix each, `mlp.NAME`, with down turned.
    Single([&'static str; 3]),
}

/// A feed-forward part next to the experts that every row goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedExpert {
    pub(crate) name: &'static str,
    pub(crate) mlp: MlpSpec,
    pub(crate) weight: SharedWeight,
}

/// Weight of the shared expert's result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SharedWeight {
    /// One.
    One,
    /// The sigmoid of a row's product with a matrix of this name, which has one row.
    Gate(&'static str),
    /// A softmax over a row's products with a matrix of two rows and a bias weighs the sum of the experts
    /// and the shared expert.
    Against(&'static str),
}

impl SharedExpert {
    /// Without a gate.
    pub(crate) const fn plain(name: &'static str, mlp: MlpSpec) -> Self {
        Self { name, mlp, weight: SharedWeight::One }
    }
}

impl ExpertNames {
    /// The names in most checkpoints.
    pub(crate) const USUAL: Self = Self { router: "gate", experts: "switch_mlp" };
}

impl ExpertsSpec {
    /// With the usual names and SiLU, without biases and a shared expert.
    pub(crate) const fn usual(experts: usize, intermediate: usize, route: RouteSpec) -> Self {
        Self {
            names: ExpertNames::USUAL,
            stored: StoredExperts::Stacked,
            experts,
            intermediate,
            route,
            correction: None,
            factors: None,
            router_bias: false,
            bias: false,
            activation: Activation::Silu,
            scales_inputs: false,
            shared: None,
        }
    }
}

pub(crate) struct Experts {
    /// `[choices, hidden]`
    router: Weight,
    /// `[experts, intermediate, hidden]`
    gate_proj: Weight,
    /// `[experts, intermediate, hidden]`
    up_proj: Weight,
    /// `[experts, hidden, intermediate]`
    down_proj: Weight,
    route: RouteSpec,
    activation: Activation,
    scales_inputs: bool,
    hidden: usize,
    shared: Option<Shared>,
    slots: ExpertsSlots,
}

struct Shared {
    mlp: Mlp,
    weight: LoadedWeight,
    slots: SharedSlots,
}

enum LoadedWeight {
    One,
    /// `[1, hidden]`
    Gate(Weight),
    /// `[2, hidden]`
    Against(Weight),
}

struct SharedSlots {
    /// `[rows, hidden]`
    out: Slot,
    /// `[rows, 1]`
    gate: Slot,
    /// `[rows, 1]`
    spare: Slot,
    /// `[rows, 2]`
    both: Slot,
}

pub(crate) struct ExpertsSlots {
    /// `[rows, choices]`
    logits: Slot,
    /// `[rows · experts_per_row, intermediate]`
    gate: Slot,
    /// `[rows · experts_per_row, intermediate]`
    up: Slot,
    /// `[rows · experts_per_row, hidden]`
    down: Slot,
    /// Scaled inputs, `[rows, hidden]`; not used by most mixtures.
    scaled: Slot,
}

impl ExpertsSpec {
    /// Returns the number of experts to choose from, those that pass their input on included.
    const fn choices(&self) -> usize {
        self.experts + self.route.passing
    }

    pub(super) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) -> ExpertsSlots {
        if let Some(shared) = &self.shared {
            plan_shared(hidden, scratch);
            shared.mlp.plan(scratch);
        }
        let per_row = self.route.experts_per_row;
        ExpertsSlots {
            logits: scratch.row("experts.logits", self.choices()),
            gate: scratch.rows("experts.gate", per_row, self.intermediate),
            up: scratch.rows("experts.up", per_row, self.intermediate),
            down: scratch.rows("experts.down", per_row, hidden),
            scaled: scratch.row("experts.scaled", if self.scales_inputs { hidden } else { 1 }),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Experts, ModelError> {
        let Self { names, experts, intermediate, bias, mut route, .. } = *self;
        let hidden = place.hidden;
        let router = place.of(names.router);
        if let Some(name) = self.correction {
            route.correction = Some(loader.vector(&place.of(name), self.choices())?);
        }
        if let Some(name) = self.factors {
            route.factors = Some(loader.vector(&place.of(name), experts)?);
        }
        let path = place.of(names.experts);
        let (wide, narrow) = ([experts, intermediate, hidden], [experts, hidden, intermediate]);
        let [gate_proj, up_proj, down_proj] = match self.stored {
            StoredExperts::Stacked => {
                let mut stack = |name, shape| loader.stack(&format!("{path}.{name}"), shape, bias);
                [stack("gate_proj", wide)?, stack("up_proj", wide)?, stack("down_proj", narrow)?]
            }
            StoredExperts::Single([gate, up, down]) => {
                let mut stack =
                    |name, shape, turned| load_single(loader, &path, name, shape, turned);
                [stack(gate, wide, false)?, stack(up, wide, false)?, stack(down, narrow, true)?]
            }
        };
        Ok(Experts {
            router: loader.linear(&router, [self.choices(), hidden], self.router_bias)?,
            gate_proj,
            up_proj,
            down_proj,
            route,
            activation: self.activation,
            scales_inputs: self.scales_inputs,
            hidden,
            shared: match &self.shared {
                None => None,
                Some(shared) => Some(shared.load(loader, place, scratch)?),
            },
            slots: self.plan(hidden, scratch),
        })
    }
}

/// Loads the matrices `PATH.INDEX.NAME`, or the matrix `PATH.mlp.NAME`, as a stack. If `turned`, that matrix has the
/// rows of an expert as columns.
fn load_single(
    loader: &mut Loader<'_>,
    path: &str,
    name: &str,
    [experts, rows, cols]: [usize; 3],
    turned: bool,
) -> Result<Weight, ModelError> {
    let all = format!("{path}.mlp.{name}");
    let of = |expert: usize| format!("{path}.{expert}.{name}");
    let tensor = if !loader.has(&of(0)) && loader.has_tensor(&all) {
        let shape = if turned { [experts * cols, rows] } else { [experts * rows, cols] };
        let tensor = loader.bare(&all, shape)?;
        if turned {
            turned_stack(&tensor, experts)
        } else {
            QuantTensor { experts, rows, ..tensor }
        }
    } else {
        let mut each = Vec::with_capacity(experts);
        for expert in 0..experts {
            each.push(loader.matrix(&of(expert), [rows, cols])?);
        }
        let stack = QuantTensor::stacked(&each);
        stack.ok_or_else(|| ModelError::MixedExperts { path: path.to_owned() })?
    };
    loader.load(tensor, None)
}

/// Turns each of the matrices that follow each other in a matrix of floats.
fn turned_stack(all: &QuantTensor, experts: usize) -> QuantTensor {
    let (rows, cols) = (all.cols, all.rows / experts);
    let mut data = Vec::with_capacity(all.size_bytes());
    if let Storage::Dense(dense) = &all.storage {
        let size = dense.dtype.size_bytes();
        for expert in dense.data.chunks_exact(rows * cols * size) {
            for row in 0..rows {
                for col in 0..cols {
                    data.extend_from_slice(&expert[(col * rows + row) * size..][..size]);
                }
            }
        }
        let storage = Storage::Dense(Dense { dtype: dense.dtype, data: data.into() });
        return QuantTensor { name: all.name.clone(), experts, rows, cols, storage };
    }
    unreachable!("a tensor without a suffix has floats")
}

impl SharedExpert {
    fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Shared, ModelError> {
        let hidden = place.hidden;
        let weight = match self.weight {
            SharedWeight::One => LoadedWeight::One,
            SharedWeight::Gate(name) => {
                LoadedWeight::Gate(loader.linear(&place.of(name), [1, hidden], false)?)
            }
            SharedWeight::Against(name) => {
                LoadedWeight::Against(loader.linear(&place.of(name), [2, hidden], true)?)
            }
        };
        let place = Place { path: &place.of(self.name), ..*place };
        let mlp = self.mlp.load(loader, &place, scratch)?;
        Ok(Shared { mlp, weight, slots: plan_shared(hidden, scratch) })
    }
}

fn plan_shared(hidden: usize, scratch: &mut ScratchPlan) -> SharedSlots {
    SharedSlots {
        out: scratch.row("experts.shared", hidden),
        gate: scratch.row("experts.shared_gate", 1),
        spare: scratch.row("experts.shared_spare", 1),
        both: scratch.row("experts.shared_both", 2),
    }
}

impl Shared {
    /// Returns the result `[rows, hidden]`.
    fn forward(&self, ops: &mut dyn Compute, x: Act, scratch: &Scratch, batch: &Batch) -> Act {
        let (out, gate) = (scratch[self.slots.out], scratch[self.slots.gate]);
        self.mlp.forward(ops, out, x, scratch, batch);
        match self.weight {
            LoadedWeight::One => {}
            LoadedWeight::Gate(weight) => {
                ops.linear(&[gate], x, &[weight]);
                ops.activate(gate, Activation::Sigmoid);
                ops.multiply(out, gate);
            }
            LoadedWeight::Against(weight) => {
                ops.linear(&[scratch[self.slots.both]], x, &[weight]);
            }
        }
        out
    }

    /// `experts = weights[0] · experts + weights[1] · shared`, or their sum. The result of the shared expert
    /// is overwritten.
    fn combine(&self, ops: &mut dyn Compute, [experts, shared]: [Act; 2], scratch: &Scratch) {
        if let LoadedWeight::Against(_) = self.weight {
            let (gate, spare) = (scratch[self.slots.gate], scratch[self.slots.spare]);
            let both = scratch[self.slots.both];
            let at = |offset| Pieces { offset, stride: 0 };
            // A softmax of two numbers is the sigmoid of their difference.
            for (own, other, out) in [(0, 1, experts), (1, 0, shared)] {
                ops.copy_pieces((gate, at(0)), (both, at(own)), 1, 1);
                ops.copy_pieces((spare, at(0)), (both, at(other)), 1, 1);
                ops.scale(spare, -1.0);
                ops.add(gate, spare);
                ops.activate(gate, Activation::Sigmoid);
                ops.multiply(out, gate);
            }
        }
        ops.add(experts, shared);
    }
}

impl Part for Experts {
    /// `out = Σ weight · expert(x) + shared(x)`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        self.run(ops, out, [x, x], scratch, batch);
    }

    fn is_row_wise(&self) -> bool {
        true
    }
}

impl Experts {
    /// Like [`Part::forward`], with an input of the router and an input of the experts.
    pub(super) fn run(
        &self,
        ops: &mut dyn Compute,
        out: Act,
        [router_input, x]: [Act; 2],
        scratch: &Scratch,
        batch: &Batch,
    ) {
        let ExpertsSlots { logits, gate, up, down, .. } = self.slots;
        let (logits, gate, up, down) = (scratch[logits], scratch[gate], scratch[up], scratch[down]);
        // First, so that a device finds the products of experts and their sum next to each other.
        let shared = self.shared.as_ref().map(|shared| shared.forward(ops, x, scratch, batch));
        ops.linear(&[logits], router_input, &[self.router]);
        let routes = ops.route(logits, &self.route);
        if self.scales_inputs {
            let scaled = scratch[self.slots.scaled];
            ops.combine(scaled, x, routes);
            let inputs = [self.gate_proj, self.up_proj];
            ops.linear_routed(&[gate, up], scaled, &inputs, routes);
        } else {
            ops.linear_routed(&[gate, up], x, &[self.gate_proj, self.up_proj], routes);
        }
        ops.glu(gate, up, self.activation);
        ops.linear_routed(&[down], gate, &[self.down_proj], routes);
        if self.scales_inputs {
            let all = Pieces { offset: 0, stride: 0 };
            ops.copy_pieces((out, all), (down, all), 1, self.hidden);
        } else {
            ops.combine(out, down, routes);
        }
        if self.route.passing > 0 {
            ops.add_passed(out, x, routes);
        }
        if let (Some(part), Some(result)) = (&self.shared, shared) {
            part.combine(ops, [out, result], scratch);
        }
    }
}
