//! The parts that architectures are built from. Each loads itself from its path in the checkpoint,
//! and its forward pass is a few fused operations.
//!
//! To add a kind of part, write its file and add a variant to [`PartSpec`].

mod attention;
mod experts;
mod latent;
mod mlp;
mod norm;
mod rope;
mod scratch;
mod window;

use mlxk_ops::{Act, Batch, Compute, LayerCache, Rope};

use crate::ModelError;
use crate::loader::Loader;
pub(crate) use attention::{AttentionSizes, Biases, GroupedSpec, QkNorm};
pub(crate) use experts::{ExpertNames, ExpertsSpec, SharedExpert};
pub(crate) use latent::LatentSpec;
pub(crate) use mlp::{MlpKind, MlpSpec};
pub(crate) use norm::{Norm, NormKind, NormSpec};
pub(crate) use rope::{partial_rope_spec, rope_spec, scaled_rope, yarn_score_scale};
pub(crate) use scratch::{Scratch, ScratchPlan, Slot};
pub(crate) use window::layer_windows;

/// A loaded part of a layer.
pub(crate) trait Part: Send {
    /// `out = part(x)`. `out` and `x` are different activations `[rows, hidden]`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch);
}

/// Description of a part of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PartSpec {
    Attention(GroupedSpec),
    Latent(LatentSpec),
    Mlp(MlpSpec),
    Experts(ExpertsSpec),
}

/// Surroundings of a part that is loaded.
pub(crate) struct Place<'a> {
    /// Path of the part's module in the checkpoint.
    pub(crate) path: &'a str,
    /// Width of the residual stream.
    pub(crate) hidden: usize,
    /// Index of the part's cache among those of the model.
    pub(crate) cache: usize,
    /// Rotary embeddings of the model.
    pub(crate) ropes: &'a [Rope],
}

impl Place<'_> {
    /// Returns the path of a module below the part.
    fn of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}

/// Keys and values that one part keeps of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KvWidths {
    pub(crate) kv_heads: usize,
    /// Width of a key.
    pub(crate) head_dim: usize,
    /// Width of a value.
    pub(crate) value_dim: usize,
}

impl KvWidths {
    const fn cache(self, window: Option<usize>) -> LayerCache {
        let Self { kv_heads, head_dim, value_dim } = self;
        LayerCache::Pages { kv_heads, head_dim, value_dim, window }
    }
}

impl PartSpec {
    /// Loads the part, and plans its activations.
    pub(crate) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Box<dyn Part>, ModelError> {
        Ok(match self {
            Self::Attention(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Latent(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Mlp(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Experts(spec) => Box::new(spec.load(loader, place, scratch)?),
        })
    }

    /// Plans the part's activations without loading it.
    pub(crate) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) {
        match self {
            Self::Attention(spec) => {
                spec.plan(scratch);
            }
            Self::Latent(spec) => {
                spec.plan(scratch);
            }
            Self::Mlp(spec) => {
                spec.plan(scratch);
            }
            Self::Experts(spec) => {
                spec.plan(hidden, scratch);
            }
        }
    }

    /// Returns what the part keeps of earlier tokens, or `None` if it keeps nothing.
    pub(crate) const fn cache(&self) -> Option<LayerCache> {
        match self {
            Self::Attention(spec) => Some(spec.kv_widths().cache(spec.window)),
            Self::Latent(spec) => Some(spec.kv_widths().cache(None)),
            Self::Mlp(_) | Self::Experts(_) => None,
        }
    }
}

impl From<GroupedSpec> for PartSpec {
    fn from(spec: GroupedSpec) -> Self {
        Self::Attention(spec)
    }
}

impl From<LatentSpec> for PartSpec {
    fn from(spec: LatentSpec) -> Self {
        Self::Latent(spec)
    }
}

impl From<MlpSpec> for PartSpec {
    fn from(spec: MlpSpec) -> Self {
        Self::Mlp(spec)
    }
}

impl From<ExpertsSpec> for PartSpec {
    fn from(spec: ExpertsSpec) -> Self {
        Self::Experts(spec)
    }
}
