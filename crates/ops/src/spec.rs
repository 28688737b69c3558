//! Parameters of operations, as plain data.

use crate::Vector;

/// Rotary position embedding (Su et al., 2021, arXiv:2104.09864): pair `i` of a head turns by
/// `position · frequencies[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeSpec {
    /// `[dims / 2]` radians per position; `dims` may be less than the head, the rest stays as it is.
    pub frequencies: Vec<f32>,
    /// Whether the pair is `(2i, 2i + 1)` instead of `(i, i + dims/2)`.
    pub interleaved: bool,
    /// First dimension of a head that turns.
    pub offset: usize,
    /// Factor of the dimensions that turn.
    pub scale: f32,
}

/// Grouped-query attention (Ainslie et al., 2023, arXiv:2305.13245), causal.
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
    /// A row sees only this many positions, itself included.
    pub window: Option<usize>,
    /// `score = cap · tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// `[heads]` a score per head that takes part in the softmax without a value.
    pub sinks: Option<Vector>,
    /// Scores grow with the position of the query.
    pub growth: Option<ScoreGrowth>,
}

/// Scores are multiplied by `1 + beta · ln(1 + ⌊position / step⌋)` (Llama 4's attention temperature).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreGrowth {
    /// How fast.
    pub beta: f32,
    /// Positions of equal scale.
    pub step: usize,
}

/// An activation function, element by element; in a gated linear unit it is applied to the gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// `x · Φ(x)` (Hendrycks and Gimpel, 2016, arXiv:1606.08415).
    Gelu,
    /// Its approximation `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
    GeluTanh,
    /// `g · sigmoid(alpha · g) · (u + 1)` with `g = min(gate, limit)` and `u` within `±limit`
    /// (gpt-oss); gated only.
    ClippedSwiglu {
        /// Steepness of the sigmoid.
        alpha: f32,
        /// Where gate and up are cut off.
        limit: f32,
    },
}

/// How a router chooses experts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteSpec {
    /// Experts that each row goes to.
    pub experts_per_row: usize,
    /// How logits become scores.
    pub scores: RouteScores,
    /// `[experts]` added to the scores for the choice only (DeepSeek-V3, arXiv:2412.19437, §2.1.2).
    pub correction: Option<Vector>,
    /// Experts are chosen from the best groups only.
    pub groups: Option<RouteGroups>,
    /// Whether the scores of the chosen experts are divided by their sum.
    pub normalize: bool,
    /// Factor of the resulting weights.
    pub scale: f32,
}

/// How router logits become scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteScores {
    /// Softmax over all experts.
    Softmax,
    /// Softmax over the chosen experts.
    SoftmaxOfChosen,
    /// A sigmoid for each expert.
    Sigmoid,
}

/// Experts in groups of equal size; those outside the best groups have a score of zero
/// (DeepSeek-V2, arXiv:2405.04434, §2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteGroups {
    /// Number of groups.
    pub count: usize,
    /// Groups that are kept.
    pub keep: usize,
    /// How many of its best scores are summed to rank a group.
    pub best: usize,
}

/// Where equal pieces of a row lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// First column of the first piece.
    pub offset: usize,
    /// Columns from a piece to the next; 0 repeats the same columns.
    pub stride: usize,
}
