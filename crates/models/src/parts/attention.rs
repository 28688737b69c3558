//! Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245) with rotary positions.

use mlxk_ops::{Act, AttentionSpec, Batch, Compute, Rope, ScoreGrowth, Weight};

use super::kv_widths::KvWidths;
use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::config::{Config, limit};
use crate::error::ModelError;
use crate::loader::Loader;

/// Number of heads and their width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionSizes {
    /// Query heads.
    pub(crate) heads: usize,
    /// Key/value heads; divides `heads`.
    pub(crate) kv_heads: usize,
    /// Width of a head; even.
    pub(crate) head_dim: usize,
}

impl AttentionSizes {
    /// Reads and checks the usual keys.
    pub(crate) fn from_config(config: &Config<'_>) -> Result<Self, ModelError> {
        let hidden = config.size("hidden_size", limit::WIDTH)?;
        let heads = config.size("num_attention_heads", limit::HEADS)?;
        let kv_heads = config.optional_size("num_key_value_heads", limit::HEADS)?.unwrap_or(heads);
        check_groups(config, heads, kv_heads)?;
        let head_dim = match config.optional_size("head_dim", limit::HEAD_DIM)? {
            Some(head_dim) => head_dim,
            None if hidden.is_multiple_of(heads) && hidden / heads <= limit::HEAD_DIM => {
                hidden / heads
            }
            None => {
                return Err(config.bad(
                    "hidden_size",
                    format!(
                        "1 to {} times `num_attention_heads` ({heads}), because `head_dim` is absent,",
                        limit::HEAD_DIM
                    ),
                ));
            }
        };
        let sizes = Self { heads, kv_heads, head_dim };
        sizes.check(config)?;
        Ok(sizes)
    }

    /// Refuses sizes that do not fit each other.
    pub(crate) fn check(&self, config: &Config<'_>) -> Result<(), ModelError> {
        let Self { heads, kv_heads, head_dim } = *self;
        check_groups(config, heads, kv_heads)?;
        if !head_dim.is_multiple_of(2) {
            let key = if config.get("head_dim").is_some() { "head_dim" } else { "hidden_size" };
            return Err(config.bad(key, format!("a head of even width (it is {head_dim})")));
        }
        Ok(())
    }
}

fn check_groups(config: &Config<'_>, heads: usize, kv_heads: usize) -> Result<(), ModelError> {
    if heads.is_multiple_of(kv_heads) {
        return Ok(());
    }
    let expected = format!("a divisor of `num_attention_heads` ({heads})");
    Err(config.bad("num_key_value_heads", expected))
}

/// Description of the attention of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupedSpec {
    pub(crate) sizes: AttentionSizes,
    pub(crate) biases: Biases,
    /// `true` if one matrix `qkv_proj` has the rows of queries, keys and values.
    pub(crate) fused: bool,
    /// Norms `q_norm` and `k_norm`.
    pub(crate) qk_norm: Option<QkNorm>,
    /// Factor of the scores.
    pub(crate) scale: f32,
    /// See [`AttentionSpec::soft_cap`].
    pub(crate) soft_cap: Option<f32>,
    /// `true` if there is a vector `sinks`.
    pub(crate) sinks: bool,
    /// Number of positions that a row sees, itself included; `None` if it sees all of them.
    pub(crate) window: Option<usize>,
    /// Index of the model's rotary embedding; `None` if the layer has no positions.
    pub(crate) rope: Option<usize>,
    /// Growth of the scores with the position.
    pub(crate) growth: Option<ScoreGrowth>,
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

/// Norms of queries and keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum QkNorm {
    /// One norm per head.
    Heads(NormSpec),
    /// One norm over all heads of a row.
    Rows(NormSpec),
}

pub(crate) struct Attention {
    /// `[heads · head_dim, hidden]`
    q_proj: Weight,
    /// `[kv_heads · head_dim, hidden]`
    k_proj: Weight,
    /// `[kv_heads · head_dim, hidden]`
    v_proj: Weight,
    /// `[hidden, heads · head_dim]`
    o_proj: Weight,
    norms: Option<QkNorms>,
    rope: Option<Rope>,
    spec: AttentionSpec,
    /// Index of the layer in the KV cache.
    cache: usize,
    slots: AttentionSlots,
}

/// Norms of queries and keys, and their results.
struct QkNorms {
    q: Norm,
    k: Norm,
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
            fused: false,
            qk_norm: None,
            scale: (1.0 / (sizes.head_dim as f64).sqrt()) as f32,
            soft_cap: None,
            sinks: false,
            window: None,
            rope: Some(0),
            growth: None,
        }
    }

    pub(super) const fn kv_widths(&self) -> KvWidths {
        let AttentionSizes { kv_heads, head_dim, .. } = self.sizes;
        KvWidths { kv_heads, head_dim, value_dim: head_dim }
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
        let [queries, keys] = self.widths();
        AttentionSlots {
            q: scratch.row("attention.q", queries),
            k: scratch.row("attention.k", keys),
            v: scratch.row("attention.v", keys),
            attended: scratch.row("attention.attended", queries),
        }
    }

    fn plan_normed(&self, scratch: &mut ScratchPlan) -> [Slot; 2] {
        let [queries, keys] = self.widths();
        [scratch.row("attention.q_normed", queries), scratch.row("attention.k_normed", keys)]
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Attention, ModelError> {
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        let ([queries, keys], hidden) = (self.widths(), place.hidden);
        let bias = self.biases.qkv;
        let [q_proj, k_proj, v_proj] = if self.fused {
            loader.fused(&place.of("qkv_proj"), [queries, keys, keys], hidden, bias)?
        } else {
            [
                loader.linear(&place.of("q_proj"), [queries, hidden], bias)?,
                loader.linear(&place.of("k_proj"), [keys, hidden], bias)?,
                loader.linear(&place.of("v_proj"), [keys, hidden], bias)?,
            ]
        };
        let norms = self.load_norms(loader, place, scratch)?;
        let sinks = if self.sinks { Some(loader.vector(&place.of("sinks"), heads)?) } else { None };
        Ok(Attention {
            q_proj,
            k_proj,
            v_proj,
            o_proj: loader.linear(&place.of("o_proj"), [hidden, queries], self.biases.output)?,
            norms,
            rope: self.rope.map(|index| place.ropes[index]),
            spec: AttentionSpec {
                heads,
                kv_heads,
                head_dim,
                value_dim: head_dim,
                scale: self.scale,
                window: self.window,
                soft_cap: self.soft_cap,
                sinks,
                growth: self.growth,
            },
            cache: place.cache,
            slots: self.plan(scratch),
        })
    }

    fn load_norms(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Option<QkNorms>, ModelError> {
        let head_dim = self.sizes.head_dim;
        let (norm, [q_width, k_width]) = match self.qk_norm {
            None => return Ok(None),
            Some(QkNorm::Heads(norm)) => (norm, [head_dim, head_dim]),
            Some(QkNorm::Rows(norm)) => (norm, self.widths()),
        };
        let [q_normed, k_normed] = self.plan_normed(scratch);
        Ok(Some(QkNorms {
            q: Norm::load(loader, &place.of("q_norm"), q_width, norm)?,
            k: Norm::load(loader, &place.of("k_norm"), k_width, norm)?,
            q_normed,
            k_normed,
        }))
    }
}

impl Part for Attention {
    /// `out = o(attend(rope(norm(q(x))), rope(norm(k(x))), v(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let AttentionSlots { q, k, v, attended } = self.slots;
        let (mut q, mut k) = (scratch[q], scratch[k]);
        let (v, attended) = (scratch[v], scratch[attended]);
        ops.linear(&[q, k, v], x, &[self.q_proj, self.k_proj, self.v_proj]);
        if let Some(norms) = &self.norms {
            let (q_normed, k_normed) = (scratch[norms.q_normed], scratch[norms.k_normed]);
            norms.q.forward(ops, q_normed, q);
            norms.k.forward(ops, k_normed, k);
            (q, k) = (q_normed, k_normed);
        }
        if let Some(rope) = self.rope {
            ops.rope(q, self.spec.heads, rope, batch);
            ops.rope(k, self.spec.kv_heads, rope, batch);
        }
        ops.attend(attended, q, k, v, self.cache, &self.spec, batch);
        ops.linear(&[out], attended, &[self.o_proj]);
    }
}
