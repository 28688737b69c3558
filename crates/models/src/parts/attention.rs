//! Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245) with rotary positions.

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Compute, LayerCache, Mask, Pieces, Rope, ScoreGrowth,
    Weight,
};

use super::attention_sizes::AttentionSizes;
use super::earlier_run::{EarlierRun, EarlierRunSpec};
use super::head_norm::{HeadNorm, QkNorm};
use super::kv_conv::{KvConv, KvConvSpec};
use super::kv_widths::KvWidths;
use super::norm::{Norm, NormSpec, SubNorm};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of the attention of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupedSpec {
    pub(crate) sizes: AttentionSizes,
    pub(crate) biases: Biases,
    pub(crate) names: AttentionNames,
    pub(crate) qkv: QkvLayout,
    /// A convolution over keys and values.
    pub(crate) kv_conv: Option<KvConvSpec>,
    /// Norms of queries and keys.
    pub(crate) qk_norm: Option<QkNorm>,
    /// `true` if queries and keys are rotated before their norms.
    pub(crate) rope_first: bool,
    pub(crate) gate: Option<OutputGate>,
    /// Norm of the results of all heads.
    pub(crate) sub_norm: Option<SubNorm>,
    pub(crate) values: Values,
    /// Names of numbers to whose multiples keys and values are rounded.
    pub(crate) steps: Option<[&'static str; 2]>,
    /// Norm of the values of each head.
    pub(crate) value_norm: Option<NormSpec>,
    /// A second attention over the keys and values of an earlier run of the layer.
    pub(crate) earlier: Option<EarlierRunSpec>,
    /// Index of an earlier cache whose keys and values this layer reads instead of own ones.
    pub(crate) shared: Option<usize>,
    /// Width of a value; that of a head if `None`.
    pub(crate) value_dim: Option<usize>,
    /// Factor of the values.
    pub(crate) value_scale: Option<f32>,
    /// Bound of the absolute values of projected queries, keys and values.
    pub(crate) clip: Option<f32>,
    /// Factor of the scores.
    pub(crate) scale: f32,
    /// See [`AttentionSpec::soft_cap`].
    pub(crate) soft_cap: Option<f32>,
    /// `true` if there is a vector `sinks`.
    pub(crate) sinks: bool,
    /// Positions that a row sees, before the window is applied.
    pub(crate) mask: Mask,
    /// Number of positions that a row sees, itself included; `None` if it sees all of them. With
    /// [`Mask::Full`], it counts in each direction.
    pub(crate) window: Option<usize>,
    /// See [`AttentionSpec::chunked`].
    pub(crate) chunked: bool,
    /// Index of the model's rotary embedding; `None` if the layer has no positions.
    pub(crate) rope: Option<usize>,
    /// Growth of the scores with the position.
    pub(crate) growth: Option<ScoreGrowth>,
}

/// A projection of the input that is multiplied into the heads' results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputGate {
    pub(crate) name: &'static str,
    /// `true` if a head has one number instead of one for each value.
    pub(crate) per_head: bool,
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
}

impl OutputGate {
    /// A sigmoid for each value.
    pub(crate) const fn values(name: &'static str) -> Self {
        Self { name, per_head: false, bias: false, activation: Activation::Sigmoid }
    }

    /// One number for each head.
    pub(crate) const fn heads(name: &'static str, activation: Activation) -> Self {
        Self { name, per_head: true, bias: false, activation }
    }
}

/// Names of the modules of attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionNames {
    pub(crate) q: &'static str,
    pub(crate) k: &'static str,
    pub(crate) v: &'static str,
    pub(crate) sinks: &'static str,
    /// The matrix of queries, keys and values, if they have one.
    pub(crate) qkv: &'static str,
    pub(crate) o: &'static str,
    pub(crate) q_norm: &'static str,
    pub(crate) k_norm: &'static str,
}

impl AttentionNames {
    /// The names of Llama and Phi-3.
    pub(crate) const USUAL: Self = Self {
        q: "q_proj",
        k: "k_proj",
        v: "v_proj",
        sinks: "sinks",
        qkv: "qkv_proj",
        o: "o_proj",
        q_norm: "q_norm",
        k_norm: "k_norm",
    };
}

/// Origin of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// A projection of their own.
    Projection,
    /// The keys before their norm.
    Keys,
}

/// Matrices of queries, keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QkvLayout {
    /// A matrix each.
    Separate,
    /// A matrix each. That of queries has a gate behind the queries of each head.
    GateInQueries,
    /// A matrix each. Key heads serve query heads by turns instead of as many neighbours each.
    KeysByTurns,
    /// One matrix: all queries, then all keys, then all values.
    Rows,
    /// One matrix: for each key/value head its queries, its key and its value.
    Groups,
}

/// Projections that add a bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Biases {
    /// Queries, keys and values.
    pub(crate) qkv: bool,
    /// The output projection.
    pub(crate) output: bool,
}

impl Biases {
    /// Biases on all projections, or on none.
    pub(crate) const fn all(bias: bool) -> Self {
        Self { qkv: bias, output: bias }
    }
}

pub(crate) struct Attention {
    /// `[heads · head_dim, hidden]`
    q_proj: Weight,
    /// Keys and values of their own, or the index of an earlier cache.
    kv: KeysValues,
    /// `[hidden, heads · head_dim]`
    o_proj: Weight,
    norms: Option<QkNorms>,
    rope: Option<Rope>,
    rope_first: bool,
    earlier: Option<EarlierRun>,
    gate: Option<Gate>,
    kv_conv: Option<KvConv>,
    /// Norm of the results, and its result, `[rows, heads · value_dim]`.
    sub_norm: Option<(Norm, Slot)>,
    value_scale: Option<f32>,
    /// Numbers to whose multiples keys and values are rounded.
    steps: Option<[f32; 2]>,
    clip: Option<f32>,
    /// Queries and results in another order, `[rows, heads · head_dim]` each.
    turned: Option<[Slot; 2]>,
    spec: AttentionSpec,
    /// Index of the layer in the KV cache.
    cache: usize,
    slots: AttentionSlots,
}

/// Projections of the input.
struct Projections {
    q: Weight,
    kv: KeysValues,
    /// The gate that is in the matrix of queries.
    gate: Option<Weight>,
}

enum KeysValues {
    Own {
        /// `[kv_heads · head_dim, hidden]`
        k_proj: Weight,
        /// `[kv_heads · head_dim, hidden]`; `None` if the values are the keys.
        v_proj: Option<Weight>,
        /// Norm of the values, and its result, `[rows, kv_heads · head_dim]`.
        norm: Option<(Norm, Slot)>,
    },
    Shared(usize),
}

/// A gate of the heads' results.
struct Gate {
    /// `[heads, hidden]` or `[heads · value_dim, hidden]`
    weight: Weight,
    /// `[rows, heads]` or `[rows, heads · value_dim]`
    out: Slot,
    activation: Activation,
}

/// Norms of queries and keys, and their results.
struct QkNorms {
    q: HeadNorm,
    /// `None` if the keys are those of another layer.
    k: Option<HeadNorm>,
    /// `[rows, heads · head_dim]`
    q_normed: Slot,
    /// `[rows, kv_heads · head_dim]`
    k_normed: Slot,
}

pub(crate) struct AttentionSlots {
    /// `[rows, heads · head_dim]`
    q: Slot,
    /// `[rows, kv_heads · head_dim]`
    k: Slot,
    /// `[rows, kv_heads · head_dim]`
    v: Slot,
    /// `[rows, heads · head_dim]`
    attended: Slot,
}

impl GroupedSpec {
    /// Without biases, norms, caps or a window, with scores scaled by `1/√head_dim` and the first
    /// rotary embedding of the model.
    pub(crate) fn plain(sizes: AttentionSizes) -> Self {
        Self {
            sizes,
            biases: Biases::all(false),
            names: AttentionNames::USUAL,
            qkv: QkvLayout::Separate,
            kv_conv: None,
            qk_norm: None,
            rope_first: false,
            gate: None,
            sub_norm: None,
            values: Values::Projection,
            steps: None,
            value_norm: None,
            earlier: None,
            shared: None,
            value_dim: None,
            value_scale: None,
            clip: None,
            scale: (1.0 / (sizes.head_dim as f64).sqrt()) as f32,
            soft_cap: None,
            sinks: false,
            mask: Mask::Causal,
            window: None,
            rope: Some(0),
            growth: None,
            chunked: false,
        }
    }

    pub(super) const fn kv_widths(&self) -> KvWidths {
        let AttentionSizes { kv_heads, head_dim, .. } = self.sizes;
        KvWidths { kv_heads, head_dim, value_dim: self.value_width() }
    }

    /// Returns the name of the part.
    pub(super) const fn mixer(&self) -> &'static str {
        match (self.window, self.chunked) {
            (None, _) => "attention",
            (Some(_), false) => "attention in a window",
            (Some(_), true) => "attention in chunks",
        }
    }

    /// Returns what the part keeps of earlier tokens, or `None` if it keeps nothing of its own.
    pub(super) const fn cache(&self) -> Option<LayerCache> {
        let window = match self.mask {
            Mask::Causal | Mask::Blocks(_) => self.window,
            // All of a text is computed at once, so there is nothing to give back.
            Mask::Full => None,
        };
        if self.shared.is_some() { None } else { Some(self.kv_widths().cache(window)) }
    }

    /// Returns what the part keeps next to keys and values.
    pub(super) fn second_cache(&self) -> Option<LayerCache> {
        let values = |conv: KvConvSpec| conv.state_values(self.kv_widths());
        self.kv_conv.map(|conv| LayerCache::State { values: values(conv) })
    }

    const fn value_width(&self) -> usize {
        match self.value_dim {
            Some(width) => width,
            None => self.sizes.head_dim,
        }
    }

    /// Returns the widths of all query heads and of all key heads.
    const fn widths(&self) -> [usize; 2] {
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        [heads * head_dim, kv_heads * head_dim]
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> AttentionSlots {
        if self.qk_norm.is_some() {
            self.plan_normed(scratch);
        }
        if let Some(gate) = &self.gate {
            self.plan_gate(gate, scratch);
        }
        if self.value_norm.is_some() {
            self.plan_values(scratch);
        }
        if self.sub_norm.is_some() {
            self.plan_sub_norm(scratch);
        }
        if self.kv_conv.is_some() {
            KvConvSpec::plan(self.kv_widths(), scratch);
        }
        if self.earlier.is_some() {
            EarlierRunSpec::plan(self.sizes.heads, self.value_width(), scratch);
        }
        if self.qkv == QkvLayout::KeysByTurns {
            self.plan_turned(scratch);
        }
        let [queries, keys] = self.widths();
        let AttentionSizes { heads, kv_heads, .. } = self.sizes;
        let value = self.value_width();
        AttentionSlots {
            q: scratch.row("attention.q", queries),
            k: scratch.row("attention.k", keys),
            v: scratch.row("attention.v", kv_heads * value),
            attended: scratch.row("attention.attended", heads * value),
        }
    }

    fn plan_turned(&self, scratch: &mut ScratchPlan) -> [Slot; 2] {
        let [queries, _] = self.widths();
        let values = self.sizes.heads * self.value_width();
        [scratch.row("attention.q_turned", queries), scratch.row("attention.turned", values)]
    }

    fn plan_normed(&self, scratch: &mut ScratchPlan) -> [Slot; 2] {
        let [queries, keys] = self.widths();
        [scratch.row("attention.q_normed", queries), scratch.row("attention.k_normed", keys)]
    }

    fn plan_values(&self, scratch: &mut ScratchPlan) -> Slot {
        scratch.row("attention.v_normed", self.sizes.kv_heads * self.value_width())
    }

    fn plan_sub_norm(&self, scratch: &mut ScratchPlan) -> Slot {
        scratch.row("attention.sub_norm", self.sizes.heads * self.value_width())
    }

    fn plan_gate(&self, gate: &OutputGate, scratch: &mut ScratchPlan) -> Slot {
        scratch.row("attention.gate", self.gate_width(gate))
    }

    const fn gate_width(&self, gate: &OutputGate) -> usize {
        self.sizes.heads * if gate.per_head { 1 } else { self.value_width() }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Attention, ModelError> {
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        let (hidden, value_dim) = (place.hidden, self.value_width());
        let Projections { q: q_proj, kv, gate } = self.load_projections(loader, place, scratch)?;
        let norms = self.load_norms(loader, place, scratch)?;
        let sinks = if self.sinks {
            Some(loader.vector(&place.of(self.names.sinks), heads)?)
        } else {
            None
        };
        let gate = match &self.gate {
            None => None,
            Some(spec) => {
                let shape = [self.gate_width(spec), hidden];
                let weight = match gate {
                    Some(weight) => weight,
                    None => loader.linear(&place.of(spec.name), shape, spec.bias)?,
                };
                let out = self.plan_gate(spec, scratch);
                Some(Gate { weight, out, activation: spec.activation })
            }
        };
        let sub_norm = match self.sub_norm {
            None => None,
            Some(sub) => {
                let width = heads * value_dim;
                let norm = Norm::load(loader, &place.of(sub.name), width, sub.norm)?;
                Some((norm, self.plan_sub_norm(scratch)))
            }
        };
        let earlier = match &self.earlier {
            None => None,
            Some(spec) => {
                let slots = EarlierRunSpec::plan(heads, value_dim, scratch);
                Some(spec.load(loader, self.sizes, slots)?)
            }
        };
        let kv_conv = match &self.kv_conv {
            None => None,
            Some(spec) => Some(spec.load(loader, place, self.kv_widths(), scratch)?),
        };
        let steps = match self.steps {
            Some([k, v]) if self.shared.is_none() => {
                Some([loader.number(&place.of(k))?, loader.number(&place.of(v))?])
            }
            _ => None,
        };
        let o_proj = place.of(self.names.o);
        Ok(Attention {
            q_proj,
            kv,
            o_proj: loader.linear(&o_proj, [hidden, heads * value_dim], self.biases.output)?,
            norms,
            rope: self.rope.map(|index| place.ropes[index]),
            rope_first: self.rope_first,
            earlier,
            gate,
            kv_conv,
            sub_norm,
            value_scale: self.value_scale,
            steps,
            clip: self.clip,
            turned: (self.qkv == QkvLayout::KeysByTurns).then(|| self.plan_turned(scratch)),
            spec: AttentionSpec {
                heads,
                kv_heads,
                head_dim,
                value_dim,
                scale: self.scale,
                mask: self.mask,
                window: self.window,
                soft_cap: self.soft_cap,
                sinks,
                growth: self.growth,
                chunked: self.chunked,
            },
            cache: place.cache,
            slots: self.plan(scratch),
        })
    }

    /// Loads the projections of queries, keys and values.
    fn load_projections(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Projections, ModelError> {
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        let ([queries, keys], hidden) = (self.widths(), place.hidden);
        let values = kv_heads * self.value_width();
        let (names, bias) = (self.names, self.biases.qkv);
        let qkv = place.of(names.qkv);
        let [q, k, v] = [names.q, names.k, names.v].map(|name| place.of(name));
        if let Some(cache) = self.shared {
            // Some conversions keep what the layer does not use.
            for unused in [k, v, place.of(names.k_norm)] {
                loader.leave_out(&unused);
            }
            let q = loader.linear(&q, [queries, hidden], bias)?;
            return Ok(Projections { q, kv: KeysValues::Shared(cache), gate: None });
        }
        let mut gate = None;
        let (q_proj, k_proj, v_proj) = match (self.qkv, self.values) {
            (
                QkvLayout::Separate | QkvLayout::GateInQueries | QkvLayout::KeysByTurns,
                Values::Keys,
            ) => {
                let q = loader.linear(&q, [queries, hidden], bias)?;
                (q, loader.linear(&k, [keys, hidden], bias)?, None)
            }
            (
                QkvLayout::Separate | QkvLayout::GateInQueries | QkvLayout::KeysByTurns,
                Values::Projection,
            ) => {
                let q = if self.qkv == QkvLayout::GateInQueries {
                    let rows = [head_dim, head_dim];
                    let [q, own] = loader.interleaved(&q, rows, heads, hidden, bias)?;
                    gate = Some(own);
                    q
                } else {
                    loader.linear(&q, [queries, hidden], bias)?
                };
                let k = loader.linear(&k, [keys, hidden], bias)?;
                (q, k, Some(loader.linear(&v, [values, hidden], bias)?))
            }
            (QkvLayout::Rows, _) => {
                let [q, k, v] = loader.fused(&qkv, [queries, keys, values], hidden, bias)?;
                (q, k, Some(v))
            }
            (QkvLayout::Groups, _) => {
                let group = [heads / kv_heads * head_dim, head_dim, self.value_width()];
                let [q, k, v] = loader.interleaved(&qkv, group, kv_heads, hidden, bias)?;
                (q, k, Some(v))
            }
        };
        let norm = match self.value_norm {
            None => None,
            Some(norm) => {
                let norm = Norm::load(loader, &place.of("v_norm"), self.value_width(), norm)?;
                Some((norm, self.plan_values(scratch)))
            }
        };
        Ok(Projections { q: q_proj, kv: KeysValues::Own { k_proj, v_proj, norm }, gate })
    }

    fn load_norms(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Option<QkNorms>, ModelError> {
        let Some(norm) = self.qk_norm else { return Ok(None) };
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        let [q_normed, k_normed] = self.plan_normed(scratch);
        let (q, k) = (place.of(self.names.q_norm), place.of(self.names.k_norm));
        let q = HeadNorm::load(loader, &q, norm, [heads, head_dim])?;
        let k = match self.shared {
            Some(_) => None,
            None => Some(HeadNorm::load(loader, &k, norm.of_keys(), [kv_heads, head_dim])?),
        };
        Ok(Some(QkNorms { q, k, q_normed, k_normed }))
    }
}

impl Attention {
    /// Projects, normalizes and rotates the keys or queries `x`, whose norm writes to `normed`.
    fn prepare(
        &self,
        ops: &mut dyn Compute,
        x: Act,
        normed: Option<(&HeadNorm, Act)>,
        heads: usize,
        batch: &Batch,
    ) -> Act {
        let rotate = |ops: &mut dyn Compute, x| {
            if let Some(rope) = self.rope {
                ops.rope(x, heads, rope, batch);
            }
        };
        if self.rope_first {
            rotate(ops, x);
        }
        let out = match normed {
            None => x,
            Some((norm, normed)) => {
                norm.forward(ops, normed, x);
                normed
            }
        };
        if !self.rope_first {
            rotate(ops, out);
        }
        out
    }

    /// Attends to keys and values of its own, which come from `x`.
    fn attend_own(
        &self,
        ops: &mut dyn Compute,
        own: Own<'_>,
        x: Act,
        scratch: &Scratch,
        batch: &Batch,
    ) {
        let AttentionSlots { q, k, v, attended } = self.slots;
        let (q, k, v) = (scratch[q], scratch[k], scratch[v]);
        if let Some(v_proj) = own.v_proj {
            ops.linear(&[q, k, v], x, &[self.q_proj, own.k_proj, v_proj]);
        } else {
            ops.linear(&[q, k], x, &[self.q_proj, own.k_proj]);
            let width = self.spec.kv_heads * self.spec.head_dim;
            let all = Pieces { offset: 0, stride: 0 };
            ops.copy_pieces((v, all), (k, all), 1, width);
        }
        if let Some(limit) = self.clip {
            for x in [q, k, v] {
                ops.activate(x, Activation::Clip { limit });
            }
        }
        let [k, v] = match &self.kv_conv {
            None => [k, v],
            Some(conv) => conv.forward(ops, [k, v], scratch, batch),
        };
        let AttentionSpec { heads, kv_heads, .. } = self.spec;
        let q_norm = self.norms.as_ref().map(|norms| (&norms.q, scratch[norms.q_normed]));
        let k_norm = self
            .norms
            .as_ref()
            .and_then(|norms| norms.k.as_ref().map(|norm| (norm, scratch[norms.k_normed])));
        let q = self.prepare(ops, q, q_norm, heads, batch);
        let k = self.prepare(ops, k, k_norm, kv_heads, batch);
        let v = match own.norm {
            None => v,
            Some((norm, normed)) => {
                let normed = scratch[*normed];
                norm.forward(ops, normed, v);
                normed
            }
        };
        if let Some(factor) = self.value_scale {
            ops.scale(v, factor);
        }
        if let Some([k_step, v_step]) = self.steps {
            ops.snap(k, k_step);
            ops.snap(v, v_step);
        }
        let attended = scratch[attended];
        let Some([q_turned, turned]) = self.turned else {
            ops.attend(attended, q, k, v, self.cache, &self.spec, batch);
            if let Some(earlier) = &self.earlier {
                earlier.mix(ops, [attended, q], &self.spec, scratch, batch);
            }
            return;
        };
        let (q_turned, turned) = (scratch[q_turned], scratch[turned]);
        self.turn(ops, [q_turned, q], self.spec.head_dim, false);
        ops.attend(turned, q_turned, k, v, self.cache, &self.spec, batch);
        self.turn(ops, [attended, turned], self.spec.value_dim, true);
    }

    /// Copies heads, so that those of a key head become neighbours, or `back`.
    fn turn(&self, ops: &mut dyn Compute, [out, x]: [Act; 2], width: usize, back: bool) {
        let AttentionSpec { heads, kv_heads, .. } = self.spec;
        let group = heads / kv_heads;
        for key_head in 0..kv_heads {
            let apart = Pieces { offset: key_head * width, stride: kv_heads * width };
            let together = Pieces { offset: key_head * group * width, stride: width };
            let (to, from) = if back { (apart, together) } else { (together, apart) };
            ops.copy_pieces((out, to), (x, from), group, width);
        }
    }
}

/// Fields of [`KeysValues::Own`].
#[derive(Clone, Copy)]
struct Own<'a> {
    k_proj: Weight,
    v_proj: Option<Weight>,
    norm: Option<&'a (Norm, Slot)>,
}

impl Part for Attention {
    /// `out = o(attend(rope(norm(q(x))), rope(norm(k(x))), v(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let attended = scratch[self.slots.attended];
        match &self.kv {
            KeysValues::Own { k_proj, v_proj, norm } => {
                let own = Own { k_proj: *k_proj, v_proj: *v_proj, norm: norm.as_ref() };
                self.attend_own(ops, own, x, scratch, batch);
            }
            KeysValues::Shared(cache) => {
                let q = scratch[self.slots.q];
                ops.linear(&[q], x, &[self.q_proj]);
                let norm = self.norms.as_ref().map(|norms| (&norms.q, scratch[norms.q_normed]));
                let q = self.prepare(ops, q, norm, self.spec.heads, batch);
                ops.attend_shared(attended, q, *cache, &self.spec, batch);
            }
        }
        if let Some(gate) = &self.gate {
            let factors = scratch[gate.out];
            ops.linear(&[factors], x, &[gate.weight]);
            ops.activate(factors, gate.activation);
            ops.multiply(attended, factors);
        }
        let inner = match &self.sub_norm {
            None => attended,
            Some((norm, normed)) => {
                let normed = scratch[*normed];
                norm.forward(ops, normed, attended);
                normed
            }
        };
        ops.linear(&[out], inner, &[self.o_proj]);
    }
}
