//! What architectures share. A part loads itself from its path in the checkpoint, and its forward
//! pass is a few fused operations.

mod attention;
mod experts;
mod latent;
mod mlp;
mod norm;
mod rope;
mod window;

pub(crate) use attention::{
    Attention, AttentionSizes, Biases, GroupedBuffers, GroupedSpec, LayerAttention, QkNorm,
};
pub(crate) use experts::{ExpertNames, Experts, ExpertsBuffers, ExpertsSpec};
pub(crate) use latent::{LatentAttention, LatentBuffers, LatentSpec};
pub(crate) use mlp::{Mlp, MlpBuffers, MlpKind, MlpSpec};
pub(crate) use norm::{Norm, NormKind, NormSpec};
pub(crate) use rope::{partial_rope_spec, rope_spec, scaled_rope, yarn_score_scale};
pub(crate) use window::layer_windows;
