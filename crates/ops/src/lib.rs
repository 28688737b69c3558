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
pub use spec::{
    Activation, AttentionSpec, KvFormat, KvSpec, Pieces, RopeSpec, RouteGroups, RouteScores,
    RouteSpec, ScoreGrowth,
};

use std::io;

use mlxk_format::QuantTensor;

/// Positions that one page of the KV cache holds.
pub const PAGE_POSITIONS: usize = 32;

/// What operations return.
pub type Result<T> = std::result::Result<T, OpsError>;

/// An activation `[rows, cols]` of the current step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Act(pub u32);

/// A weight matrix `[out, in]`, or a stack `[experts, out, in]`, in the layout that the device chose
/// at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Weight(pub u32);

/// An f32 vector on the device, such as the weight of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vector(pub u32);

/// Rotary frequencies on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rope(pub u32);

/// The experts of each row of the current step, and their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Routes(pub u32);

/// A sequence in the KV cache: a table of reference-counted pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence(pub u32);

/// A device.
///
/// Handles belong to the device that made them; an [`Act`] and [`Routes`] are valid until the next
/// [`Ops::begin`].
/// A handle of another device, or shapes that do not fit, are defects of the model code and panic.
pub trait Ops: Send {
    /// Takes a weight matrix, or a stack of them, and the additive bias of its rows (`[out]`,
    /// `[experts · out]`), once.
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight>;

    /// Takes a vector, once.
    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector>;

    /// Takes rotary frequencies, once.
    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope>;

    /// Moves a part of the weights to where they are read faster, if there is such a place and they
    /// take no more than `room` bytes of memory that they have not yet; whether there is more to move.
    /// No result changes.
    fn move_weights(&mut self, room: u64) -> bool {
        let _ = room;
        false
    }

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

    /// What the bytes of [`Ops::kv_export`] mean and how they were computed: only a device that says
    /// exactly the same may take them.
    fn kv_layout(&self) -> String;

    /// Bytes of [`Ops::kv_export`] for `len` positions.
    fn kv_export_bytes(&self, len: usize) -> u64;

    /// Passes the first `len` positions of the sequence to `write`, piece by piece.
    fn kv_export(
        &self,
        sequence: Sequence,
        len: usize,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()>;

    /// A new sequence of `len` positions, from what `read` fills in: the bytes of an export.
    fn kv_import(
        &mut self,
        len: usize,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence>;

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

    /// `out[r·heads + h] = x[r·heads + h] · weight[h]ᵀ` for a stack of as many matrices as a row of
    /// `x` (`[rows, heads · in]`) has heads; `out` is `[rows, heads · out]`.
    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight);

    /// Chooses experts by the router's logits `[rows, experts]`.
    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes;

    /// As [`Ops::linear`] with the experts of each row: `outs` are `[rows · experts_per_row, out]`;
    /// `x` is `[rows, in]`, or `[rows · experts_per_row, in]` as an earlier call left it.
    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes);

    /// `out[r] = Σ weight · x[r·experts_per_row + i]` over the experts of row `r`.
    fn combine(&mut self, out: Act, x: Act, routes: Routes);

    /// `out = x / √(mean(x²) + eps) · weight` over each row, or over each piece of a row that is as
    /// long as `weight`.
    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32);

    /// `out = (x − mean(x)) / √(variance(x) + eps) · weight + bias` over each row.
    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32);

    /// Copies `count` pieces of `width` columns of every row from `x` to `out`.
    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize);

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

    /// `x = activation(x)`, element by element.
    fn activate(&mut self, x: Act, activation: Activation);

    /// `out += x`.
    fn add(&mut self, out: Act, x: Act);

    /// `x *= factor`.
    fn scale(&mut self, x: Act, factor: f32);

    /// `x = cap · tanh(x / cap)`.
    fn soft_cap(&mut self, x: Act, cap: f32);

    /// The values of `x`, row by row; the only operation that waits for the device.
    fn read(&mut self, x: Act) -> Result<&[f32]>;
}
