//! The kinds of parts.

use mlxk_ops::LayerCache;

use super::attention::GroupedSpec;
use super::experts::ExpertsSpec;
use super::latent::LatentSpec;
use super::mlp::MlpSpec;
use super::part::{Part, Place};
use super::scratch::ScratchPlan;
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a part of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PartSpec {
    Attention(GroupedSpec),
    Latent(LatentSpec),
    Mlp(MlpSpec),
    Experts(ExpertsSpec),
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
