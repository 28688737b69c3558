//! The two parts of an RWKV-7 layer (Peng et al., 2025, arXiv:2503.14456). Both mix a token's input with that
//! of the token before.

use mlxk_ops::{
    Act, Activation, Batch, Compute, ConvSpec, Pieces, StatePlace, Vector, Weight, WkvInputs,
    WkvSpec,
};

use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Epsilon of the norms of heads.
const HEAD_EPS: f64 = 64e-5;

/// Description of the part that mixes tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeMixSpec {
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    /// Widths of the narrow spaces of the decay, the rate, the values and the gate.
    pub(crate) ranks: Ranks,
    /// `true` for the first layer, whose values the others mix into theirs.
    pub(crate) is_first: bool,
}

/// Widths of the narrow spaces of time mixing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranks {
    pub(crate) decay: usize,
    pub(crate) rate: usize,
    pub(crate) values: usize,
    pub(crate) gate: usize,
}

/// Inputs of the token before, from a state.
struct TokenShift {
    conv: ConvSpec,
    state: StatePlace,
    /// `[rows, hidden]` the input of the token before minus that of the token.
    change: Slot,
}

impl TokenShift {
    const fn state_values(hidden: usize) -> usize {
        ConvSpec::state_values(2, hidden)
    }

    fn load(loader: &mut Loader<'_>, place: &Place<'_>, change: Slot) -> Result<Self, ModelError> {
        // A filter that takes the token before and leaves the token itself.
        let mut weight = vec![1.0; place.hidden];
        weight.resize(2 * place.hidden, 0.0);
        let weight = loader.put_vector(weight)?;
        Ok(Self {
            conv: ConvSpec { kernel: 2, weight, bias: None, activation: None },
            state: StatePlace { layer: place.cache, offset: 0 },
            change,
        })
    }

    /// `change = before(x) − x`, with `spare` of the same shape.
    fn forward(
        &self,
        ops: &mut dyn Compute,
        [x, spare]: [Act; 2],
        hidden: usize,
        scratch: &Scratch,
        batch: &Batch,
    ) -> Act {
        let change = scratch[self.change];
        ops.short_conv(change, x, &self.conv, self.state, batch);
        copy(ops, spare, x, hidden);
        ops.scale(spare, -1.0);
        ops.add(change, spare);
        change
    }
}

fn copy(ops: &mut dyn Compute, out: Act, x: Act, hidden: usize) {
    let all = Pieces { offset: 0, stride: 0 };
    ops.copy_pieces((out, all), (x, all), 1, hidden);
}

/// `out = x + change · share`.
fn mix(ops: &mut dyn Compute, out: Act, [x, change]: [Act; 2], share: Vector, hidden: usize) {
    copy(ops, out, change, hidden);
    ops.scale_columns(out, share);
    ops.add(out, x);
}

/// Two matrices with a narrow space between them.
struct Narrow {
    down: Weight,
    activation: Option<Activation>,
    up: Weight,
    slot: Slot,
}

impl Narrow {
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch) {
        let narrow = scratch[self.slot];
        ops.linear(&[narrow], x, &[self.down]);
        if let Some(activation) = self.activation {
            ops.activate(narrow, activation);
        }
        ops.linear(&[out], narrow, &[self.up]);
    }
}

pub(crate) struct TimeMix {
    shift: TokenShift,
    /// Shares of the token before in the inputs of queries, decay, keys, values, rate and gate.
    shares: [Vector; 6],
    /// Of queries, keys and values, and of the result.
    proj: [Weight; 3],
    o_proj: Weight,
    decay: Narrow,
    rate: Narrow,
    gate: Narrow,
    /// `None` in the first layer.
    values: Option<Narrow>,
    spec: WkvSpec,
    state: StatePlace,
    norm: Norm,
    /// Weights and biases of the norms of all heads.
    norm_weight: Vector,
    norm_bias: Vector,
    slots: TimeMixSlots,
}

/// `[rows, hidden]` each.
pub(crate) struct TimeMixSlots {
    change: Slot,
    mixed: Slot,
    queries: Slot,
    keys: Slot,
    values: Slot,
    /// Values of the first layer.
    first: Slot,
    /// Shares of these in the values.
    share: Slot,
    decay: Slot,
    rate: Slot,
    gate: Slot,
    removed: Slot,
    bonus: Slot,
    result: Slot,
    normed: Slot,
}

impl TimeMixSpec {
    pub(super) const fn state_values(&self, hidden: usize) -> usize {
        TokenShift::state_values(hidden) + WkvSpec::state_values(self.heads, self.head_dim)
    }

    fn narrow(&self, scratch: &mut ScratchPlan) -> [Slot; 4] {
        let Ranks { decay, rate, values, gate } = self.ranks;
        [
            scratch.row("rwkv.decay_narrow", decay),
            scratch.row("rwkv.rate_narrow", rate),
            scratch.row("rwkv.gate_narrow", gate),
            scratch.row("rwkv.values_narrow", values),
        ]
    }

    pub(super) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) -> TimeMixSlots {
        self.narrow(scratch);
        let mut row = |label| scratch.row(label, hidden);
        TimeMixSlots {
            change: row("rwkv.change"),
            mixed: row("rwkv.mixed"),
            queries: row("rwkv.queries"),
            keys: row("rwkv.keys"),
            values: row("rwkv.values"),
            first: row("rwkv.first"),
            share: row("rwkv.share"),
            decay: row("rwkv.decay"),
            rate: row("rwkv.rate"),
            gate: row("rwkv.gate"),
            removed: row("rwkv.removed"),
            bonus: row("rwkv.bonus"),
            result: row("rwkv.result"),
            normed: row("rwkv.normed"),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<TimeMix, ModelError> {
        let Self { heads, head_dim, ranks, is_first } = *self;
        let hidden = place.hidden;
        let slots = self.plan(hidden, scratch);
        let [decay_slot, rate_slot, gate_slot, values_slot] = self.narrow(scratch);
        let shift = TokenShift::load(loader, place, slots.change)?;
        let names = ["x_r", "x_w", "x_k", "x_v", "x_a", "x_g"];
        let mut shares = [Vector(0); 6];
        for (share, name) in shares.iter_mut().zip(names) {
            let values = loader.values(&place.of(name), &[1, 1, hidden])?;
            *share = loader.put_vector(values)?;
        }
        let by_head = |loader: &mut Loader<'_>, name: &str| {
            let values = loader.values(&place.of(name), &[heads, head_dim])?;
            loader.put_vector(values)
        };
        let square = |loader: &mut Loader<'_>, name: &str| {
            loader.linear(&place.of(name), [hidden, hidden], false)
        };
        let narrow = |loader: &mut Loader<'_>, name: &str, width, activation, bias, slot| {
            let path = place.of(name);
            Ok::<_, ModelError>(Narrow {
                down: loader.linear(&format!("{path}.lora.0"), [width, hidden], false)?,
                activation,
                up: loader.linear(&format!("{path}.lora.2"), [hidden, width], bias)?,
                slot,
            })
        };
        let (tanh, sigmoid) = (Some(Activation::Tanh), Some(Activation::Sigmoid));
        let Ranks { decay, rate, values, gate } = ranks;
        let norm = NormSpec::layer(HEAD_EPS).without_weight();
        Ok(TimeMix {
            shift,
            shares,
            proj: [square(loader, "r_proj")?, square(loader, "k_proj")?, square(loader, "v_proj")?],
            o_proj: square(loader, "o_proj")?,
            decay: narrow(loader, "w_lora", decay, tanh, true, decay_slot)?,
            rate: narrow(loader, "a_lora", rate, None, true, rate_slot)?,
            gate: narrow(loader, "g_lora", gate, sigmoid, false, gate_slot)?,
            values: if is_first {
                None
            } else {
                Some(narrow(loader, "v_lora", values, None, true, values_slot)?)
            },
            spec: WkvSpec {
                heads,
                head_dim,
                removed: by_head(loader, "k_k")?,
                added: by_head(loader, "k_a")?,
                bonus: by_head(loader, "r_k")?,
            },
            state: StatePlace { layer: place.cache, offset: TokenShift::state_values(hidden) },
            norm: Norm::load(loader, "", head_dim, norm)?,
            norm_weight: by_head(loader, "g_norm.weight")?,
            norm_bias: by_head(loader, "g_norm.bias")?,
            slots,
        })
    }
}

impl Part for TimeMix {
    /// `out = o_proj((norm(wkv(…)) + bonus) · gate)`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.slots;
        let hidden = self.spec.heads * self.spec.head_dim;
        let mixed = scratch[slots.mixed];
        let [queries, keys, values] =
            [slots.queries, slots.keys, slots.values].map(|slot| scratch[slot]);
        let [first, share] = [slots.first, slots.share].map(|slot| scratch[slot]);
        let [decay, rate, gate] = [slots.decay, slots.rate, slots.gate].map(|slot| scratch[slot]);
        let [removed, bonus] = [slots.removed, slots.bonus].map(|slot| scratch[slot]);
        let [result, normed] = [slots.result, slots.normed].map(|slot| scratch[slot]);
        let change = self.shift.forward(ops, [x, mixed], hidden, scratch, batch);
        let pair = [x, change];
        let [of_queries, of_decay, of_keys, of_values, of_rate, of_gate] = self.shares;
        let [r_proj, k_proj, v_proj] = self.proj;

        mix(ops, mixed, pair, of_queries, hidden);
        ops.linear(&[queries], mixed, &[r_proj]);
        mix(ops, mixed, pair, of_decay, hidden);
        self.decay.forward(ops, decay, mixed, scratch);
        mix(ops, mixed, pair, of_keys, hidden);
        ops.linear(&[keys], mixed, &[k_proj]);
        mix(ops, mixed, pair, of_values, hidden);
        ops.linear(&[values], mixed, &[v_proj]);
        match &self.values {
            None => copy(ops, first, values, hidden),
            Some(narrow) => {
                // `values += (first − values) · share`
                narrow.forward(ops, share, mixed, scratch);
                ops.activate(share, Activation::Sigmoid);
                copy(ops, normed, values, hidden);
                ops.scale(normed, -1.0);
                ops.add(normed, first);
                ops.multiply(normed, share);
                ops.add(values, normed);
            }
        }
        mix(ops, mixed, pair, of_rate, hidden);
        self.rate.forward(ops, rate, mixed, scratch);
        mix(ops, mixed, pair, of_gate, hidden);
        self.gate.forward(ops, gate, mixed, scratch);

        let inputs = WkvInputs { queries, keys, values, decay, rate, removed, bonus };
        ops.wkv(result, inputs, &self.spec, self.state, batch);
        self.norm.forward(ops, normed, result);
        ops.scale_columns(normed, self.norm_weight);
        ops.add_columns(normed, self.norm_bias);
        ops.add(normed, bonus);
        ops.multiply(normed, gate);
        ops.linear(&[out], normed, &[self.o_proj]);
    }
}

/// Description of the part that mixes channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelMixSpec {
    pub(crate) intermediate: usize,
}

pub(crate) struct ChannelMix {
    shift: TokenShift,
    share: Vector,
    /// `[intermediate, hidden]`
    key: Weight,
    /// `[hidden, intermediate]`
    value: Weight,
    hidden: usize,
    slots: ChannelMixSlots,
}

pub(crate) struct ChannelMixSlots {
    /// `[rows, hidden]` each.
    change: Slot,
    mixed: Slot,
    /// `[rows, intermediate]`
    inner: Slot,
}

impl ChannelMixSpec {
    pub(super) const fn state_values(hidden: usize) -> usize {
        TokenShift::state_values(hidden)
    }

    pub(super) fn plan(self, hidden: usize, scratch: &mut ScratchPlan) -> ChannelMixSlots {
        ChannelMixSlots {
            change: scratch.row("rwkv.change", hidden),
            mixed: scratch.row("rwkv.mixed", hidden),
            inner: scratch.row("rwkv.inner", self.intermediate),
        }
    }

    pub(super) fn load(
        self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<ChannelMix, ModelError> {
        let (hidden, intermediate) = (place.hidden, self.intermediate);
        let slots = self.plan(hidden, scratch);
        Ok(ChannelMix {
            shift: TokenShift::load(loader, place, slots.change)?,
            share: loader.vector(&place.of("x_k"), hidden)?,
            key: loader.linear(&place.of("key"), [intermediate, hidden], false)?,
            value: loader.linear(&place.of("value"), [hidden, intermediate], false)?,
            hidden,
            slots,
        })
    }
}

impl Part for ChannelMix {
    /// `out = value(relu(key(mix(x)))²)`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let (mixed, inner) = (scratch[self.slots.mixed], scratch[self.slots.inner]);
        let change = self.shift.forward(ops, [x, mixed], self.hidden, scratch, batch);
        mix(ops, mixed, [x, change], self.share, self.hidden);
        ops.linear(&[inner], mixed, &[self.key]);
        ops.activate(inner, Activation::ReluSquared);
        ops.linear(&[out], inner, &[self.value]);
    }
}
