//! What architectures share. A part loads itself from its path in the checkpoint, and its forward
//! pass is a few fused operations.

mod attention;
mod mlp;
mod norm;
mod rope;
mod window;

pub(crate) use attention::{Attention, AttentionBuffers, AttentionSizes, Biases};
pub(crate) use mlp::{Mlp, MlpBuffers};
pub(crate) use norm::RmsNorm;
pub(crate) use rope::rope_spec;
pub(crate) use window::layer_windows;
