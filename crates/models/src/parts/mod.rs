//! The parts that architectures are built from. Each loads itself from its path in the checkpoint,
//! and its forward pass is a few fused operations.
//!
//! To add a kind of part, write its file and add a variant to `PartSpec`.

mod attention;
mod experts;
mod kv_widths;
mod latent;
mod mlp;
mod norm;
mod part;
mod part_spec;
mod rope;
mod scratch;
mod window;
mod xielu;

pub(crate) use attention::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, HeadWeights, QkNorm, QkvLayout,
};
pub(crate) use experts::{ExpertNames, ExpertsSpec, SharedExpert};
pub(crate) use latent::LatentSpec;
pub(crate) use mlp::{MlpKind, MlpSpec};
pub(crate) use norm::{Norm, NormSpec, NormWeight};
pub(crate) use part::{Part, Place};
pub(crate) use part_spec::PartSpec;
pub(crate) use rope::{partial_rope_spec, rope_spec, scaled_rope, yarn_score_scale};
pub(crate) use scratch::{ScratchPlan, Slot};
pub(crate) use window::layer_windows;
