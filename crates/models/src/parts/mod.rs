//! The parts that architectures are built from. Each loads itself from its path in the checkpoint,
//! and its forward pass is a few fused operations.
//!
//! To add a kind of part, write its file and add a variant to `PartSpec`.

mod alt_up;
mod attention;
mod attention_sizes;
mod column_mamba;
mod delta_net;
mod earlier_run;
mod embeddings;
mod experts;
mod fading_attention;
mod gated_delta;
mod griffin;
mod head_norm;
mod kv_widths;
mod latent;
mod layer_input;
mod linear;
mod mamba;
mod mlp;
mod norm;
mod ngrams;
mod part;
mod part_spec;
mod plain_experts;
mod plamo_mamba;
mod rope;
mod rwkv;
mod scratch;
mod short_conv;
mod side_by_side;
mod shortcut;
mod split_delta;
mod window;
mod xielu;

pub(crate) use alt_up::{AltUpSpec, MOST_STREAMS, Streams, StreamsSpec};
pub(crate) use attention::{AttentionNames, Biases, GroupedSpec, OutputGate, QkvLayout, Values};
pub(crate) use attention_sizes::AttentionSizes;
pub(crate) use column_mamba::ColumnMambaSpec;
pub(crate) use delta_net::{DeltaNetSpec, DeltaProjections};
pub(crate) use earlier_run::EarlierRunSpec;
pub(crate) use embeddings::EmbeddingsSpec;
pub(crate) use experts::{ExpertNames, ExpertsSpec, SharedExpert, SharedWeight, StoredExperts};
pub(crate) use fading_attention::FadingAttentionSpec;
pub(crate) use griffin::GriffinSpec;
pub(crate) use head_norm::{HeadWeights, QkNorm};
pub(crate) use latent::LatentSpec;
pub(crate) use layer_input::{LayerInputSpec, LayerInputs, LayerInputsSpec};
pub(crate) use linear::LinearSpec;
pub(crate) use mamba::{GatedNorm, MambaSpec};
pub(crate) use mlp::{MlpKind, MlpSpec};
pub(crate) use norm::{Norm, NormSpec, NormWeight, SubNorm};
pub(crate) use part::{Part, Place};
pub(crate) use ngrams::{Ngrams, NgramsSpec};
pub(crate) use part_spec::PartSpec;
pub(crate) use plain_experts::{LatentSpace, PlainExpertsSpec};
pub(crate) use plamo_mamba::PlamoMambaSpec;
pub(crate) use rope::{partial_rope_spec, rope_spec, scaled_rope, yarn_score_scale};
pub(crate) use rwkv::{ChannelMixSpec, Ranks, TimeMixSpec};
pub(crate) use scratch::{ScratchPlan, Slot};
pub(crate) use short_conv::ShortConvSpec;
pub(crate) use side_by_side::SideBySideSpec;
pub(crate) use split_delta::{ALog, Projection, SplitDeltaSpec};
pub(crate) use shortcut::ShortcutSpec;
pub(crate) use window::layer_windows;
