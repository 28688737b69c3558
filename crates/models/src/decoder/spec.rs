//! What a decoder is made of, as an architecture reads it from `config.json`: plain data, checked,
//! before any weight is touched.

use mlxk_ops::{KvSpec, RopeSpec, ScoreGrowth};

use super::buffers::Buffers;
use crate::Shape;
use crate::parts::{ExpertsSpec, GroupedSpec, LatentSpec, MlpSpec, NormSpec};

/// A decoder-only transformer.
pub(crate) struct DecoderSpec {
    /// Leads to its tensors, such as `language_model.`.
    pub(crate) prefix: &'static str,
    /// Tensors of other modalities start so.
    pub(crate) skipped: &'static [&'static str],
    /// Width of the residual stream.
    pub(crate) hidden: usize,
    pub(crate) vocab_size: usize,
    pub(crate) max_positions: usize,
    /// Factor of the embeddings.
    pub(crate) embed_scale: f32,
    pub(crate) norm: NormSpec,
    pub(crate) names: NormNames,
    pub(crate) attention: AttentionKind,
    /// Attention and feed-forward both read the same normed input.
    pub(crate) parallel: bool,
    /// Factor of what a layer adds to the residual stream.
    pub(crate) residual_scale: Option<f32>,
    /// The rotary embeddings that layers refer to.
    pub(crate) ropes: Vec<RopeSpec>,
    pub(crate) layers: Vec<LayerSpec>,
    /// Whether the embedding is the output projection; the files decide where this is silent.
    pub(crate) tied: Option<bool>,
    /// Factor of the logits.
    pub(crate) logit_scale: Option<f32>,
    /// See [`mlxk_ops::Compute::soft_cap`].
    pub(crate) logit_cap: Option<f32>,
}

/// Names of a layer's norms; `None` where there is none.
#[derive(Clone, Copy)]
pub(crate) struct NormNames {
    pub(crate) attention_in: Option<&'static str>,
    pub(crate) attention_out: Option<&'static str>,
    pub(crate) mlp_in: Option<&'static str>,
    pub(crate) mlp_out: Option<&'static str>,
}

impl NormNames {
    /// Before attention and before the feed-forward part, as in Llama.
    pub(crate) const PRE: Self = Self {
        attention_in: Some("input_layernorm"),
        attention_out: None,
        mlp_in: Some("post_attention_layernorm"),
        mlp_out: None,
    };
    /// Before and behind both, as in Gemma 2.
    pub(crate) const SANDWICH: Self = Self {
        attention_in: Some("input_layernorm"),
        attention_out: Some("post_attention_layernorm"),
        mlp_in: Some("pre_feedforward_layernorm"),
        mlp_out: Some("post_feedforward_layernorm"),
    };
}

/// The attention of all layers.
pub(crate) enum AttentionKind {
    Grouped(GroupedSpec),
    Latent(LatentSpec),
}

/// What differs between layers.
pub(crate) struct LayerSpec {
    /// Positions that it sees.
    pub(crate) window: Option<usize>,
    /// Index into [`DecoderSpec::ropes`]; `None` for a layer without positions.
    pub(crate) rope: Option<usize>,
    /// How its scores grow with the position.
    pub(crate) growth: Option<ScoreGrowth>,
    pub(crate) mlp: FeedForward,
}

/// What follows attention.
#[derive(Clone)]
pub(crate) enum FeedForward {
    Dense(MlpSpec),
    Experts(ExpertsSpec),
}

impl DecoderSpec {
    /// The usual: pre-norms, no factors, one rotary embedding, every layer alike and unwindowed.
    pub(crate) fn plain(
        attention: GroupedSpec,
        (norm, mlp): (NormSpec, MlpSpec),
        layers: usize,
        rope: RopeSpec,
        (vocab_size, max_positions): (usize, usize),
    ) -> Self {
        let layer = || LayerSpec {
            window: None,
            rope: Some(0),
            growth: None,
            mlp: FeedForward::Dense(mlp.clone()),
        };
        Self {
            prefix: "",
            skipped: &[],
            hidden: attention.sizes.hidden,
            vocab_size,
            max_positions,
            embed_scale: 1.0,
            norm,
            names: NormNames::PRE,
            attention: AttentionKind::Grouped(attention),
            parallel: false,
            residual_scale: None,
            ropes: vec![rope],
            layers: (0..layers).map(|_| layer()).collect(),
            tied: None,
            logit_scale: None,
            logit_cap: None,
        }
    }

    /// Sets the windows of all layers.
    pub(crate) fn with_windows(mut self, windows: &[Option<usize>]) -> Self {
        for (layer, window) in self.layers.iter_mut().zip(windows) {
            layer.window = *window;
        }
        self
    }

    /// Sets the feed-forward part of the layers that `choose` names.
    pub(crate) fn with_experts(
        mut self,
        experts: &ExpertsSpec,
        choose: impl Fn(usize) -> bool,
    ) -> Self {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            if choose(index) {
                layer.mlp = FeedForward::Experts(experts.clone());
            }
        }
        self
    }

    /// What it needs of memory.
    pub(crate) fn shape(&self) -> Shape {
        let mut activation_values = 0;
        Buffers::new(self, &mut |rows, width| {
            activation_values += rows * width;
            mlxk_ops::Act(0)
        });
        let layers = self.layers.len();
        let kv = match &self.attention {
            AttentionKind::Grouped(spec) => KvSpec {
                layers,
                kv_heads: spec.sizes.kv_heads,
                head_dim: spec.sizes.head_dim,
                value_dim: spec.sizes.head_dim,
            },
            AttentionKind::Latent(spec) => spec.kv(layers),
        };
        Shape {
            kv,
            vocab_size: self.vocab_size,
            max_positions: self.max_positions,
            activation_values,
        }
    }
}
