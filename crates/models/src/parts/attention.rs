//! Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245) with rotary positions.

use mlxk_ops::{Act, AttentionSpec, Batch, Compute, Rope, ScoreGrowth, Weight};

use crate::ModelError;
use crate::config::{Config, limit};
use crate::loader::Loader;
use crate::parts::{Norm, NormSpec};

/// Sizes that all layers share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionSizes {
    /// Width of the residual stream.
    pub(crate) hidden: usize,
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
                        "1 to {} times `num_attention_heads` ({heads}), where `head_dim` is absent,",
                        limit::HEAD_DIM
                    ),
                ));
            }
        };
        let sizes = Self { hidden, heads, kv_heads, head_dim };
        sizes.check(config)?;
        Ok(sizes)
    }

    /// Refuses sizes that do not fit each other.
    pub(crate) fn check(&self, config: &Config<'_>) -> Result<(), ModelError> {
        let Self { heads, kv_heads, head_dim, .. } = *self;
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

/// The attention of all layers of a model.
#[derive(Clone, Debug)]
pub(crate) struct GroupedSpec {
    pub(crate) sizes: AttentionSizes,
    pub(crate) biases: Biases,
    /// Whether `qkv_proj` holds the rows of queries, keys and values.
    pub(crate) fused: bool,
    /// Norms `q_norm` and `k_norm`.
    pub(crate) qk_norm: Option<QkNorm>,
    /// Factor of the scores.
    pub(crate) scale: f32,
    /// See [`AttentionSpec::soft_cap`].
    pub(crate) soft_cap: Option<f32>,
    /// Whether there are `sinks`.
    pub(crate) sinks: bool,
}

/// Which projections add a bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Biases {
    /// Queries, keys and values.
    pub(crate) qkv: bool,
    /// The output projection.
    pub(crate) output: bool,
}

impl Biases {
    /// All of them, or none.
    pub(crate) const fn all(bias: bool) -> Self {
        Self { qkv: bias, output: bias }
    }
}

/// What `q_norm` and `k_norm` run over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum QkNorm {
    /// Each head.
    Heads(NormSpec),
    /// All heads of a row at once.
    Rows(NormSpec),
}

impl GroupedSpec {
    /// Without biases, norms or caps, scores scaled by `1/√head_dim`.
    pub(crate) fn plain(sizes: AttentionSizes) -> Self {
        Self {
            sizes,
            biases: Biases::all(false),
            fused: false,
            qk_norm: None,
            scale: (1.0 / (sizes.head_dim as f64).sqrt()) as f32,
            soft_cap: None,
            sinks: false,
        }
    }
}

/// What differs between layers.
#[derive(Clone, Copy)]
pub(crate) struct LayerAttention {
    pub(crate) layer: usize,
    pub(crate) rope: Option<Rope>,
    pub(crate) window: Option<usize>,
    pub(crate) growth: Option<ScoreGrowth>,
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
    /// Of queries and keys.
    norms: Option<[Norm; 2]>,
    rope: Option<Rope>,
    spec: AttentionSpec,
    layer: usize,
}

/// Room that all layers of a step share.
pub(crate) struct GroupedBuffers {
    /// `[rows, heads · head_dim]`
    q: Act,
    /// `[rows, kv_heads · head_dim]`
    k: Act,
    /// `[rows, kv_heads · head_dim]`
    v: Act,
    /// `[rows, heads · head_dim]`
    attended: Act,
    /// As `q` and `k`, normed.
    normed: Option<[Act; 2]>,
}

impl GroupedBuffers {
    /// `act` takes rows per row of the batch, and the values of one of them.
    pub(crate) fn new(spec: &GroupedSpec, act: &mut dyn FnMut(usize, usize) -> Act) -> Self {
        let AttentionSizes { heads, kv_heads, head_dim, .. } = spec.sizes;
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        Self {
            q: act(1, queries),
            k: act(1, keys),
            v: act(1, keys),
            attended: act(1, queries),
            normed: spec.qk_norm.map(|_| [act(1, queries), act(1, keys)]),
        }
    }
}

impl Attention {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        spec: &GroupedSpec,
        layer: LayerAttention,
    ) -> Result<Self, ModelError> {
        let AttentionSizes { hidden, heads, kv_heads, head_dim } = spec.sizes;
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        let of = |name: &str| format!("{path}.{name}");
        let bias = spec.biases.qkv;
        let [q_proj, k_proj, v_proj] = if spec.fused {
            loader.fused(&of("qkv_proj"), [queries, keys, keys], hidden, bias)?
        } else {
            [
                loader.linear(&of("q_proj"), queries, hidden, bias)?,
                loader.linear(&of("k_proj"), keys, hidden, bias)?,
                loader.linear(&of("v_proj"), keys, hidden, bias)?,
            ]
        };
        let norms = match spec.qk_norm {
            None => None,
            Some(QkNorm::Heads(norm)) => Some((norm, head_dim, head_dim)),
            Some(QkNorm::Rows(norm)) => Some((norm, queries, keys)),
        };
        let norms = match norms {
            None => None,
            Some((norm, q_width, k_width)) => Some([
                Norm::load(loader, &of("q_norm"), q_width, norm)?,
                Norm::load(loader, &of("k_norm"), k_width, norm)?,
            ]),
        };
        let sinks = if spec.sinks { Some(loader.vector(&of("sinks"), heads)?) } else { None };
        Ok(Self {
            q_proj,
            k_proj,
            v_proj,
            o_proj: loader.linear(&of("o_proj"), hidden, queries, spec.biases.output)?,
            norms,
            rope: layer.rope,
            spec: AttentionSpec {
                heads,
                kv_heads,
                head_dim,
                value_dim: head_dim,
                scale: spec.scale,
                window: layer.window,
                soft_cap: spec.soft_cap,
                sinks,
                growth: layer.growth,
            },
            layer: layer.layer,
        })
    }

    /// `x = o(attend(rope(norm(q(x))), rope(norm(k(x))), v(x)))`.
    pub(crate) fn forward(
        &self,
        ops: &mut dyn Compute,
        x: Act,
        buffers: &GroupedBuffers,
        batch: &Batch,
    ) {
        let GroupedBuffers { mut q, mut k, v, attended, normed } = *buffers;
        ops.linear(&[q, k, v], x, &[self.q_proj, self.k_proj, self.v_proj]);
        if let (Some([q_norm, k_norm]), Some([q_normed, k_normed])) = (&self.norms, normed) {
            q_norm.forward(ops, q_normed, q);
            k_norm.forward(ops, k_normed, k);
            (q, k) = (q_normed, k_normed);
        }
        if let Some(rope) = self.rope {
            ops.rope(q, self.spec.heads, rope, batch);
            ops.rope(k, self.spec.kv_heads, rope, batch);
        }
        ops.attend(attended, q, k, v, self.layer, &self.spec, batch);
        ops.linear(&[x], attended, &[self.o_proj]);
    }
}
