//! The indexer of sparse attention (DeepSeek-V3.2, 2025, arXiv:2512.02556): small heads with one key score all
//! positions, and a row attends to the best ones.

use mlxk_ops::{Act, Batch, Compute, IndexInputs, IndexSpec, LayerCache, Rope, Weight};

use super::kv_widths::KvWidths;
use super::norm::{Norm, NormSpec};
use super::part::Place;
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Name of the module below the attention.
const NAME: &str = "indexer";

/// Description of an indexer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexerSpec {
    pub(crate) heads: usize,
    /// Width of a query and of the key.
    pub(crate) head_dim: usize,
    /// Most positions that a row attends to.
    pub(crate) keep: usize,
    /// Index of the model's rotary embedding.
    pub(crate) rope: usize,
}

pub(crate) struct Indexer {
    /// `wq_b [heads · head_dim, q_rank]`
    queries: Weight,
    /// `wk [head_dim, hidden]`
    key: Weight,
    key_norm: Norm,
    /// `weights_proj [heads, hidden]`
    weights: Weight,
    rope: Rope,
    spec: IndexSpec,
    slots: IndexerSlots,
}

pub(crate) struct IndexerSlots {
    /// `[rows, heads · head_dim]`
    queries: Slot,
    /// `[rows, head_dim]`
    key: Slot,
    /// `[rows, head_dim]`
    key_normed: Slot,
    /// `[rows, heads]`
    weights: Slot,
}

impl IndexerSpec {
    /// Returns what the indexer keeps of earlier tokens: keys without values.
    pub(super) const fn cache(&self) -> LayerCache {
        KvWidths { kv_heads: 1, head_dim: self.head_dim, value_dim: 0 }.cache(None)
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> IndexerSlots {
        IndexerSlots {
            queries: scratch.row("indexer.queries", self.heads * self.head_dim),
            key: scratch.row("indexer.key", self.head_dim),
            key_normed: scratch.row("indexer.key_normed", self.head_dim),
            weights: scratch.row("indexer.weights", self.heads),
        }
    }

    /// Loads the indexer of the attention at `place`, whose latent queries have `q_rank` values.
    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        q_rank: usize,
        scratch: &mut ScratchPlan,
    ) -> Result<Indexer, ModelError> {
        let Self { heads, head_dim, keep, rope } = *self;
        let of = |name: &str| place.of(&format!("{NAME}.{name}"));
        // `config.json` has no key for the epsilon.
        let norm = NormSpec::layer(1e-5);
        Ok(Indexer {
            queries: loader.linear(&of("wq_b"), [heads * head_dim, q_rank], false)?,
            key: loader.linear(&of("wk"), [head_dim, place.hidden], false)?,
            key_norm: Norm::load(loader, &of("k_norm"), head_dim, norm)?,
            weights: loader.linear(&of("weights_proj"), [heads, place.hidden], false)?,
            rope: place.ropes[rope],
            // Its cache follows that of the attention.
            spec: IndexSpec { heads, head_dim, keep, layer: place.cache + 1 },
            slots: self.plan(scratch),
        })
    }
}

impl Indexer {
    pub(super) const fn spec(&self) -> &IndexSpec {
        &self.spec
    }

    /// Computes what the indexer compares, from the input of the attention and its latent queries. mlx-lm scales all
    /// weights alike, which changes no order.
    pub(super) fn forward(
        &self,
        ops: &mut dyn Compute,
        [x, latent]: [Act; 2],
        scratch: &Scratch,
        batch: &Batch,
    ) -> IndexInputs {
        let IndexerSlots { queries, key, key_normed, weights } = self.slots;
        let (queries, weights) = (scratch[queries], scratch[weights]);
        let (key, keys) = (scratch[key], scratch[key_normed]);
        ops.linear(&[queries], latent, &[self.queries]);
        ops.linear(&[key, weights], x, &[self.key, self.weights]);
        self.key_norm.forward(ops, keys, key);
        ops.rope(queries, self.spec.heads, self.rope, batch);
        ops.rope(keys, 1, self.rope, batch);
        IndexInputs { queries, keys, weights }
    }
}
