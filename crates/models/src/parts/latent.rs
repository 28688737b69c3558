//! Multi-head latent attention (DeepSeek-V2, 2024, arXiv:2405.04434, §2.1): keys and values come
//! from one narrow latent vector per position.
//!
//! DeepSeek-V2 checkpoints expand the latent to keys and values of every head (`kv_b_proj`), which
//! are cached. DeepSeek-V3 checkpoints hold the two halves of that matrix per head (`embed_q`,
//! `unembed_out`), so that queries are brought to the latent instead and only it is cached; older
//! ones are split when they are loaded.

use mlxk_ops::{Act, AttentionSpec, Batch, Compute, KvSpec, Pieces, Rope, Weight};

use super::attention::LayerAttention;
use crate::ModelError;
use crate::loader::Loader;
use crate::parts::{Norm, NormSpec};

/// Epsilon of the norms of the latents; no key of `config.json` says it.
const EPS: f64 = 1e-6;

#[derive(Clone, Copy, Debug)]
pub(crate) struct LatentSpec {
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    /// Width of the queries' latent; queries come straight from the input where `None`.
    pub(crate) q_rank: Option<usize>,
    /// Width of the latent of keys and values.
    pub(crate) kv_rank: usize,
    /// Part of a query or key without positions.
    pub(crate) nope: usize,
    /// Part with rotary positions; keys share it between heads.
    pub(crate) rope: usize,
    /// Width of a value.
    pub(crate) value: usize,
    pub(crate) bias: bool,
    pub(crate) scale: f32,
    /// Whether queries are brought to the latent.
    pub(crate) absorbed: bool,
}

impl LatentSpec {
    pub(crate) const fn kv(&self, layers: usize) -> KvSpec {
        if self.absorbed {
            let head_dim = self.kv_rank + self.rope;
            KvSpec { layers, kv_heads: 1, head_dim, value_dim: self.kv_rank }
        } else {
            let head_dim = self.nope + self.rope;
            KvSpec { layers, kv_heads: self.heads, head_dim, value_dim: self.value }
        }
    }
}

pub(crate) struct LatentAttention {
    q: Queries,
    /// `[kv_rank + rope, hidden]`
    kv_a_proj_with_mqa: Weight,
    kv_a_layernorm: Norm,
    kv: KeysValues,
    /// `[hidden, heads · value]`
    o_proj: Weight,
    rope: Rope,
    spec: LatentSpec,
    attend: AttentionSpec,
    layer: usize,
}

enum Queries {
    /// `q_proj [heads · (nope + rope), hidden]`
    Direct(Weight),
    /// `q_a_proj [q_rank, hidden]`, its norm, `q_b_proj [heads · (nope + rope), q_rank]`
    Latent(Weight, Norm, Weight),
}

enum KeysValues {
    /// `kv_b_proj [heads · (nope + value), kv_rank]`
    Expanded(Weight),
    /// `embed_q [heads, kv_rank, nope]`, `unembed_out [heads, value, kv_rank]`
    Absorbed(Weight, Weight),
}

/// Room that all layers of a step share.
pub(crate) struct LatentBuffers {
    /// `[rows, q_rank]` before and after its norm.
    q_latent: Option<[Act; 2]>,
    /// `[rows, heads · (nope + rope)]`
    q: Act,
    /// `[rows, kv_rank + rope]`
    kv: Act,
    /// `[rows, kv_rank]` before and after its norm.
    latent: [Act; 2],
    /// `[rows, heads · (nope + value)]`, or queries `[rows, heads · nope]` and
    /// `[rows, heads · kv_rank]` where they are absorbed.
    parts: [Act; 2],
    /// What attends, in the widths of the cache.
    queries: Act,
    keys: Act,
    values: Act,
    attended: Act,
    /// `[rows, heads · value]`
    out: Act,
}

impl LatentBuffers {
    /// `act` takes rows per row of the batch, and the values of one of them.
    pub(crate) fn new(spec: &LatentSpec, act: &mut dyn FnMut(usize, usize) -> Act) -> Self {
        let LatentSpec { heads, kv_rank, nope, rope, value, absorbed, .. } = *spec;
        let kv = spec.kv(1);
        Self {
            q_latent: spec.q_rank.map(|rank| [act(1, rank), act(1, rank)]),
            q: act(1, heads * (nope + rope)),
            kv: act(1, kv_rank + rope),
            latent: [act(1, kv_rank), act(1, kv_rank)],
            parts: if absorbed {
                [act(1, heads * nope), act(1, heads * kv_rank)]
            } else {
                let expanded = act(1, heads * (nope + value));
                [expanded, expanded]
            },
            queries: act(1, heads * kv.head_dim),
            keys: act(1, kv.kv_heads * kv.head_dim),
            values: act(1, kv.kv_heads * kv.value_dim),
            attended: act(1, heads * kv.value_dim),
            out: act(1, heads * value),
        }
    }
}

impl LatentAttention {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        spec: &LatentSpec,
        layer: LayerAttention,
    ) -> Result<Self, ModelError> {
        let LatentSpec { hidden, heads, kv_rank, nope, rope, value, bias, .. } = *spec;
        let of = |name: &str| format!("{path}.{name}");
        let queries = heads * (nope + rope);
        let norm = NormSpec::rms(EPS);
        let q = match spec.q_rank {
            None => Queries::Direct(loader.linear(&of("q_proj"), queries, hidden, false)?),
            Some(rank) => Queries::Latent(
                loader.linear(&of("q_a_proj"), rank, hidden, bias)?,
                Norm::load(loader, &of("q_a_layernorm"), rank, norm)?,
                loader.linear(&of("q_b_proj"), queries, rank, false)?,
            ),
        };
        let kv = if spec.absorbed && !loader.has(&of("embed_q")) && loader.has(&of("kv_b_proj")) {
            let sizes = [nope, value, kv_rank];
            let [keys, values] = loader.split_kv_b(&of("kv_b_proj"), heads, sizes)?;
            KeysValues::Absorbed(keys, values)
        } else if spec.absorbed {
            KeysValues::Absorbed(
                loader.stack(&of("embed_q"), heads, (kv_rank, nope), false)?,
                loader.stack(&of("unembed_out"), heads, (value, kv_rank), false)?,
            )
        } else {
            let rows = heads * (nope + value);
            KeysValues::Expanded(loader.linear(&of("kv_b_proj"), rows, kv_rank, false)?)
        };
        let cache = spec.kv(1);
        Ok(Self {
            q,
            kv_a_proj_with_mqa: loader.linear(
                &of("kv_a_proj_with_mqa"),
                kv_rank + rope,
                hidden,
                bias,
            )?,
            kv_a_layernorm: Norm::load(loader, &of("kv_a_layernorm"), kv_rank, norm)?,
            kv,
            o_proj: loader.linear(&of("o_proj"), hidden, heads * value, bias)?,
            rope: layer.rope.expect("latent attention has rotary positions in every layer"),
            spec: *spec,
            attend: AttentionSpec {
                heads,
                kv_heads: cache.kv_heads,
                head_dim: cache.head_dim,
                value_dim: cache.value_dim,
                scale: spec.scale,
                window: layer.window,
                soft_cap: None,
                sinks: None,
                growth: layer.growth,
            },
            layer: layer.layer,
        })
    }

    /// `x = o(attend(q(x), keys, values))`; queries and keys are `[nope or latent, rope]` per head.
    pub(crate) fn forward(
        &self,
        ops: &mut dyn Compute,
        x: Act,
        buffers: &LatentBuffers,
        batch: &Batch,
    ) {
        let LatentSpec { heads, kv_rank, nope, rope, value, .. } = self.spec;
        let LatentBuffers { q, kv, latent, parts, queries, keys, values, attended, out, .. } =
            *buffers;
        match (&self.q, buffers.q_latent) {
            (Queries::Latent(down, norm, up), Some([narrow, normed])) => {
                ops.linear(&[narrow, kv], x, &[*down, self.kv_a_proj_with_mqa]);
                norm.forward(ops, normed, narrow);
                ops.linear(&[q], normed, &[*up]);
            }
            (Queries::Direct(proj) | Queries::Latent(proj, ..), _) => {
                ops.linear(&[q, kv], x, &[*proj, self.kv_a_proj_with_mqa]);
            }
        }
        let [raw, normed] = latent;
        ops.copy_pieces((raw, at(0, 0)), (kv, at(0, 0)), 1, kv_rank);
        self.kv_a_layernorm.forward(ops, normed, raw);

        let whole = nope + rope;
        let wide = self.attend.head_dim;
        let plain = wide - rope;
        ops.copy_pieces((queries, at(plain, wide)), (q, at(nope, whole)), heads, rope);
        match self.kv {
            KeysValues::Expanded(up) => {
                let expanded = parts[0];
                ops.linear(&[expanded], normed, &[up]);
                let pair = nope + value;
                ops.copy_pieces((queries, at(0, wide)), (q, at(0, whole)), heads, nope);
                ops.copy_pieces((keys, at(0, wide)), (expanded, at(0, pair)), heads, nope);
                ops.copy_pieces((keys, at(plain, wide)), (kv, at(kv_rank, 0)), heads, rope);
                ops.copy_pieces((values, at(0, value)), (expanded, at(nope, pair)), heads, value);
            }
            KeysValues::Absorbed(embed_q, _) => {
                let [narrow, absorbed] = parts;
                ops.copy_pieces((narrow, at(0, nope)), (q, at(0, whole)), heads, nope);
                ops.linear_heads(absorbed, narrow, embed_q);
                ops.copy_pieces((queries, at(0, wide)), (absorbed, at(0, kv_rank)), heads, kv_rank);
                ops.copy_pieces((keys, at(0, 0)), (normed, at(0, 0)), 1, kv_rank);
                ops.copy_pieces((keys, at(plain, 0)), (kv, at(kv_rank, 0)), 1, rope);
                ops.copy_pieces((values, at(0, 0)), (normed, at(0, 0)), 1, kv_rank);
            }
        }
        ops.rope(queries, heads, self.rope, batch);
        ops.rope(keys, self.attend.kv_heads, self.rope, batch);
        ops.attend(attended, queries, keys, values, self.layer, &self.attend, batch);
        match self.kv {
            KeysValues::Expanded(_) => ops.linear(&[x], attended, &[self.o_proj]),
            KeysValues::Absorbed(_, unembed_out) => {
                ops.linear_heads(out, attended, unembed_out);
                ops.linear(&[x], out, &[self.o_proj]);
            }
        }
    }
}

const fn at(offset: usize, stride: usize) -> Pieces {
    Pieces { offset, stride }
}
