//! The kinds of parts.

use mlxk_ops::LayerCache;

use super::attention::GroupedSpec;
use super::experts::ExpertsSpec;
use super::latent::LatentSpec;
use super::layer_input::LayerInputSpec;
use super::linear::LinearSpec;
use super::mlp::MlpSpec;
use super::part::{Part, Place};
use super::scratch::ScratchPlan;
use super::side_by_side::SideBySideSpec;
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a part of a layer.
#[derive(Clone, Debug)]
pub(crate) enum PartSpec {
    Attention(GroupedSpec),
    Latent(LatentSpec),
    Mlp(MlpSpec),
    Experts(ExpertsSpec),
    Linear(LinearSpec),
    LayerInput(LayerInputSpec),
    /// On the heap, because it is much larger than the others.
    SideBySide(Box<SideBySideSpec>),
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
            Self::SideBySide(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::LayerInput(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Linear(spec) => Box::new(spec.load(loader, place, scratch)?),
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
            Self::SideBySide(spec) => {
                spec.plan(hidden, scratch);
            }
            Self::LayerInput(spec) => {
                spec.plan(scratch);
            }
            Self::Linear(_) => {
                LinearSpec::plan(hidden, scratch);
            }
        }
    }

    /// Returns what the part keeps of earlier tokens, or `None` if it keeps nothing.
    pub(crate) const fn cache(&self) -> Option<LayerCache> {
        match self {
            Self::Attention(spec) if spec.shared.is_some() => None,
            Self::Attention(spec) => Some(spec.kv_widths().cache(spec.window)),
            Self::Latent(spec) => Some(spec.kv_widths().cache(None)),
            Self::Mlp(_)
            | Self::Experts(_)
            | Self::Linear(_)
            | Self::LayerInput(_)
            | Self::SideBySide(_) => None,
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

impl From<SideBySideSpec> for PartSpec {
    fn from(spec: SideBySideSpec) -> Self {
        Self::SideBySide(Box::new(spec))
    }
}

impl From<LayerInputSpec> for PartSpec {
    fn from(spec: LayerInputSpec) -> Self {
        Self::LayerInput(spec)
    }
}

impl From<LinearSpec> for PartSpec {
    fn from(spec: LinearSpec) -> Self {
        Self::Linear(spec)
    }
}

impl From<ExpertsSpec> for PartSpec {
    fn from(spec: ExpertsSpec) -> Self {
        Self::Experts(spec)
    }
}
