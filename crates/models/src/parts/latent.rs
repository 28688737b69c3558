//! Multi-head latent attention (DeepSeek-V2, 2024, arXiv:2405.04434, §2.1): keys and values come
//! from one narrow latent vector per position.
//!
//! DeepSeek-V2 checkpoints expand the latent to keys and values of every head (`kv_b_proj`), which
//! are cached. DeepSeek-V3 checkpoints have the two halves of that matrix per head (`embed_q`,
//! `unembed_out`). Queries are projected to the latent instead, and only the latent is cached. Older
//! V3 checkpoints have `kv_b_proj`, too, and are split when they are loaded.

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Compute, Mask, Pieces, Rope, ScoreGrowth, Weight,
};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

use super::indexer::{Indexer, IndexerSpec};
use super::kv_widths::KvWidths;
use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of the attention of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatentSpec {
    pub(crate) heads: usize,
    /// Width of the latent of queries; `None` if queries come straight from the input.
    pub(crate) q_rank: Option<usize>,
    /// Width of the latent of keys and values.
    pub(crate) kv_rank: usize,
    /// Width of the part of a query or key without positions.
    pub(crate) nope: usize,
    /// Width of the part with rotary positions. All heads share that part of a key.
    pub(crate) rope: usize,
    /// Width of a value.
    pub(crate) value: usize,
    pub(crate) bias: bool,
    /// Norms of the latents.
    pub(crate) norm: NormSpec,
    /// Factor of the latent of keys and values, after its norm.
    pub(crate) latent_scale: Option<f32>,
    /// Factor of the scores.
    pub(crate) scale: f32,
    /// `true` if queries are projected to the latent.
    pub(crate) absorbed: bool,
    /// Growth of the scores with the position.
    pub(crate) growth: Option<ScoreGrowth>,
    /// Index of the model's rotary embedding; `None` if there are no positions.
    pub(crate) rope_index: Option<usize>,
    /// Choice of the positions that a row sees. Needs a latent of queries.
    pub(crate) indexer: Option<IndexerSpec>,
    /// Name of the output projection.
    pub(crate) output: &'static str,
    /// Name of a projection to one number per head. Its sigmoid is a factor of the head's result.
    pub(crate) gate: Option<&'static str>,
}

pub(crate) struct LatentAttention {
    q: Queries,
    /// `[kv_rank + rope, hidden]`
    kv_a_proj_with_mqa: Weight,
    kv_a_layernorm: Norm,
    kv: KeysValues,
    /// `[hidden, heads · value]`
    o_proj: Weight,
    rope: Option<Rope>,
    indexer: Option<Indexer>,
    /// `[heads, hidden]`
    gate: Option<Weight>,
    spec: LatentSpec,
    attend: AttentionSpec,
    /// Index of the layer in the KV cache.
    cache: usize,
    slots: LatentSlots,
}

enum Queries {
    /// `q_proj [heads · (nope + rope), hidden]`
    Direct(Weight),
    Latent(LatentQueries),
}

struct LatentQueries {
    /// `q_a_proj [q_rank, hidden]`
    down: Weight,
    norm: Norm,
    /// `q_b_proj [heads · (nope + rope), q_rank]`
    up: Weight,
    /// `[rows, q_rank]`
    narrow: Slot,
    /// `[rows, q_rank]`
    normed: Slot,
}

enum KeysValues {
    Expanded {
        /// `kv_b_proj [heads · (nope + value), kv_rank]`
        up: Weight,
        /// `[rows, heads · (nope + value)]`
        expanded: Slot,
    },
    Absorbed {
        /// `[heads, kv_rank, nope]`
        embed_q: Weight,
        /// `[heads, value, kv_rank]`
        unembed_out: Weight,
        slots: AbsorbedSlots,
    },
}

struct AbsorbedSlots {
    /// `[rows, heads · nope]`
    narrow: Slot,
    /// `[rows, heads · kv_rank]`
    absorbed: Slot,
}

pub(crate) struct LatentSlots {
    /// `[rows, heads · (nope + rope)]`
    q: Slot,
    /// `[rows, kv_rank + rope]`
    kv: Slot,
    /// `[rows, kv_rank]`
    latent: Slot,
    /// `[rows, kv_rank]`
    latent_normed: Slot,
    /// `[rows, heads · width of a cached key]`
    queries: Slot,
    /// `[rows, cached heads · width of a cached key]`
    keys: Slot,
    /// `[rows, cached heads · width of a cached value]`
    values: Slot,
    /// `[rows, heads · width of a cached value]`
    attended: Slot,
    /// `[rows, heads · value]`
    out: Slot,
    /// `[rows, heads]`
    gate: Slot,
}

impl LatentSpec {
    pub(crate) const fn kv_widths(&self) -> KvWidths {
        if self.absorbed {
            let head_dim = self.kv_rank + self.rope;
            KvWidths { kv_heads: 1, head_dim, value_dim: self.kv_rank }
        } else {
            let head_dim = self.nope + self.rope;
            KvWidths { kv_heads: self.heads, head_dim, value_dim: self.value }
        }
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> LatentSlots {
        let Self { heads, kv_rank, nope, rope, value, .. } = *self;
        if let Some(rank) = self.q_rank {
            plan_latent_queries(rank, scratch);
        }
        if let Some(indexer) = &self.indexer {
            indexer.plan(scratch);
        }
        if self.absorbed {
            self.plan_absorbed(scratch);
        } else {
            self.plan_expanded(scratch);
        }
        let cache = self.kv_widths();
        LatentSlots {
            q: scratch.row("latent.q", heads * (nope + rope)),
            kv: scratch.row("latent.kv", kv_rank + rope),
            latent: scratch.row("latent.latent", kv_rank),
            latent_normed: scratch.row("latent.latent_normed", kv_rank),
            queries: scratch.row("latent.queries", heads * cache.head_dim),
            keys: scratch.row("latent.keys", cache.kv_heads * cache.head_dim),
            values: scratch.row("latent.values", cache.kv_heads * cache.value_dim),
            attended: scratch.row("latent.attended", heads * cache.value_dim),
            out: scratch.row("latent.out", heads * value),
            gate: scratch.row("latent.gate", heads),
        }
    }

    fn plan_absorbed(&self, scratch: &mut ScratchPlan) -> AbsorbedSlots {
        AbsorbedSlots {
            narrow: scratch.row("latent.narrow", self.heads * self.nope),
            absorbed: scratch.row("latent.absorbed", self.heads * self.kv_rank),
        }
    }

    fn plan_expanded(&self, scratch: &mut ScratchPlan) -> Slot {
        scratch.row("latent.expanded", self.heads * (self.nope + self.value))
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<LatentAttention, ModelError> {
        let Self { heads, kv_rank, rope, value, bias, .. } = *self;
        let hidden = place.hidden;
        let q = self.load_queries(loader, place, scratch)?;
        let kv = self.load_keys_values(loader, place, scratch)?;
        let cache = self.kv_widths();
        Ok(LatentAttention {
            q,
            kv_a_proj_with_mqa: loader.linear(
                &place.of("kv_a_proj_with_mqa"),
                [kv_rank + rope, hidden],
                bias,
            )?,
            kv_a_layernorm: Norm::load(loader, &place.of("kv_a_layernorm"), kv_rank, self.norm)?,
            kv,
            o_proj: loader.linear(&place.of(self.output), [hidden, heads * value], bias)?,
            rope: self.rope_index.map(|index| place.ropes[index]),
            indexer: match (&self.indexer, self.q_rank) {
                (Some(indexer), Some(rank)) => Some(indexer.load(loader, place, rank, scratch)?),
                _ => None,
            },
            gate: match self.gate {
                None => None,
                Some(name) => Some(loader.linear(&place.of(name), [heads, hidden], false)?),
            },
            spec: *self,
            attend: AttentionSpec {
                heads,
                kv_heads: cache.kv_heads,
                head_dim: cache.head_dim,
                value_dim: cache.value_dim,
                scale: self.scale,
                mask: Mask::Causal,
                window: None,
                soft_cap: None,
                sinks: None,
                growth: self.growth,
                chunked: false,
            },
            cache: place.cache,
            slots: self.plan(scratch),
        })
    }

    fn load_queries(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Queries, ModelError> {
        let width = self.heads * (self.nope + self.rope);
        let Some(rank) = self.q_rank else {
            let shape = [width, place.hidden];
            return Ok(Queries::Direct(loader.linear(&place.of("q_proj"), shape, false)?));
        };
        let [narrow, normed] = plan_latent_queries(rank, scratch);
        Ok(Queries::Latent(LatentQueries {
            down: loader.linear(&place.of("q_a_proj"), [rank, place.hidden], self.bias)?,
            norm: Norm::load(loader, &place.of("q_a_layernorm"), rank, self.norm)?,
            up: loader.linear(&place.of("q_b_proj"), [width, rank], false)?,
            narrow,
            normed,
        }))
    }

    fn load_keys_values(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<KeysValues, ModelError> {
        let Self { heads, kv_rank, nope, value, .. } = *self;
        let both = [heads * (nope + value), kv_rank];
        let kv_b_proj = place.of("kv_b_proj");
        if !self.absorbed {
            let up = loader.linear(&kv_b_proj, both, false)?;
            return Ok(KeysValues::Expanded { up, expanded: self.plan_expanded(scratch) });
        }
        let is_old = !loader.has(&place.of("embed_q")) && loader.has(&kv_b_proj);
        let (embed_q, unembed_out) = if is_old {
            let tensor = loader.matrix(&kv_b_proj, both)?;
            let bytes = tensor.size_bytes();
            let values = self.values_of(&tensor);
            let keys = loader.put(self.turned_keys_of(&tensor), None)?;
            let values = loader.put(values, None)?;
            loader.advance(bytes)?;
            (keys, values)
        } else {
            (
                loader.stack(&place.of("embed_q"), [heads, kv_rank, nope], false)?,
                loader.stack(&place.of("unembed_out"), [heads, value, kv_rank], false)?,
            )
        };
        let slots = self.plan_absorbed(scratch);
        Ok(KeysValues::Absorbed { embed_q, unembed_out, slots })
    }

    /// Returns the keys' half of `kv_b_proj` with each head transposed: `[heads, kv_rank, nope]`.
    /// Transposed values are no longer in their quantization groups, so the result is dense.
    fn turned_keys_of(&self, tensor: &QuantTensor) -> QuantTensor {
        let Self { heads, kv_rank, nope, value, .. } = *self;
        let mut keys = vec![0.0f32; heads * kv_rank * nope];
        let mut row = vec![0.0; kv_rank];
        for head in 0..heads {
            for column in 0..nope {
                tensor.dequantize_row(0, head * (nope + value) + column, &mut row);
                for (i, value) in row.iter().enumerate() {
                    keys[(head * kv_rank + i) * nope + column] = *value;
                }
            }
        }
        let data: Vec<u8> = keys.iter().flat_map(|value| value.to_le_bytes()).collect();
        QuantTensor {
            name: tensor.name.clone(),
            experts: heads,
            rows: kv_rank,
            cols: nope,
            storage: Storage::Dense(Dense { dtype: Dtype::F32, data: data.into() }),
        }
    }

    /// Returns the values' half of `kv_b_proj`: `[heads, value, kv_rank]`.
    fn values_of(&self, tensor: &QuantTensor) -> QuantTensor {
        let pair = self.nope + self.value;
        let ranges: Vec<_> =
            (0..self.heads).map(|head| head * pair + self.nope..(head + 1) * pair).collect();
        tensor.stack_of_rows(&ranges)
    }
}

fn plan_latent_queries(rank: usize, scratch: &mut ScratchPlan) -> [Slot; 2] {
    [scratch.row("latent.q_latent", rank), scratch.row("latent.q_latent_normed", rank)]
}

impl Part for LatentAttention {
    /// `out = o(attend(q(x), keys, values))`. Queries and keys are `[nope or latent, rope]` per head.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let LatentSpec { heads, kv_rank, nope, rope, value, .. } = self.spec;
        let slots = &self.slots;
        let (q, kv) = (scratch[slots.q], scratch[slots.kv]);
        match &self.q {
            Queries::Latent(latent) => {
                let (narrow, normed) = (scratch[latent.narrow], scratch[latent.normed]);
                ops.linear(&[narrow, kv], x, &[latent.down, self.kv_a_proj_with_mqa]);
                latent.norm.forward(ops, normed, narrow);
                ops.linear(&[q], normed, &[latent.up]);
            }
            Queries::Direct(proj) => ops.linear(&[q, kv], x, &[*proj, self.kv_a_proj_with_mqa]),
        }
        let (latent, normed) = (scratch[slots.latent], scratch[slots.latent_normed]);
        ops.copy_pieces((latent, at(0, 0)), (kv, at(0, 0)), 1, kv_rank);
        self.kv_a_layernorm.forward(ops, normed, latent);
        if let Some(factor) = self.spec.latent_scale {
            ops.scale(normed, factor);
        }

        let (queries, keys) = (scratch[slots.queries], scratch[slots.keys]);
        let (values, attended) = (scratch[slots.values], scratch[slots.attended]);
        let whole = nope + rope;
        let wide = self.attend.head_dim;
        let plain = wide - rope;
        ops.copy_pieces((queries, at(plain, wide)), (q, at(nope, whole)), heads, rope);
        match &self.kv {
            KeysValues::Expanded { up, expanded } => {
                let expanded = scratch[*expanded];
                ops.linear(&[expanded], normed, &[*up]);
                let pair = nope + value;
                ops.copy_pieces((queries, at(0, wide)), (q, at(0, whole)), heads, nope);
                ops.copy_pieces((keys, at(0, wide)), (expanded, at(0, pair)), heads, nope);
                ops.copy_pieces((keys, at(plain, wide)), (kv, at(kv_rank, 0)), heads, rope);
                ops.copy_pieces((values, at(0, value)), (expanded, at(nope, pair)), heads, value);
            }
            KeysValues::Absorbed { embed_q, slots, .. } => {
                let (narrow, absorbed) = (scratch[slots.narrow], scratch[slots.absorbed]);
                ops.copy_pieces((narrow, at(0, nope)), (q, at(0, whole)), heads, nope);
                ops.linear_heads(absorbed, narrow, *embed_q);
                ops.copy_pieces((queries, at(0, wide)), (absorbed, at(0, kv_rank)), heads, kv_rank);
                ops.copy_pieces((keys, at(0, 0)), (normed, at(0, 0)), 1, kv_rank);
                ops.copy_pieces((keys, at(plain, 0)), (kv, at(kv_rank, 0)), 1, rope);
                ops.copy_pieces((values, at(0, 0)), (normed, at(0, 0)), 1, kv_rank);
            }
        }
        if let Some(rope) = self.rope {
            ops.rope(queries, heads, rope, batch);
            ops.rope(keys, self.attend.kv_heads, rope, batch);
        }
        match (&self.indexer, &self.q) {
            (Some(indexer), Queries::Latent(latent)) => {
                let inputs = indexer.forward(ops, [x, scratch[latent.normed]], scratch, batch);
                let qkv = [queries, keys, values];
                let (cache, index) = (self.cache, indexer.spec());
                ops.attend_best(attended, qkv, cache, &self.attend, inputs, index, batch);
            }
            _ => ops.attend(attended, queries, keys, values, self.cache, &self.attend, batch),
        }
        let per_head = match &self.kv {
            KeysValues::Expanded { .. } => attended,
            KeysValues::Absorbed { unembed_out, .. } => {
                ops.linear_heads(scratch[slots.out], attended, *unembed_out);
                scratch[slots.out]
            }
        };
        if let Some(weight) = self.gate {
            let gate = scratch[slots.gate];
            ops.linear(&[gate], x, &[weight]);
            ops.activate(gate, Activation::Sigmoid);
            ops.multiply(per_head, gate);
        }
        ops.linear(&[out], per_head, &[self.o_proj]);
    }
}

const fn at(offset: usize, stride: usize) -> Pieces {
    Pieces { offset, stride }
}
