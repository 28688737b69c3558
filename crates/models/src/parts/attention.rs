//! Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245) with rotary positions.

use mlxk_ops::{Act, Activation, AttentionSpec, Batch, Compute, Rope, ScoreGrowth, Vector, Weight};

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
    /// Returns `[heads, kv_heads]` heads that are together as wide as the residual stream. `keys` are
    /// those of its width and of the number of heads.
    pub(crate) fn parts_of(
        config: &Config<'_>,
        keys: [&str; 2],
        hidden: usize,
        [heads, kv_heads]: [usize; 2],
    ) -> Result<Self, ModelError> {
        let sizes = Self { heads, kv_heads, head_dim: hidden / heads };
        let (is_part, widths) = (hidden.is_multiple_of(heads), 2..=limit::HEAD_DIM);
        if is_part && sizes.head_dim.is_multiple_of(2) && widths.contains(&sizes.head_dim) {
            return Ok(sizes);
        }
        let most = limit::HEAD_DIM;
        let expected = format!("an even number up to {most} times `{}` ({heads})", keys[1]);
        Err(config.bad(keys[0], expected))
    }

    /// Reads and checks the usual keys, but for `head_dim`: a family without this key divides the
    /// hidden width by the number of heads.
    pub(crate) fn from_hidden(config: &Config<'_>) -> Result<Self, ModelError> {
        let hidden = config.size("hidden_size", limit::WIDTH)?;
        let heads = config.size("num_attention_heads", limit::HEADS)?;
        let kv_heads = config.optional_size("num_key_value_heads", limit::HEADS)?.unwrap_or(heads);
        let sizes = Self { heads, kv_heads, head_dim: part_of_hidden(config, hidden, heads)? };
        sizes.check(config)?;
        Ok(sizes)
    }

    /// Reads and checks the usual keys.
    pub(crate) fn from_config(config: &Config<'_>) -> Result<Self, ModelError> {
        let hidden = config.size("hidden_size", limit::WIDTH)?;
        let heads = config.size("num_attention_heads", limit::HEADS)?;
        let kv_heads = config.optional_size("num_key_value_heads", limit::HEADS)?.unwrap_or(heads);
        check_groups(config, heads, kv_heads)?;
        let head_dim = match config.optional_size("head_dim", limit::HEAD_DIM)? {
            Some(head_dim) => head_dim,
            None => part_of_hidden(config, hidden, heads)?,
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

/// Returns the width of a head if all of them together are as wide as the residual stream.
fn part_of_hidden(config: &Config<'_>, hidden: usize, heads: usize) -> Result<usize, ModelError> {
    if hidden.is_multiple_of(heads) && hidden / heads <= limit::HEAD_DIM {
        return Ok(hidden / heads);
    }
    let most = limit::HEAD_DIM;
    let expected =
        format!("1 to {most} times `num_attention_heads` ({heads}), because `head_dim` is absent,");
    Err(config.bad("hidden_size", expected))
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
    pub(crate) names: AttentionNames,
    pub(crate) qkv: QkvLayout,
    /// Norms of queries and keys.
    pub(crate) qk_norm: Option<QkNorm>,
    /// `true` if queries and keys are rotated before their norms.
    pub(crate) rope_first: bool,
    /// Name of a projection whose sigmoid is multiplied into the heads' results.
    pub(crate) gate: Option<&'static str>,
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

/// Names of the modules of attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionNames {
    pub(crate) q: &'static str,
    pub(crate) k: &'static str,
    pub(crate) v: &'static str,
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
        qkv: "qkv_proj",
        o: "o_proj",
        q_norm: "q_norm",
        k_norm: "k_norm",
    };
}

/// Matrices of queries, keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QkvLayout {
    /// A matrix each.
    Separate,
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

/// Norms of queries and keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum QkNorm {
    /// One norm per head.
    Heads(NormSpec),
    /// One norm over all heads of a row.
    Rows(NormSpec),
    /// One norm per head, with weights of its own.
    EachHead(NormSpec, HeadWeights),
}

/// Tensors of norms with weights for each head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeadWeights {
    /// `.weight [heads, head_dim]`
    Matrix,
    /// `.norms.HEAD.weight [head_dim]`
    List,
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
    rope_first: bool,
    /// `[heads · head_dim, hidden]`, and its result, `[rows, heads · head_dim]`.
    gate: Option<(Weight, Slot)>,
    spec: AttentionSpec,
    /// Index of the layer in the KV cache.
    cache: usize,
    slots: AttentionSlots,
}

/// Norms of queries and keys, and their results.
struct QkNorms {
    q: HeadNorm,
    k: HeadNorm,
    /// `[rows, heads · head_dim]`
    q_normed: Slot,
    /// `[rows, kv_heads · head_dim]`
    k_normed: Slot,
}

/// A norm, and weights of each head if they differ.
struct HeadNorm {
    norm: Norm,
    /// `[heads · head_dim]`
    weights: Option<Vector>,
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
            qk_norm: None,
            rope_first: false,
            gate: None,
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
        if self.gate.is_some() {
            self.plan_gate(scratch);
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

    fn plan_gate(&self, scratch: &mut ScratchPlan) -> Slot {
        scratch.row("attention.gate", self.widths()[0])
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Attention, ModelError> {
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        let ([queries, _], hidden) = (self.widths(), place.hidden);
        let [q_proj, k_proj, v_proj] = self.load_projections(loader, place)?;
        let norms = self.load_norms(loader, place, scratch)?;
        let sinks = if self.sinks { Some(loader.vector(&place.of("sinks"), heads)?) } else { None };
        let gate = match self.gate {
            None => None,
            Some(name) => {
                let weight = loader.linear(&place.of(name), [queries, hidden], false)?;
                Some((weight, self.plan_gate(scratch)))
            }
        };
        let o_proj = place.of(self.names.o);
        Ok(Attention {
            q_proj,
            k_proj,
            v_proj,
            o_proj: loader.linear(&o_proj, [hidden, queries], self.biases.output)?,
            norms,
            rope: self.rope.map(|index| place.ropes[index]),
            rope_first: self.rope_first,
            gate,
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

    fn load_projections(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
    ) -> Result<[Weight; 3], ModelError> {
        let AttentionSizes { heads, kv_heads, head_dim } = self.sizes;
        let ([queries, keys], hidden) = (self.widths(), place.hidden);
        let (names, bias) = (self.names, self.biases.qkv);
        let qkv = place.of(names.qkv);
        match self.qkv {
            QkvLayout::Separate => Ok([
                loader.linear(&place.of(names.q), [queries, hidden], bias)?,
                loader.linear(&place.of(names.k), [keys, hidden], bias)?,
                loader.linear(&place.of(names.v), [keys, hidden], bias)?,
            ]),
            QkvLayout::Rows => loader.fused(&qkv, [queries, keys, keys], hidden, bias),
            QkvLayout::Groups => {
                let group = [heads / kv_heads * head_dim, head_dim, head_dim];
                loader.interleaved(&qkv, group, kv_heads, hidden, bias)
            }
        }
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
        Ok(Some(QkNorms {
            q: HeadNorm::load(loader, &q, norm, [heads, head_dim])?,
            k: HeadNorm::load(loader, &k, norm, [kv_heads, head_dim])?,
            q_normed,
            k_normed,
        }))
    }
}

impl HeadNorm {
    fn load(
        loader: &mut Loader<'_>,
        path: &str,
        norm: QkNorm,
        [heads, head_dim]: [usize; 2],
    ) -> Result<Self, ModelError> {
        let (norm, tensors) = match norm {
            QkNorm::Heads(norm) => {
                return Ok(Self::one(Norm::load(loader, path, head_dim, norm)?));
            }
            QkNorm::Rows(norm) => {
                return Ok(Self::one(Norm::load(loader, path, heads * head_dim, norm)?));
            }
            QkNorm::EachHead(norm, tensors) => (norm.without_weight(), tensors),
        };
        let mut weights = Vec::with_capacity(heads * head_dim);
        match tensors {
            HeadWeights::Matrix => {
                weights = loader.values(&format!("{path}.weight"), &[heads, head_dim])?;
            }
            HeadWeights::List => {
                for head in 0..heads {
                    let name = format!("{path}.norms.{head}.weight");
                    weights.extend(loader.values(&name, &[head_dim])?);
                }
            }
        }
        let weights = Some(loader.put_vector(weights)?);
        Ok(Self { norm: Norm::load(loader, path, head_dim, norm)?, weights })
    }

    const fn one(norm: Norm) -> Self {
        Self { norm, weights: None }
    }

    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act) {
        self.norm.forward(ops, out, x);
        if let Some(weights) = self.weights {
            ops.scale_columns(out, weights);
        }
    }
}

impl Attention {
    fn rotate(&self, ops: &mut dyn Compute, q: Act, k: Act, batch: &Batch) {
        if let Some(rope) = self.rope {
            ops.rope(q, self.spec.heads, rope, batch);
            ops.rope(k, self.spec.kv_heads, rope, batch);
        }
    }
}

impl Part for Attention {
    /// `out = o(attend(rope(norm(q(x))), rope(norm(k(x))), v(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let AttentionSlots { q, k, v, attended } = self.slots;
        let (mut q, mut k) = (scratch[q], scratch[k]);
        let (v, attended) = (scratch[v], scratch[attended]);
        ops.linear(&[q, k, v], x, &[self.q_proj, self.k_proj, self.v_proj]);
        if self.rope_first {
            self.rotate(ops, q, k, batch);
        }
        if let Some(norms) = &self.norms {
            let (q_normed, k_normed) = (scratch[norms.q_normed], scratch[norms.k_normed]);
            norms.q.forward(ops, q_normed, q);
            norms.k.forward(ops, k_normed, k);
            (q, k) = (q_normed, k_normed);
        }
        if !self.rope_first {
            self.rotate(ops, q, k, batch);
        }
        ops.attend(attended, q, k, v, self.cache, &self.spec, batch);
        let heads = match self.gate {
            None => attended,
            Some((weight, slot)) => {
                let gate = scratch[slot];
                ops.linear(&[gate], x, &[weight]);
                ops.glu(gate, attended, Activation::Sigmoid);
                gate
            }
        };
        ops.linear(&[out], heads, &[self.o_proj]);
    }
}
