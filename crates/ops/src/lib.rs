//! The narrow waist between models and devices: the fused operations that a device implements.
//!
//! A model is written once against [`Ops`], an object-safe trait over opaque handles; it never sees
//! a device, an element type or a stride. There is no arithmetic in this crate.
//!
//! An activation is a matrix `[rows, cols]` in the device's arena, one row per token. The rows of
//! one step may belong to different sequences: a [`Batch`] says which.

#![forbid(unsafe_code)]

mod batch;
mod error;
mod spec;

pub use batch::{Batch, Segment};
pub use error::OpsError;
pub use spec::{Activation, AttentionSpec, KvSpec, RopeSpec};

use mlxk_format::QuantTensor;

/// Positions that one page of the KV cache holds.
pub const PAGE_POSITIONS: usize = 32;

/// What operations return.
pub type Result<T> = std::result::Result<T, OpsError>;

/// An activation `[rows, cols]` of the current step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Act(pub u32);

/// A weight matrix `[out, in]` in the layout that the device chose at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Weight(pub u32);

/// An f32 vector on the device, such as the weight of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vector(pub u32);

/// Rotary frequencies on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rope(pub u32);

/// A sequence in the KV cache: a table of reference-counted pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence(pub u32);

/// A device.
///
/// Handles belong to the device that made them; an [`Act`] is valid until the next [`Ops::begin`].
/// A handle of another device, or shapes that do not fit, are defects of the model code and panic.
pub trait Ops: Send {
    /// Takes a weight matrix and the additive bias of its rows (`[out]`), once.
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight>;

    /// Takes a vector, once.
    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector>;

    /// Takes rotary frequencies, once.
    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope>;

    /// Says what one position of the KV cache holds; before the first sequence.
    fn kv_configure(&mut self, spec: KvSpec);

    /// A new, empty sequence.
    fn kv_new(&mut self) -> Sequence;

    /// A copy of `sequence` that shares its pages.
    fn kv_fork(&mut self, sequence: Sequence) -> Sequence;

    /// Forgets all positions from `len` on.
    fn kv_truncate(&mut self, sequence: Sequence, len: usize);

    /// Forgets the sequence; its handle is invalid afterwards.
    fn kv_free(&mut self, sequence: Sequence);

    /// Positions that the sequence holds.
    fn kv_len(&self, sequence: Sequence) -> usize;

    /// Bytes that the pages of all sequences occupy.
    fn kv_bytes(&self) -> usize;

    /// Starts a step: forgets all activations and makes room in the KV cache for the batch.
    fn begin(&mut self, batch: &Batch) -> Result<()>;

    /// A new activation `[rows, cols]`, its values unspecified.
    fn act(&mut self, rows: usize, cols: usize) -> Act;

    /// `out[r] = table[ids[r]] · scale`.
    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32);

    /// `out[i] = x[rows[i]]`.
    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]);

    /// `outs[i] = x · weights[i]ᵀ + bias[i]`, several matrices in one pass over `x`.
    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]);

    /// `out = x / √(mean(x²) + eps) · weight` over each row.
    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32);

    /// Rotates each of the `heads` heads of every row in place, by the row's position in `batch`.
    fn rope(&mut self, x: Act, heads: usize, rope: Rope, batch: &Batch);

    /// Appends `k`, `v` to the cache of `layer`, then `out = softmax(q·kᵀ·scale) · v` per head over
    /// what each row may see of its own sequence.
    #[expect(
        clippy::too_many_arguments,
        reason = "one fused operation, each argument a tensor of it"
    )]
    fn attend(
        &mut self,
        out: Act,
        q: Act,
        k: Act,
        v: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    );

    /// `gate = activation(gate) · up`, element by element.
    fn glu(&mut self, gate: Act, up: Act, activation: Activation);

    /// `out += x`.
    fn add(&mut self, out: Act, x: Act);

    /// The values of `x`, row by row; the only operation that waits for the device.
    fn read(&mut self, x: Act) -> Result<&[f32]>;
}
