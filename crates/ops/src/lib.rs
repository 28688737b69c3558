//! The narrow waist between models and devices: the fused operations that a device implements.
//!
//! A model is written once against [`Ops`], an object-safe trait over opaque handles. It never sees
//! a device, an element type or a stride. There is no arithmetic in this crate.
//!
//! An activation is a matrix `[rows, cols]` in the device's arena, one row per token. The rows of
//! one step may belong to different sequences; a [`Batch`] lists them.

#![forbid(unsafe_code)]

mod batch;
mod cache;
mod cache_spec;
mod compute;
mod error;
mod recurrent;
mod spec;
mod top;
mod weights;

pub use batch::{Batch, Segment};
pub use cache::Cache;
pub use cache_spec::{
    CacheSpec, Extent, KvFormat, LayerCache, PAGE_POSITIONS, PageGroup, REWIND_SLACK,
    SequenceBounds, SequenceCost, restorable,
};
pub use compute::Compute;
pub use error::OpsError;
pub use recurrent::{
    ColumnScanInputs, ColumnScanSpec, ConvSpec, DeltaDecay, DeltaInputs, DeltaSizes, DeltaSpec,
    GatedUnitInputs, STATE_COLUMNS, ScanInputs, ScanSizes, ScanSpec, StatePlace, WkvInputs,
    WkvSpec,
};
pub use spec::{
    Activation, AttentionSpec, BlockMask, HadamardSpec, IndexInputs, IndexSpec, Mask, Pieces,
    Reduction, RopeSpec, RouteGroups, RouteScores, RouteSpec, ScoreGrowth,
};
pub use top::{Ranked, Survey, top};
pub use weights::Weights;

/// Result of an operation.
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

/// The experts chosen for each row of the current step, and their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Routes(pub u32);

/// The tokens that a device chooses from the logits of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Choice(pub u32);

/// A sequence in the cache of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence(pub u32);

/// A device: everything a loaded model needs. Callers that need only a part of it take
/// `&mut dyn Weights`, `&mut dyn Cache` or `&mut dyn Compute`, to which `&mut dyn Ops` coerces.
///
/// Handles belong to the device that made them. A handle of another device, or shapes that do not
/// fit, are bugs in the model code and panic.
pub trait Ops: Weights + Cache + Compute + Send {}

impl<T: Weights + Cache + Compute + Send> Ops for T {}
