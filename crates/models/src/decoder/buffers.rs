//! The activations of a step, which all layers share.

use mlxk_ops::Act;

use super::spec::{AttentionKind, DecoderSpec, FeedForward};
use crate::parts::{ExpertsBuffers, GroupedBuffers, LatentBuffers, MlpBuffers};

pub(super) struct Buffers {
    /// `[rows, hidden]` the residual stream.
    pub(super) x: Act,
    /// `[rows, hidden]` what a part of a layer reads and leaves.
    pub(super) h: Act,
    /// `[rows, hidden]` a norm's result, or the other input of a parallel layer.
    pub(super) side: Act,
    pub(super) attention: AttentionBuffers,
    pub(super) mlp: MlpBuffers,
    pub(super) experts: Option<ExpertsBuffers>,
}

pub(super) enum AttentionBuffers {
    Grouped(GroupedBuffers),
    Latent(LatentBuffers),
}

impl Buffers {
    /// Allocates by `act`, which takes rows per row of the batch, and the values of one of them.
    pub(super) fn new(spec: &DecoderSpec, act: &mut dyn FnMut(usize, usize) -> Act) -> Self {
        let widths = spec.layers.iter().filter_map(|layer| match &layer.mlp {
            FeedForward::Dense(mlp) => Some(mlp.intermediate),
            FeedForward::Experts(experts) => {
                experts.shared.as_ref().map(|shared| shared.intermediate)
            }
        });
        let experts = spec.layers.iter().find_map(|layer| match &layer.mlp {
            FeedForward::Experts(experts) => Some(experts),
            FeedForward::Dense(_) => None,
        });
        Self {
            x: act(1, spec.hidden),
            h: act(1, spec.hidden),
            side: act(1, spec.hidden),
            attention: match &spec.attention {
                AttentionKind::Grouped(spec) => {
                    AttentionBuffers::Grouped(GroupedBuffers::new(spec, act))
                }
                AttentionKind::Latent(spec) => {
                    AttentionBuffers::Latent(LatentBuffers::new(spec, act))
                }
            },
            experts: experts.map(|experts| ExpertsBuffers::new(experts, spec.hidden, act)),
            mlp: MlpBuffers::new(widths, act),
        }
    }
}
