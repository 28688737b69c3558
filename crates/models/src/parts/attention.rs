//! Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245) with rotary positions.

use mlxk_ops::{Act, AttentionSpec, Batch, KvSpec, Ops, Rope, Weight};

use crate::ModelError;
use crate::config::{Config, limit};
use crate::loader::Loader;

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
        if !heads.is_multiple_of(kv_heads) {
            return Err(config.bad(
                "num_key_value_heads",
                format!("a divisor of `num_attention_heads` ({heads})"),
            ));
        }
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
        if !head_dim.is_multiple_of(2) {
            let key = if config.get("head_dim").is_some() { "head_dim" } else { "hidden_size" };
            return Err(config.bad(key, format!("a head of even width (it is {head_dim})")));
        }
        Ok(Self { hidden, heads, kv_heads, head_dim })
    }

    /// What `layers` such layers keep of a position.
    pub(crate) const fn kv(&self, layers: usize) -> KvSpec {
        KvSpec { layers, kv_heads: self.kv_heads, head_dim: self.head_dim }
    }
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
    rope: Rope,
    spec: AttentionSpec,
    layer: usize,
}

/// Room that all layers of a step share.
pub(crate) struct AttentionBuffers {
    /// `[rows, heads · head_dim]`
    q: Act,
    /// `[rows, kv_heads · head_dim]`
    k: Act,
    /// `[rows, kv_heads · head_dim]`
    v: Act,
    /// `[rows, heads · head_dim]`
    attended: Act,
}

impl AttentionBuffers {
    pub(crate) fn new(ops: &mut dyn Ops, rows: usize, sizes: &AttentionSizes) -> Self {
        let (queries, keys) = (sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim);
        Self {
            q: ops.act(rows, queries),
            k: ops.act(rows, keys),
            v: ops.act(rows, keys),
            attended: ops.act(rows, queries),
        }
    }

    /// Values of one row.
    pub(crate) const fn values(sizes: &AttentionSizes) -> usize {
        2 * (sizes.heads + sizes.kv_heads) * sizes.head_dim
    }
}

/// Which projections add a bias.
#[derive(Clone, Copy)]
pub(crate) struct Biases {
    /// Queries, keys and values.
    pub(crate) qkv: bool,
    /// The output projection.
    pub(crate) output: bool,
}

impl Attention {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        sizes: &AttentionSizes,
        biases: Biases,
        rope: Rope,
        layer: usize,
        window: Option<usize>,
    ) -> Result<Self, ModelError> {
        let AttentionSizes { hidden, heads, kv_heads, head_dim } = *sizes;
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        Ok(Self {
            q_proj: loader.linear(&format!("{path}.q_proj"), queries, hidden, biases.qkv)?,
            k_proj: loader.linear(&format!("{path}.k_proj"), keys, hidden, biases.qkv)?,
            v_proj: loader.linear(&format!("{path}.v_proj"), keys, hidden, biases.qkv)?,
            o_proj: loader.linear(&format!("{path}.o_proj"), hidden, queries, biases.output)?,
            rope,
            spec: AttentionSpec {
                heads,
                kv_heads,
                head_dim,
                scale: (1.0 / (head_dim as f64).sqrt()) as f32,
                window,
            },
            layer,
        })
    }

    /// `x = o(attend(rope(q(x)), rope(k(x)), v(x)))`.
    pub(crate) fn forward(
        &self,
        ops: &mut dyn Ops,
        x: Act,
        buffers: &AttentionBuffers,
        batch: &Batch,
    ) {
        let AttentionBuffers { q, k, v, attended } = *buffers;
        ops.linear(&[q, k, v], x, &[self.q_proj, self.k_proj, self.v_proj]);
        ops.rope(q, self.spec.heads, self.rope, batch);
        ops.rope(k, self.spec.kv_heads, self.rope, batch);
        ops.attend(attended, q, k, v, self.layer, &self.spec, batch);
        ops.linear(&[x], attended, &[self.o_proj]);
    }
}
