//! Parameters of operations, as plain data.

use crate::{Act, Vector};

/// Rotary position embedding (Su et al., 2021, arXiv:2104.09864). Pair `i` of a head turns by
/// `position · frequencies[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeSpec {
    /// `[dims / 2]` radians per position. `dims` may be smaller than the head; the other dimensions
    /// stay unchanged.
    pub frequencies: Vec<f32>,
    /// `true` if a pair is `(2i, 2i + 1)`, `false` if it is `(i, i + dims/2)`.
    pub interleaved: bool,
    /// First of the dimensions that turn.
    pub offset: usize,
    /// Factor applied to the dimensions that turn.
    pub scale: f32,
}

impl RopeSpec {
    /// Appends the rotation of a position: `[dims / 2]` cosines, then sines, times the scale. Angles are computed in
    /// f64, so that all devices have the same bits.
    pub fn push_turns(&self, position: usize, turns: &mut Vec<f32>) {
        let angles = || self.frequencies.iter().map(|&f| position as f64 * f64::from(f));
        turns.extend(angles().map(|angle| self.scale * angle.cos() as f32));
        turns.extend(angles().map(|angle| self.scale * angle.sin() as f32));
    }
}

/// Rotation of the inputs of a matrix: each block of columns is multiplied by its signs, then by the Walsh-Hadamard
/// matrix of its width in Sylvester's order over the root of the width. The rotation back has the two factors in the
/// other order.
#[derive(Clone, Debug, PartialEq)]
pub struct HadamardSpec {
    /// Width of a block; a power of two.
    pub block: usize,
    /// `[cols]` of 1 or -1.
    pub signs: Vec<f32>,
}

/// Positions of its sequence that a row sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Its own and those before it.
    Causal,
    /// Of its own and those before it, those in blocks that its head sees.
    Blocks(BlockMask),
    /// All positions up to the last of the step. A sequence has to be computed in one step.
    Full,
}

/// Blocks of positions that a query head sees: the last ones, and each `stride`-th of all (Abdin et al., 2024,
/// arXiv:2404.14219).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMask {
    /// Positions of a block; a multiple of [`crate::PAGE_POSITIONS`].
    pub size: usize,
    /// Number of last blocks that every head sees, that of the row included.
    pub local: usize,
    /// Head `h` sees block `b` if `b + h + 1` is a multiple of this.
    pub stride: usize,
}

impl BlockMask {
    /// Returns `true` if a head sees the block of `seen` from `position`, which is not before it.
    pub const fn sees(&self, head: usize, position: usize, seen: usize) -> bool {
        let (own, block) = (position / self.size, seen / self.size);
        own - block < self.local || (block + head + 1).is_multiple_of(self.stride)
    }
}

/// Rule by which rows become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The mean of each column.
    Mean,
    /// The maximum of each column.
    Max,
}

/// Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionSpec {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Width of a query and of a key.
    pub head_dim: usize,
    /// Width of a value, and of a head of the result.
    pub value_dim: usize,
    /// Factor of the scores, usually `1/√head_dim`.
    pub scale: f32,
    /// Positions that a row sees, before the window is applied.
    pub mask: Mask,
    /// Number of positions that a row sees, including its own; all of them if `None`. With [`Mask::Full`], it
    /// counts in each direction.
    pub window: Option<usize>,
    /// `true` if windows do not slide: a row sees the positions from the last multiple of `window` on.
    pub chunked: bool,
    /// Cap of the scores: `score = cap · tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// `[heads]` one extra score per head. It takes part in the softmax but has no value.
    pub sinks: Option<Vector>,
    /// Growth of the scores with the position of the query.
    pub growth: Option<ScoreGrowth>,
}

impl AttentionSpec {
    /// Returns the usual attention: a row sees all rows up to its own, and values are as wide as keys.
    pub fn causal(heads: usize, kv_heads: usize, head_dim: usize) -> Self {
        Self {
            heads,
            kv_heads,
            head_dim,
            value_dim: head_dim,
            scale: 1.0 / (head_dim as f32).sqrt(),
            mask: Mask::Causal,
            window: None,
            chunked: false,
            soft_cap: None,
            sinks: None,
            growth: None,
        }
    }
}

/// An indexer (DeepSeek-V3.2, 2025, arXiv:2512.02556): small heads that choose the positions that a row sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    /// Heads of a query. They share one key.
    pub heads: usize,
    /// Width of a query and of a key.
    pub head_dim: usize,
    /// Most positions that a row sees.
    pub keep: usize,
    /// Layer of the cache that has the keys. It has no values.
    pub layer: usize,
}

/// Activations that an indexer compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexInputs {
    /// `[rows, heads · head_dim]`
    pub queries: Act,
    /// `[rows, head_dim]`
    pub keys: Act,
    /// `[rows, heads]` weight of each head.
    pub weights: Act,
}

/// Factor `1 + beta · ln(1 + ⌊(position + first) / step⌋)` on the scores (Llama 4's attention temperature).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreGrowth {
    /// Strength of the growth.
    pub beta: f32,
    /// Number of the first position.
    pub first: usize,
    /// Number of consecutive positions with the same factor.
    pub step: usize,
}

/// An activation function, applied element by element; in a gated linear unit it applies to the
/// gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
    /// `x · Φ(x)` (Hendrycks and Gimpel, 2016, arXiv:1606.08415).
    Gelu,
    /// The approximation `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))` of [`Activation::Gelu`].
    GeluTanh,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// The hyperbolic tangent.
    Tanh,
    /// `x` within `±limit`.
    Clip {
        /// Bound of the absolute value.
        limit: f32,
    },
    /// `max(x, 0)²` (So et al., 2021, arXiv:2109.08668).
    ReluSquared,
    /// xIELU (Huang and Schlag, 2024, arXiv:2411.13010): `positive · x² + beta · x` above zero,
    /// `negative · (exp(min(x, eps)) − 1 − x) + beta · x` elsewhere.
    Xielu {
        /// Slope above zero.
        positive: f32,
        /// Slope below zero.
        negative: f32,
        /// Slope at zero.
        beta: f32,
        /// Bound of the exponent, just below zero.
        eps: f32,
    },
    /// `min(g · sigmoid(g), limit) · u` with `u` within `±limit` (Step 3.5); gated only.
    ClampedSwiglu {
        /// Bound at which gate and `u` are clipped.
        limit: f32,
    },
    /// `g · sigmoid(alpha · g) · (u + 1)` with `g = min(gate, limit)` and `u` within `±limit`
    /// (gpt-oss); gated only.
    ClippedSwiglu {
        /// Steepness of the sigmoid.
        alpha: f32,
        /// Bound at which gate and `u` are clipped.
        limit: f32,
    },
}

/// Rule by which a router chooses experts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteSpec {
    /// Number of experts per row.
    pub experts_per_row: usize,
    /// Function from logits to scores.
    pub scores: RouteScores,
    /// `[experts]` added to the scores, for the choice only (DeepSeek-V3, arXiv:2412.19437,
    /// §2.1.2).
    pub correction: Option<Vector>,
    /// Restriction of the choice to the best groups of experts.
    pub groups: Option<RouteGroups>,
    /// `true` if the scores of the chosen experts are divided by their sum.
    pub normalize: bool,
    /// Factor applied to the resulting weights.
    pub scale: f32,
    /// `[experts]` factors of the weights of each expert.
    pub factors: Option<Vector>,
    /// Number of experts, the last ones, that have no matrices and pass their input on; see
    /// [`crate::Compute::add_passed`].
    pub passing: usize,
}

impl RouteSpec {
    /// Returns a rule without correction, groups and factors.
    pub const fn new(experts_per_row: usize, scores: RouteScores) -> Self {
        Self {
            experts_per_row,
            scores,
            correction: None,
            groups: None,
            normalize: false,
            scale: 1.0,
            factors: None,
            passing: 0,
        }
    }
}

/// Function from router logits to scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RouteScores {
    /// Softmax over all experts.
    Softmax,
    /// Softmax over the chosen experts.
    SoftmaxOfChosen,
    /// A sigmoid for each expert.
    Sigmoid,
    /// For each chosen expert, a softmax over the experts that are left and near it: those whose
    /// logit `x` has `(best − x) / max(|x|, best) ≤ band` (Liu et al., 2024, arXiv:2409.12136).
    SparseMixer {
        /// Width of the band.
        band: f32,
    },
}

/// Experts in groups of equal size (DeepSeek-V2, arXiv:2405.04434, §2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteGroups {
    /// Number of groups.
    pub count: usize,
    /// Number of groups that stay eligible.
    pub keep: usize,
    /// Number of a group's best scores that are summed to rank it.
    pub best: usize,
    /// `true` if experts outside the best groups are never chosen. Otherwise they score zero, which may be
    /// more than a corrected score of others.
    pub excluded: bool,
}

/// Location of equal pieces in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// First column of the first piece.
    pub offset: usize,
    /// Columns from one piece to the next; 0 repeats the same columns.
    pub stride: usize,
}
