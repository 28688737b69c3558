//! Gated keys and values of the last few tokens, without attention (Gear): both are convolved, and a value passes as far
//! as the query fits the key in each column.

use mlxk_ops::{Act, Activation, Batch, Compute, ConvSpec, Pieces, StatePlace, Weight};

use super::attention_sizes::AttentionSizes;
use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::{FilterLayout, Loader};

/// Description of the part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KvMixerSpec {
    pub(crate) sizes: AttentionSizes,
    /// Number of tokens that a key or a value depends on.
    pub(crate) kernel: usize,
    /// `true` if the projections and the convolutions add biases.
    pub(crate) bias: bool,
    /// Norm of each head of queries and keys.
    pub(crate) norm: NormSpec,
}

pub(crate) struct KvMixer {
    /// Of queries, keys and values.
    proj: [Weight; 3],
    o_proj: Weight,
    q_norm: Norm,
    k_norm: Norm,
    /// Of keys and of values.
    convs: [(ConvSpec, StatePlace); 2],
    sizes: AttentionSizes,
    slots: KvMixerSlots,
}

/// `wide` ones are `[rows, heads · head_dim]`, the others `[rows, kv_heads · head_dim]`.
pub(crate) struct KvMixerSlots {
    wide: [Slot; 3],
    k: Slot,
    v: Slot,
    normed: Slot,
    mixed: Slot,
}

impl KvMixerSpec {
    const fn keys(&self) -> usize {
        self.sizes.kv_heads * self.sizes.head_dim
    }

    const fn queries(&self) -> usize {
        self.sizes.heads * self.sizes.head_dim
    }

    pub(super) const fn state_values(&self) -> usize {
        2 * ConvSpec::state_values(self.kernel, self.keys())
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> KvMixerSlots {
        let (queries, keys) = (self.queries(), self.keys());
        KvMixerSlots {
            wide: ["kv_mixer.q", "kv_mixer.q_normed", "kv_mixer.spread"]
                .map(|label| scratch.row(label, queries)),
            k: scratch.row("kv_mixer.k", keys),
            v: scratch.row("kv_mixer.v", keys),
            normed: scratch.row("kv_mixer.k_normed", keys),
            mixed: scratch.row("kv_mixer.mixed", keys),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<KvMixer, ModelError> {
        let Self { sizes, kernel, bias, norm } = *self;
        let (hidden, queries, keys) = (place.hidden, self.queries(), self.keys());
        let mut linear = |name, rows| loader.linear(&place.of(name), [rows, hidden], bias);
        let proj = [linear("q_proj", queries)?, linear("k_proj", keys)?, linear("v_proj", keys)?];
        let o_proj = loader.linear(&place.of("o_proj"), [hidden, queries], bias)?;
        let mut conv = |name, offset| -> Result<_, ModelError> {
            let path = place.of(name);
            let spec = ConvSpec {
                kernel,
                weight: loader.filters(&path, [kernel, keys], FilterLayout::Either)?,
                bias: loader.optional_vector(&format!("{path}.bias"), keys, bias)?,
                activation: None,
            };
            Ok((spec, StatePlace { layer: place.cache, offset }))
        };
        let convs = [conv("key_conv", 0)?, conv("value_conv", self.state_values() / 2)?];
        Ok(KvMixer {
            proj,
            o_proj,
            q_norm: Norm::load(loader, &place.of("q_norm"), sizes.head_dim, norm)?,
            k_norm: Norm::load(loader, &place.of("k_norm"), sizes.head_dim, norm)?,
            convs,
            sizes,
            slots: self.plan(scratch),
        })
    }
}

impl KvMixer {
    /// Copies each key head once for each of its query heads.
    fn spread(&self, ops: &mut dyn Compute, out: Act, x: Act) {
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        let group = heads / kv_heads;
        for head in 0..kv_heads {
            let to = Pieces { offset: head * group * head_dim, stride: head_dim };
            let from = Pieces { offset: head * head_dim, stride: 0 };
            ops.copy_pieces((out, to), (x, from), group, head_dim);
        }
    }
}

impl Part for KvMixer {
    /// `out = o(sigmoid(norm(q(x)) · conv(norm(k(x)))) · conv(v(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let KvMixerSlots { wide, k, v, normed, mixed } = self.slots;
        let [q, gate, spread] = wide.map(|slot| scratch[slot]);
        let [k, v, normed, mixed] = [k, v, normed, mixed].map(|slot| scratch[slot]);
        ops.linear(&[q, k, v], x, &self.proj);
        self.q_norm.forward(ops, gate, q);
        self.k_norm.forward(ops, normed, k);
        let [(key_conv, key_state), (value_conv, value_state)] = &self.convs;
        ops.short_conv(mixed, normed, key_conv, *key_state, batch);
        self.spread(ops, spread, mixed);
        ops.multiply(gate, spread);
        ops.activate(gate, Activation::Sigmoid);
        ops.short_conv(mixed, v, value_conv, *value_state, batch);
        self.spread(ops, spread, mixed);
        ops.multiply(gate, spread);
        ops.linear(&[out], gate, &[self.o_proj]);
    }
}
