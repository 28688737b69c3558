//! Linear attention whose heads forget at fixed speeds (Lightning Attention: Qin et al., 2024,
//! arXiv:2405.17381).

use mlxk_ops::{
    Act, Activation, Batch, Compute, Rope, ScanInputs, ScanSizes, ScanSpec, StatePlace, Vector,
    Weight,
};

use super::norm::{Norm, NormSpec};
use super::part::{Part, Place, join};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of the part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FadingAttentionSpec {
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) qkv_bias: bool,
    pub(crate) out_bias: bool,
    /// Norms of queries and keys.
    pub(crate) qk_norm: Option<NormSpec>,
    /// Norm of each of as many groups of columns of the result.
    pub(crate) norm: NormSpec,
    pub(crate) groups: usize,
    /// Factor of the speeds of the heads, which differs from layer to layer.
    pub(crate) speed: f32,
    /// Index of the model's rotary embedding.
    pub(crate) rope: usize,
}

pub(crate) struct FadingAttention {
    /// Of queries, keys and values.
    qkv: [Weight; 3],
    /// Of the gate.
    g_proj: Weight,
    /// `[hidden, heads · head_dim]`
    dense: Weight,
    qk_norms: Option<[Norm; 2]>,
    rope: Rope,
    /// Norm of a group, and weights of all groups.
    norm: Norm,
    weights: Vector,
    spec: ScanSpec,
    state: StatePlace,
    slots: FadingAttentionSlots,
}

pub(crate) struct FadingAttentionSlots {
    /// `[rows, heads · head_dim]` each.
    q: Slot,
    k: Slot,
    v: Slot,
    q_normed: Slot,
    k_normed: Slot,
    gate: Slot,
    result: Slot,
    normed: Slot,
    /// Values, keys and queries.
    all: Slot,
    /// `[rows, heads]` time steps, whose values don't matter.
    steps: Slot,
}

/// Returns the speed at which each head forgets, as the slopes of ALiBi (Press et al., 2021,
/// arXiv:2108.12409).
fn speeds(heads: usize) -> Vec<f64> {
    let of_power = |count: usize| -> Vec<f64> {
        let first = 2.0_f64.powf(-(2.0_f64.powf(-((count as f64).log2() - 3.0))));
        (1..=count).map(|head| first.powi(head as i32)).collect()
    };
    if heads.is_power_of_two() {
        return of_power(heads);
    }
    let power = heads.next_power_of_two() / 2;
    let mut speeds = of_power(power);
    speeds.extend(of_power(2 * power).into_iter().step_by(2).take(heads - power));
    speeds
}

impl FadingAttentionSpec {
    const fn sizes(&self) -> ScanSizes {
        let Self { heads, head_dim, .. } = *self;
        ScanSizes { heads, head_dim, groups: heads, state_dim: head_dim }
    }

    pub(super) const fn state_values(&self) -> usize {
        self.sizes().state_values()
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> FadingAttentionSlots {
        let width = self.heads * self.head_dim;
        let steps = scratch.row("fading.steps", self.heads);
        let all = scratch.row("fading.all", 3 * width);
        let mut row = |label| scratch.row(label, width);
        FadingAttentionSlots {
            q: row("fading.q"),
            k: row("fading.k"),
            v: row("fading.v"),
            q_normed: row("fading.q_normed"),
            k_normed: row("fading.k_normed"),
            gate: row("fading.gate"),
            result: row("fading.result"),
            normed: row("fading.normed"),
            all,
            steps,
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<FadingAttention, ModelError> {
        let Self { heads, head_dim, .. } = *self;
        let (hidden, width) = (place.hidden, heads * head_dim);
        let qkv = place.of("query_key_value");
        let qk_norms = match self.qk_norm {
            None => None,
            Some(norm) => Some([
                Norm::load(loader, &place.of("query_layernorm"), head_dim, norm)?,
                Norm::load(loader, &place.of("key_layernorm"), head_dim, norm)?,
            ]),
        };
        // A scan whose time steps are all 1 decays by `exp(−exp(a_log))`.
        let speed = f64::from(self.speed);
        let a_log = speeds(heads).into_iter().map(|own| (own * speed).ln() as f32).collect();
        let weights = loader.vector(&place.of("g_norm.weight"), width)?;
        let one = self.norm.without_weight();
        Ok(FadingAttention {
            qkv: loader.fused(&qkv, [width; 3], hidden, self.qkv_bias)?,
            g_proj: loader.linear(&place.of("g_proj"), [width, hidden], false)?,
            dense: loader.linear(&place.of("dense"), [hidden, width], self.out_bias)?,
            qk_norms,
            rope: place.ropes[self.rope],
            norm: Norm::load(loader, "", width / self.groups, one)?,
            weights,
            spec: ScanSpec {
                sizes: self.sizes(),
                a_log: loader.put_vector(a_log)?,
                d: loader.put_vector(vec![0.0; heads])?,
                dt_bias: loader.put_vector(vec![0.0; heads])?,
                limits: [1.0, 1.0],
            },
            state: StatePlace { layer: place.cache, offset: 0 },
            slots: self.plan(scratch),
        })
    }
}

impl Part for FadingAttention {
    /// `out = dense(norm(attention(x)) · sigmoid(gate(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.slots;
        let [mut q, mut k, v] = [slots.q, slots.k, slots.v].map(|slot| scratch[slot]);
        let [gate, result, normed] =
            [slots.gate, slots.result, slots.normed].map(|slot| scratch[slot]);
        let (all, steps) = (scratch[slots.all], scratch[slots.steps]);
        ops.linear(&[q, k, v], x, &self.qkv);
        ops.linear(&[gate], x, &[self.g_proj]);
        let ScanSizes { heads, head_dim, .. } = self.spec.sizes;
        if let Some([q_norm, k_norm]) = &self.qk_norms {
            let (q_normed, k_normed) = (scratch[slots.q_normed], scratch[slots.k_normed]);
            q_norm.forward(ops, q_normed, q);
            k_norm.forward(ops, k_normed, k);
            (q, k) = (q_normed, k_normed);
        }
        ops.rope(q, heads, self.rope, batch);
        ops.rope(k, heads, self.rope, batch);
        ops.scale(q, (1.0 / (head_dim as f64).sqrt()) as f32);
        let width = heads * head_dim;
        join(ops, all, &[v, k, q].map(|part| (part, width)));
        // Their limits make all of them 1.
        join(ops, steps, &[(q, heads)]);
        let inputs = ScanInputs { xbc: all, dt: steps };
        ops.selective_scan(result, inputs, &self.spec, self.state, batch);
        self.norm.forward(ops, normed, result);
        ops.scale_columns(normed, self.weights);
        ops.activate(gate, Activation::Sigmoid);
        ops.multiply(normed, gate);
        ops.linear(&[out], normed, &[self.dense]);
    }
}
