//! Description of a decoder, as a family reads it from `config.json`: plain data, checked before any
//! weight is loaded.

use std::ops::Range;

use mlxk_ops::{Mask, RopeSpec};

use crate::head::HeadSpec;
use crate::loader::PackedModule;
use crate::model::Output;
use crate::parts::{
    ExpertsSpec, GroupedSpec, LayerInputsSpec, NgramsSpec, NormSpec, PartSpec, StreamsSpec,
};

/// A decoder-only model, or an encoder.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "families differ in each of them")]
pub(crate) struct DecoderSpec {
    /// Prefix of all tensor names, such as `language_model.`.
    pub(crate) prefix: &'static str,
    /// Other prefixes that files may have. The first that they have is used instead of `prefix`.
    pub(crate) other_prefixes: &'static [&'static str],
    /// Prefixes of the tensors of other modalities, which are not loaded.
    pub(crate) skipped: &'static [&'static str],
    pub(crate) names: Names,
    /// Matrices whose inputs are rotated.
    pub(crate) packed: Vec<PackedModule>,
    /// Width of the residual stream.
    pub(crate) hidden: usize,
    pub(crate) vocab_size: usize,
    pub(crate) max_positions: usize,
    /// Factor of the embeddings.
    pub(crate) embed_scale: f32,
    /// Learned vectors of positions, which are added to the embeddings.
    pub(crate) positions: Option<Positions>,
    /// Learned vectors of the types of tokens, which are added to the embeddings.
    pub(crate) token_types: Option<Table>,
    /// Norm of the embeddings.
    pub(crate) embed_norm: Option<EmbedNorm>,
    /// Embeddings of n-grams, which are added to those of tokens.
    pub(crate) ngrams: Option<NgramsSpec>,
    /// Inputs of the layers besides the residual stream.
    pub(crate) layer_inputs: Option<LayerInputsSpec>,
    /// Further residual streams.
    pub(crate) streams: Option<StreamsSpec>,
    /// Name of a number in each layer by which the residual stream is multiplied at its end.
    pub(crate) layer_scalar: Option<&'static str>,
    /// Names of numbers in each layer by which the results of its blocks are multiplied, in their order.
    pub(crate) block_factors: &'static [&'static str],
    /// Norms of the residual stream: those of blocks' inputs, and all for which there is no other.
    pub(crate) norm: NormSpec,
    /// Norms of blocks' results.
    pub(crate) norm_out: Option<NormSpec>,
    /// Numbers that are added to the weights of norms, by the ends of their names.
    pub(crate) norm_offsets: &'static [(&'static str, f32)],
    /// `true` if the norm of a block's result applies to the residual stream after the result is added.
    pub(crate) norm_stream: bool,
    /// Norm after the last layer.
    pub(crate) last_norm: Option<NormSpec>,
    /// `true` if there is a norm after the last layer.
    pub(crate) has_last_norm: bool,
    /// Factor of what a block adds to the residual stream.
    pub(crate) residual_scale: Option<f32>,
    /// Rotary embeddings, which parts refer to by index.
    pub(crate) ropes: Vec<RopeSpec>,
    /// Blocks of each layer, in the order in which they run.
    pub(crate) layers: Vec<Vec<BlockSpec>>,
    /// Path of the layers from this index on, which are counted from 0 again.
    pub(crate) later_layers: Option<(usize, &'static str)>,
    /// Number of layers in the files, if they run several times.
    pub(crate) distinct_layers: Option<usize>,
    /// `true` if the norm after the last layer also follows each earlier run of the layers.
    pub(crate) norm_between: bool,
    /// `true` if the embedding is also the output projection; if `None`, the files decide.
    pub(crate) tied: Option<bool>,
    /// `true` if the name of the output projection has no suffix.
    pub(crate) bare_head: bool,
    /// Number that is added to the lengths of the rows of an output projection of floats, by which they are divided.
    pub(crate) unit_head: Option<f32>,
    /// Name of a number by which logits are multiplied.
    pub(crate) head_factor: Option<&'static str>,
    /// `true` if the output projection adds a bias.
    pub(crate) head_bias: bool,
    /// Kind of results. Without logits, there is no output projection.
    pub(crate) output: Output,
    /// Layers behind the pooled state of a text.
    pub(crate) head: HeadSpec,
    /// Factor of the logits.
    pub(crate) logit_scale: Option<f32>,
    /// Tokens that are never chosen.
    pub(crate) banned: Vec<Range<usize>>,
    /// See [`mlxk_ops::Compute::soft_cap`].
    pub(crate) logit_cap: Option<f32>,
}

/// A table of learned vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    /// Path of the module.
    pub(crate) path: &'static str,
    /// Number of vectors.
    pub(crate) count: usize,
}

/// Learned vectors of positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    pub(crate) table: Table,
    /// Row of the first position.
    pub(crate) first: usize,
}

/// The norm of the embeddings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbedNorm {
    /// Path of the module; empty if the norm has no tensors.
    pub(crate) path: &'static str,
    pub(crate) norm: NormSpec,
}

/// Paths of the modules of a decoder, below its prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) embed_tokens: &'static str,
    /// Path that is followed by the index of a layer.
    pub(crate) layers: &'static str,
    /// Norm after the last layer.
    pub(crate) norm: &'static str,
    pub(crate) lm_head: &'static str,
}

impl Names {
    /// The names of Llama, which most families have.
    pub(crate) const USUAL: Self = Self {
        embed_tokens: "model.embed_tokens",
        layers: "model.layers",
        norm: "model.norm",
        lm_head: "lm_head",
    };
}

/// A block: a part whose result is added to the residual stream.
#[derive(Debug)]
pub(crate) struct BlockSpec {
    pub(crate) input: Input,
    pub(crate) part: PartSpec,
    /// Path of the part below the layer; empty if its modules are those of the layer.
    pub(crate) path: &'static str,
    /// Norm of the result.
    pub(crate) norm_out: Option<&'static str>,
}

/// Input of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The residual stream after the norm of this name.
    Norm(&'static str),
    /// The residual stream.
    Stream,
    /// The input of the block before, as in layers whose blocks run in parallel.
    Previous,
    /// The residual stream before the block before, after the norm of this name: blocks run in
    /// parallel, with a norm each.
    Parallel(&'static str),
}

/// Returns a layer with norms before attention and before the feed-forward part, as in Llama.
pub(crate) fn pre_norm(
    attention: impl Into<PartSpec>,
    feed_forward: impl Into<PartSpec>,
) -> Vec<BlockSpec> {
    layer(
        attention,
        feed_forward,
        NormNames {
            attention_in: Input::Norm("input_layernorm"),
            attention_out: None,
            mlp_in: Input::Norm("post_attention_layernorm"),
            mlp_out: None,
        },
    )
}

/// Returns a layer with norms before and after both parts, as in Gemma 2.
pub(crate) fn sandwich(
    attention: impl Into<PartSpec>,
    feed_forward: impl Into<PartSpec>,
) -> Vec<BlockSpec> {
    layer(
        attention,
        feed_forward,
        NormNames {
            attention_in: Input::Norm("input_layernorm"),
            attention_out: Some("post_attention_layernorm"),
            mlp_in: Input::Norm("pre_feedforward_layernorm"),
            mlp_out: Some("post_feedforward_layernorm"),
        },
    )
}

/// Inputs and norms of a layer of attention and a feed-forward part.
#[derive(Clone, Copy)]
pub(crate) struct NormNames {
    pub(crate) attention_in: Input,
    pub(crate) attention_out: Option<&'static str>,
    pub(crate) mlp_in: Input,
    pub(crate) mlp_out: Option<&'static str>,
}

/// Norms after both parts instead of before them, as in OLMo 2.
pub(crate) const POST_NORM: NormNames = NormNames {
    attention_in: Input::Stream,
    attention_out: Some("post_attention_layernorm"),
    mlp_in: Input::Stream,
    mlp_out: Some("post_feedforward_layernorm"),
};

/// One norm before both parts, which run in parallel, as in Command R.
pub(crate) const PARALLEL: NormNames = NormNames {
    attention_in: Input::Norm("input_layernorm"),
    attention_out: None,
    mlp_in: Input::Previous,
    mlp_out: None,
};

/// Returns a layer of attention, in `self_attn`, and a feed-forward part, in `mlp`.
pub(crate) fn layer(
    attention: impl Into<PartSpec>,
    feed_forward: impl Into<PartSpec>,
    norms: NormNames,
) -> Vec<BlockSpec> {
    vec![
        BlockSpec {
            input: norms.attention_in,
            part: attention.into(),
            path: "self_attn",
            norm_out: norms.attention_out,
        },
        BlockSpec {
            input: norms.mlp_in,
            part: feed_forward.into(),
            path: "mlp",
            norm_out: norms.mlp_out,
        },
    ]
}

impl DecoderSpec {
    /// Returns `true` if rows see later rows of their sequence. Its keys and values are not used again after a
    /// layer, so all layers share the cache of the first.
    pub(crate) fn sees_all(&self) -> bool {
        let mut parts = self.layers.iter().flatten().map(|block| &block.part);
        parts.any(|part| matches!(part, PartSpec::Attention(it) if it.mask == Mask::Full))
    }

    /// Returns the number of layers in the files.
    pub(crate) fn distinct(&self) -> usize {
        self.distinct_layers.unwrap_or(self.layers.len()).max(1)
    }

    /// Returns the path of a layer.
    pub(crate) fn layer_path(&self, index: usize) -> String {
        match self.later_layers {
            Some((first, path)) if index >= first => format!("{path}.{}", index - first),
            _ => format!("{}.{}", self.names.layers, index % self.distinct()),
        }
    }

    /// Returns the grouped-query attention of every layer that has it, in order.
    pub(crate) fn attentions_mut(&mut self) -> impl Iterator<Item = &mut GroupedSpec> {
        self.layers.iter_mut().flatten().filter_map(|block| match &mut block.part {
            PartSpec::Attention(attention) => Some(attention),
            _ => None,
        })
    }

    /// Replaces the feed-forward part by experts at `path`, in the layers for which `choose` returns
    /// `true`.
    pub(crate) fn with_experts(
        mut self,
        path: &'static str,
        experts: &ExpertsSpec,
        choose: impl Fn(usize) -> bool,
    ) -> Self {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            if !choose(index) {
                continue;
            }
            for block in layer {
                if matches!(block.part, PartSpec::Mlp(_)) {
                    (block.part, block.path) = ((*experts).into(), path);
                }
            }
        }
        self
    }
}
