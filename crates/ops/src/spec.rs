//! Parameters of operations, as plain data.

/// What the KV cache keeps for one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvSpec {
    /// Layers that attend.
    pub layers: usize,
    /// Key/value heads of a layer.
    pub kv_heads: usize,
    /// Width of a head; keys and values alike.
    pub head_dim: usize,
}

impl KvSpec {
    /// Values (not bytes) of one position: keys and values of all layers.
    pub const fn values_per_position(&self) -> usize {
        2 * self.layers * self.kv_heads * self.head_dim
    }
}

/// Rotary position embedding (Su et al., 2021, arXiv:2104.09864): pair `i` of a head turns by
/// `position · frequencies[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeSpec {
    /// `[dims / 2]` radians per position; `dims` may be less than the head, the rest stays as it is.
    pub frequencies: Vec<f32>,
    /// Whether the pair is `(2i, 2i + 1)` instead of `(i, i + dims/2)`.
    pub interleaved: bool,
}

/// Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245), causal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionSpec {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Factor of the scores, usually `1/√head_dim`.
    pub scale: f32,
    /// A row sees only this many positions, itself included.
    pub window: Option<usize>,
}

/// The activation of a gated linear unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
}
