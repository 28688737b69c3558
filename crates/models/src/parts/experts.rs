//! A mixture of experts (Shazeer et al., 2017, arXiv:1701.06538): a router sends every row to some
//! of many feed-forward parts, and adds up what they return.

use mlxk_ops::{Act, Activation, Compute, RouteSpec, Weight};

use super::mlp::{Mlp, MlpBuffers, MlpSpec};
use crate::ModelError;
use crate::loader::Loader;

/// Sizes and names of a mixture.
#[derive(Clone, Debug)]
pub(crate) struct ExpertsSpec {
    pub(crate) names: ExpertNames,
    pub(crate) experts: usize,
    pub(crate) intermediate: usize,
    /// `correction` is filled in from the files where `has_correction` says so.
    pub(crate) route: RouteSpec,
    pub(crate) has_correction: bool,
    /// Whether router and experts add biases.
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
    /// A feed-forward part that every row goes through.
    pub(crate) shared: Option<MlpSpec>,
}

/// Where the parts are, below the layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpertNames {
    pub(crate) router: &'static str,
    pub(crate) experts: &'static str,
    pub(crate) shared: &'static str,
}

impl ExpertNames {
    /// As most have them.
    pub(crate) const USUAL: Self =
        Self { router: "mlp.gate", experts: "mlp.switch_mlp", shared: "mlp.shared_experts" };
}

pub(crate) struct Experts {
    /// `[experts, hidden]`
    router: Weight,
    /// `[experts, intermediate, hidden]`
    gate_proj: Weight,
    /// `[experts, intermediate, hidden]`
    up_proj: Weight,
    /// `[experts, hidden, intermediate]`
    down_proj: Weight,
    route: RouteSpec,
    activation: Activation,
    shared: Option<Mlp>,
}

/// Room that all layers of a step share.
pub(crate) struct ExpertsBuffers {
    /// `[rows, experts]`
    logits: Act,
    /// `[rows · per_row, intermediate]`
    gate: Act,
    /// `[rows · per_row, intermediate]`
    up: Act,
    /// `[rows · per_row, hidden]`
    down: Act,
    /// `[rows, hidden]` of the part that every row goes through.
    shared: Option<Act>,
}

impl ExpertsBuffers {
    /// `act` takes rows per row of the batch, and the values of one of them.
    pub(crate) fn new(
        spec: &ExpertsSpec,
        hidden: usize,
        act: &mut dyn FnMut(usize, usize) -> Act,
    ) -> Self {
        let per_row = spec.route.experts_per_row;
        Self {
            logits: act(1, spec.experts),
            gate: act(per_row, spec.intermediate),
            up: act(per_row, spec.intermediate),
            down: act(per_row, hidden),
            shared: spec.shared.as_ref().map(|_| act(1, hidden)),
        }
    }
}

impl Experts {
    /// `path` is the layer.
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        hidden: usize,
        spec: &ExpertsSpec,
    ) -> Result<Self, ModelError> {
        let ExpertsSpec { names, experts, intermediate, bias, .. } = *spec;
        let router = format!("{path}.{}", names.router);
        let mut route = spec.route;
        if spec.has_correction {
            let name = format!("{router}.e_score_correction_bias");
            route.correction = Some(loader.vector(&name, experts)?);
        }
        let of = |name: &str| format!("{path}.{}.{name}", names.experts);
        Ok(Self {
            router: loader.linear(&router, experts, hidden, bias)?,
            gate_proj: loader.stack(&of("gate_proj"), experts, (intermediate, hidden), bias)?,
            up_proj: loader.stack(&of("up_proj"), experts, (intermediate, hidden), bias)?,
            down_proj: loader.stack(&of("down_proj"), experts, (hidden, intermediate), bias)?,
            route,
            activation: spec.activation,
            shared: match &spec.shared {
                Some(shared) => {
                    Some(Mlp::load(loader, &format!("{path}.{}", names.shared), hidden, shared)?)
                }
                None => None,
            },
        })
    }

    /// `out = Σ weight · expert(x) + shared(x)`; `out` may be `x`.
    pub(crate) fn forward(
        &self,
        ops: &mut dyn Compute,
        out: Act,
        x: Act,
        (buffers, mlp): (&ExpertsBuffers, &MlpBuffers),
    ) {
        let ExpertsBuffers { logits, gate, up, down, .. } = *buffers;
        ops.linear(&[logits], x, &[self.router]);
        let routes = ops.route(logits, &self.route);
        ops.linear_routed(&[gate, up], x, &[self.gate_proj, self.up_proj], routes);
        ops.glu(gate, up, self.activation);
        ops.linear_routed(&[down], gate, &[self.down_proj], routes);
        match (&self.shared, buffers.shared) {
            (Some(part), Some(shared)) => {
                part.forward(ops, shared, x, mlp);
                ops.combine(out, down, routes);
                ops.add(out, shared);
            }
            _ => ops.combine(out, down, routes),
        }
    }
}
