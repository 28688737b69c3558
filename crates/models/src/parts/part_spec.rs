//! The kinds of parts.

use mlxk_ops::LayerCache;

use super::alt_up::AltUpSpec;
use super::attention::GroupedSpec;
use super::column_mamba::ColumnMambaSpec;
use super::delta_net::DeltaNetSpec;
use super::embeddings::EmbeddingsSpec;
use super::experts::ExpertsSpec;
use super::fading_attention::FadingAttentionSpec;
use super::griffin::GriffinSpec;
use super::indexer::IndexerSpec;
use super::kv_mixer::KvMixerSpec;
use super::latent::LatentSpec;
use super::layer_input::LayerInputSpec;
use super::linear::LinearSpec;
use super::mamba::MambaSpec;
use super::mlp::MlpSpec;
use super::part::{Part, Place};
use super::plain_experts::PlainExpertsSpec;
use super::plamo_mamba::PlamoMambaSpec;
use super::rwkv::{ChannelMixSpec, TimeMixSpec};
use super::scratch::ScratchPlan;
use super::short_conv::ShortConvSpec;
use super::shortcut::ShortcutSpec;
use super::side_by_side::SideBySideSpec;
use super::split_delta::SplitDeltaSpec;
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a part of a layer.
#[derive(Clone, Debug)]
pub(crate) enum PartSpec {
    Attention(GroupedSpec),
    Latent(LatentSpec),
    ShortConv(ShortConvSpec),
    KvMixer(KvMixerSpec),
    DeltaNet(DeltaNetSpec),
    Mamba(MambaSpec),
    ColumnMamba(ColumnMambaSpec),
    PlamoMamba(PlamoMambaSpec),
    SplitDelta(SplitDeltaSpec),
    FadingAttention(FadingAttentionSpec),
    Griffin(GriffinSpec),
    TimeMix(TimeMixSpec),
    ChannelMix(ChannelMixSpec),
    Mlp(MlpSpec),
    Experts(ExpertsSpec),
    Linear(LinearSpec),
    Embeddings,
    LayerInput(LayerInputSpec),
    /// On the heap, because it is much larger than the others.
    SideBySide(Box<SideBySideSpec>),
    AltUp(Box<AltUpSpec>),
    PlainExperts(PlainExpertsSpec),
    Shortcut(ShortcutSpec),
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
            Self::ShortConv(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::KvMixer(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::DeltaNet(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Mamba(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::ColumnMamba(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::PlamoMamba(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::SplitDelta(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::FadingAttention(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Griffin(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::TimeMix(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::ChannelMix(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::PlainExperts(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Shortcut(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Mlp(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Experts(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::AltUp(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::SideBySide(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::LayerInput(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Linear(spec) => Box::new(spec.load(loader, place, scratch)?),
            Self::Embeddings => Box::new(EmbeddingsSpec::load(place.hidden, scratch)),
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
            Self::ShortConv(_) => {
                ShortConvSpec::plan(hidden, scratch);
            }
            Self::KvMixer(spec) => {
                spec.plan(scratch);
            }
            Self::DeltaNet(spec) => {
                spec.plan(scratch);
            }
            Self::Mamba(spec) => {
                spec.plan(scratch);
            }
            Self::ColumnMamba(spec) => {
                spec.plan(scratch);
            }
            Self::PlamoMamba(spec) => {
                spec.plan(scratch);
            }
            Self::SplitDelta(spec) => {
                spec.plan(scratch);
            }
            Self::FadingAttention(spec) => {
                spec.plan(scratch);
            }
            Self::Griffin(_) => {
                GriffinSpec::plan(hidden, scratch);
            }
            Self::TimeMix(spec) => {
                spec.plan(hidden, scratch);
            }
            Self::ChannelMix(spec) => {
                spec.plan(hidden, scratch);
            }
            Self::PlainExperts(spec) => {
                spec.plan(hidden, scratch);
            }
            Self::Shortcut(spec) => {
                spec.plan(hidden, scratch);
            }
            Self::Mlp(spec) => {
                spec.plan(scratch);
            }
            Self::Experts(spec) => {
                spec.plan(hidden, scratch);
            }
            Self::AltUp(spec) => {
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
            Self::Embeddings => {
                EmbeddingsSpec::plan(hidden, scratch);
            }
        }
    }

    /// Returns the name of the part if it sees other tokens, and `None` otherwise.
    pub(crate) fn mixer(&self) -> Option<&'static str> {
        match self {
            Self::Attention(spec) => Some(spec.mixer()),
            Self::AltUp(spec) => Some(spec.attention.mixer()),
            Self::Latent(spec) if spec.indexer.is_some() => Some("sparse latent attention"),
            Self::Latent(_) => Some("latent attention"),
            Self::ShortConv(_) | Self::KvMixer(_) => Some("short convolution"),
            Self::DeltaNet(_) | Self::SplitDelta(_) => Some("gated delta net"),
            Self::Mamba(_) | Self::ColumnMamba(_) | Self::PlamoMamba(_) => Some("selective scan"),
            Self::FadingAttention(_) => Some("linear attention"),
            Self::Griffin(_) => Some("gated linear unit"),
            Self::TimeMix(_) => Some("time mixing"),
            Self::ChannelMix(_) => Some("channel mixing"),
            Self::Mlp(_)
            | Self::Experts(_)
            | Self::PlainExperts(_)
            | Self::Shortcut(_)
            | Self::Linear(_)
            | Self::Embeddings
            | Self::LayerInput(_)
            | Self::SideBySide(_) => None,
        }
    }

    /// Returns the caches of the part: what it keeps of earlier tokens.
    pub(crate) fn caches(&self, hidden: usize) -> impl Iterator<Item = LayerCache> {
        let second = match self {
            Self::Attention(spec) => spec.second_cache(),
            Self::Latent(spec) => spec.indexer.as_ref().map(IndexerSpec::cache),
            _ => None,
        };
        self.cache(hidden).into_iter().chain(second)
    }

    /// Returns the first of the caches of the part, or `None` if it has none.
    fn cache(&self, hidden: usize) -> Option<LayerCache> {
        match self {
            Self::Attention(spec) => spec.cache(),
            Self::AltUp(spec) => spec.attention.cache(),
            Self::Latent(spec) => Some(spec.kv_widths().cache(None)),
            Self::ShortConv(spec) => Some(LayerCache::State { values: spec.state_values(hidden) }),
            Self::KvMixer(spec) => Some(LayerCache::State { values: spec.state_values() }),
            Self::DeltaNet(spec) => Some(LayerCache::State { values: spec.state_values() }),
            Self::Mamba(spec) => Some(LayerCache::State { values: spec.state_values() }),
            Self::ColumnMamba(spec) => Some(LayerCache::State { values: spec.state_values() }),
            Self::PlamoMamba(spec) => Some(LayerCache::State { values: spec.state_values() }),
            Self::SplitDelta(spec) => Some(LayerCache::State { values: spec.state_values() }),
            Self::FadingAttention(spec) => Some(LayerCache::State { values: spec.state_values() }),
            Self::Griffin(spec) => Some(LayerCache::State { values: spec.state_values(hidden) }),
            Self::TimeMix(spec) => Some(LayerCache::State { values: spec.state_values(hidden) }),
            Self::ChannelMix(_) => {
                Some(LayerCache::State { values: ChannelMixSpec::state_values(hidden) })
            }
            Self::Mlp(_)
            | Self::Experts(_)
            | Self::PlainExperts(_)
            | Self::Shortcut(_)
            | Self::Linear(_)
            | Self::Embeddings
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

impl From<ShortConvSpec> for PartSpec {
    fn from(spec: ShortConvSpec) -> Self {
        Self::ShortConv(spec)
    }
}

impl From<KvMixerSpec> for PartSpec {
    fn from(spec: KvMixerSpec) -> Self {
        Self::KvMixer(spec)
    }
}

impl From<DeltaNetSpec> for PartSpec {
    fn from(spec: DeltaNetSpec) -> Self {
        Self::DeltaNet(spec)
    }
}

impl From<MambaSpec> for PartSpec {
    fn from(spec: MambaSpec) -> Self {
        Self::Mamba(spec)
    }
}

impl From<ColumnMambaSpec> for PartSpec {
    fn from(spec: ColumnMambaSpec) -> Self {
        Self::ColumnMamba(spec)
    }
}

impl From<PlamoMambaSpec> for PartSpec {
    fn from(spec: PlamoMambaSpec) -> Self {
        Self::PlamoMamba(spec)
    }
}

impl From<SplitDeltaSpec> for PartSpec {
    fn from(spec: SplitDeltaSpec) -> Self {
        Self::SplitDelta(spec)
    }
}

impl From<FadingAttentionSpec> for PartSpec {
    fn from(spec: FadingAttentionSpec) -> Self {
        Self::FadingAttention(spec)
    }
}

impl From<GriffinSpec> for PartSpec {
    fn from(spec: GriffinSpec) -> Self {
        Self::Griffin(spec)
    }
}

impl From<TimeMixSpec> for PartSpec {
    fn from(spec: TimeMixSpec) -> Self {
        Self::TimeMix(spec)
    }
}

impl From<ChannelMixSpec> for PartSpec {
    fn from(spec: ChannelMixSpec) -> Self {
        Self::ChannelMix(spec)
    }
}

impl From<PlainExpertsSpec> for PartSpec {
    fn from(spec: PlainExpertsSpec) -> Self {
        Self::PlainExperts(spec)
    }
}

impl From<MlpSpec> for PartSpec {
    fn from(spec: MlpSpec) -> Self {
        Self::Mlp(spec)
    }
}

impl From<ShortcutSpec> for PartSpec {
    fn from(spec: ShortcutSpec) -> Self {
        Self::Shortcut(spec)
    }
}

impl From<SideBySideSpec> for PartSpec {
    fn from(spec: SideBySideSpec) -> Self {
        Self::SideBySide(Box::new(spec))
    }
}

impl From<AltUpSpec> for PartSpec {
    fn from(spec: AltUpSpec) -> Self {
        Self::AltUp(Box::new(spec))
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
