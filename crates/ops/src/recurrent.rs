//! Parameters of the operations of recurrent layers, as plain data.
//!
//! A recurrent layer reads its past from a state of fixed size instead of from keys and values. Its
//! operations take the rows of a sequence one after the other, so that a result does not depend on how
//! they are divided into steps.

use crate::{Act, Activation, Vector};

/// Number of columns of a matrix of states that lie next to each other. The number of columns is
/// rounded up to a multiple of it.
pub const STATE_COLUMNS: usize = 16;

/// Place of values in the states of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatePlace {
    /// Layer of the cache.
    pub layer: usize,
    /// First value within the layer's state.
    pub offset: usize,
}

/// A convolution over time, one filter per column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvSpec {
    /// Number of rows that a result depends on, its own included.
    pub kernel: usize,
    /// `[kernel][cols]` factors, those of the oldest row first.
    pub weight: Vector,
    /// `[cols]` added to the result.
    pub bias: Option<Vector>,
    /// Activation of the result.
    pub activation: Option<Activation>,
}

impl ConvSpec {
    /// Returns the number of values in the state: the last inputs, oldest first. It is rounded up so
    /// that a matrix behind it starts on a cache line.
    pub const fn state_values(kernel: usize, cols: usize) -> usize {
        ((kernel - 1) * cols).next_multiple_of(STATE_COLUMNS)
    }
}

/// Sizes and parameters of a gated delta rule (Yang et al., 2024, arXiv:2412.06464).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeltaSpec {
    /// Number and width of the heads.
    pub sizes: DeltaSizes,
    /// Kind of the decay.
    pub decay: DeltaDecay,
    /// `[value_heads]` logarithms of how fast the heads forget.
    pub a_log: Vector,
    /// `[value_heads]`, or `[value_heads · key_dim]`, added to the input of the decay.
    pub dt_bias: Vector,
    /// Factor of the rate at which a head learns, usually 1.
    pub rate_scale: f32,
}

/// Decay of a gated delta rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeltaDecay {
    /// `exp(−exp(a_log) · softplus(decay + dt_bias))`, one number per value head.
    Heads,
    /// The same, with a number for each column of a key (Kimi Linear, 2025, arXiv:2510.26692).
    Keys,
    /// `exp(bound · sigmoid(exp(a_log) · (decay + dt_bias)))`, for each column of a key.
    BoundedKeys(f32),
}

/// Heads of a gated delta rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaSizes {
    /// Heads of queries and keys.
    pub key_heads: usize,
    /// Heads of values; a multiple of `key_heads`.
    pub value_heads: usize,
    /// Width of a query and of a key.
    pub key_dim: usize,
    /// Width of a value.
    pub value_dim: usize,
}

impl DeltaSizes {
    /// Returns the columns of all queries, which are those of all keys, too.
    pub const fn keys(&self) -> usize {
        self.key_heads * self.key_dim
    }

    /// Returns the columns of all values.
    pub const fn values(&self) -> usize {
        self.value_heads * self.value_dim
    }

    /// Returns the number of values in the state: a matrix `[key_dim, value_dim]` per value head.
    pub const fn state_values(&self) -> usize {
        self.value_heads * self.key_dim * self.value_dim.next_multiple_of(STATE_COLUMNS)
    }
}

/// Inputs of a gated delta rule, one row per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaInputs {
    /// Queries, keys and values of all heads, in this order. Queries and keys are normalized in place.
    pub qkv: Act,
    /// `[rows, value_heads]`, or `[rows, value_heads · key_dim]`, inputs of the decay.
    pub decay: Act,
    /// `[rows, value_heads]` inputs of the rate at which a head learns.
    pub rate: Act,
}

/// Sizes and parameters of a selective scan (Mamba-2: Dao and Gu, 2024, arXiv:2405.21060).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScanSpec {
    /// Number and width of the heads.
    pub sizes: ScanSizes,
    /// `[heads]` logarithms of how fast the heads forget.
    pub a_log: Vector,
    /// `[heads]` factors of the inputs that are added to the results.
    pub d: Vector,
    /// `[heads]` added to the time steps.
    pub dt_bias: Vector,
    /// Least and greatest time step.
    pub limits: [f32; 2],
}

/// Heads of a selective scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanSizes {
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Groups of heads that share keys and queries; divides `heads`.
    pub groups: usize,
    /// Width of a key and of a query.
    pub state_dim: usize,
}

impl ScanSizes {
    /// Returns the columns of all heads.
    pub const fn inner(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Returns the columns of all keys, which are those of all queries, too.
    pub const fn keys(&self) -> usize {
        self.groups * self.state_dim
    }

    /// Returns the number of values in the state: a matrix `[state_dim, head_dim]` per head.
    pub const fn state_values(&self) -> usize {
        self.heads * self.state_dim * self.head_dim.next_multiple_of(STATE_COLUMNS)
    }
}

/// Inputs of a selective scan, one row per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanInputs {
    /// Inputs of all heads, then keys, then queries of all groups (`x`, `B` and `C` in the paper).
    pub xbc: Act,
    /// `[rows, heads]` time steps, before bias, softplus and limits.
    pub dt: Act,
}

/// Parameters of a selective scan in which each column decays in its own way (Mamba: Gu and Dao, 2023,
/// arXiv:2312.00752).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColumnScanSpec {
    /// Columns.
    pub columns: usize,
    /// Width of a key and of a query.
    pub state_dim: usize,
    /// `[state_dim][columns]` logarithms of how fast the values of a state decay.
    pub a_log: Vector,
    /// `[columns]` factors of the inputs that are added to the results.
    pub d: Vector,
}

impl ColumnScanSpec {
    /// Returns the number of values in the state: a matrix `[state_dim, columns]`.
    pub const fn state_values(columns: usize, state_dim: usize) -> usize {
        columns.next_multiple_of(STATE_COLUMNS) * state_dim
    }
}

/// Inputs of a selective scan by columns, one row per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnScanInputs {
    /// `[rows, columns]`
    pub x: Act,
    /// `[rows, columns]` time steps before the softplus.
    pub dt: Act,
    /// `[rows, state_dim]`
    pub keys: Act,
    /// `[rows, state_dim]`
    pub queries: Act,
}

/// Inputs of a gated linear recurrent unit (Griffin: De et al., 2024, arXiv:2402.19427), one row per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatedUnitInputs {
    /// `[rows, columns]`
    pub x: Act,
    /// `[rows, columns]` gates of the inputs, before the sigmoid.
    pub input_gate: Act,
    /// `[rows, columns]` gates of the decay, before the sigmoid.
    pub decay_gate: Act,
}

/// Heads and parameters of RWKV-7's time mixing (Peng et al., 2025, arXiv:2503.14456).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WkvSpec {
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// `[heads · head_dim]` factors of the keys that are removed.
    pub removed: Vector,
    /// `[heads · head_dim]` shares of the rate in the keys that are added.
    pub added: Vector,
    /// `[heads · head_dim]` factors of the bonus of the current token.
    pub bonus: Vector,
}

impl WkvSpec {
    /// Returns the number of values in the state: a square matrix per head.
    pub const fn state_values(heads: usize, head_dim: usize) -> usize {
        heads * head_dim * head_dim.next_multiple_of(STATE_COLUMNS)
    }
}

/// Inputs of RWKV-7's time mixing, `[rows, heads · head_dim]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WkvInputs {
    /// Queries.
    pub queries: Act,
    /// Keys. They become those that are added.
    pub keys: Act,
    /// Values.
    pub values: Act,
    /// Inputs of the decay. They become the decay.
    pub decay: Act,
    /// Inputs of the rate. They become the removed keys times the rate.
    pub rate: Act,
    /// Written: the removed keys.
    pub removed: Act,
    /// Written: the bonus, `(Σ query · key · factor) · value` for each head.
    pub bonus: Act,
}
