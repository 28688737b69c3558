//! Architectures of GGUF files, as data. This crate knows none itself: callers pass the ones that
//! they support.

use serde_json::Value;

use super::{GgufBiases, GgufSizes};

/// An architecture of GGUF files and its counterpart in MLX.
#[derive(Clone, Copy, Debug)]
pub struct GgufArchitecture {
    /// Value of `general.architecture`, which is also the prefix of the architecture's keys.
    pub name: &'static str,
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// Class in `architectures` of `config.json`.
    pub class: &'static str,
    /// Tensors of a layer. The tensors outside the layers have the same names in all architectures.
    pub layer: &'static [LayerTensor],
    /// `hidden_act` in `config.json`, if it has that key.
    pub hidden_act: Option<&'static str>,
    /// Source of the width of a head.
    pub head_dim: HeadDim,
    /// Handling of a sliding window.
    pub window: Window,
    /// `true` if the architecture has LongRoPE and may rotate only a part of each head.
    pub long_rope: bool,
    /// `true` if llama.cpp has added 1 to the weights of norms.
    pub norms_plus_one: bool,
    /// `true` if files that name no pre-tokenizer have that of Qwen2 instead of that of GPT-2.
    pub qwen_words: bool,
    /// Returns further keys of `config.json`.
    pub config: fn(&GgufSizes, GgufBiases) -> Vec<(&'static str, Value)>,
    /// Values of `model_type` that can be written as this architecture.
    pub exported_types: &'static [&'static str],
}

/// Source of the width of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadDim {
    /// Always `hidden / heads`; the model type has no key for another width.
    Derived,
    /// Stated only if it is not `hidden / heads`.
    Optional,
    /// Always stated.
    Stated,
}

/// Handling of a sliding window that a file states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Refused, unless it is as long as the context.
    Refused,
    /// Ignored, as llama.cpp and mlx-lm do.
    Ignored,
    /// Applied to all layers but every Nth.
    AllButEvery {
        /// N, unless the file states another number.
        default: u64,
    },
}

/// A tensor of a layer, or a pair of weight and bias.
#[derive(Clone, Copy, Debug)]
pub struct LayerTensor {
    /// Name in GGUF, such as `attn_q`.
    pub gguf: &'static str,
    /// Path of the module in MLX, such as `self_attn.q_proj`.
    pub mlx: &'static str,
    /// Rows of a matrix; `None` for a vector.
    pub rows: Option<Extent>,
    /// Columns of a matrix, or length of a vector.
    pub cols: Extent,
    /// Rule for a bias.
    pub bias: Bias,
    /// Heads whose rows llama.cpp has interleaved.
    pub interleaved: Option<Heads>,
}

/// Rule for the bias of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Never there.
    Absent,
    /// Always there.
    Required,
    /// There for all modules of attention or for none.
    Attention,
    /// There for all modules of the feed-forward part or for none.
    Mlp,
}

/// A number of heads of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// Query heads.
    Query,
    /// Key/value heads.
    KeyValue,
}

/// Length of an axis of a tensor, by the sizes of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Width of the residual stream.
    Hidden,
    /// Width of the feed-forward part.
    Intermediate,
    /// Gate and up together: twice the width of the feed-forward part.
    GateAndUp,
    /// Width of a head.
    Head,
    /// Width of all query heads.
    Queries,
    /// Width of all key heads, or of all value heads.
    Keys,
    /// Width of all query, key and value heads.
    QueriesKeysValues,
}

impl LayerTensor {
    /// Returns a vector, such as the weight of a norm.
    pub const fn vector(gguf: &'static str, mlx: &'static str, cols: Extent) -> Self {
        Self { gguf, mlx, rows: None, cols, bias: Bias::Absent, interleaved: None }
    }

    /// Returns a matrix `[rows, cols]` without a bias.
    pub const fn matrix(gguf: &'static str, mlx: &'static str, [rows, cols]: [Extent; 2]) -> Self {
        Self { gguf, mlx, rows: Some(rows), cols, bias: Bias::Absent, interleaved: None }
    }

    /// Returns the same tensor with another rule for its bias.
    #[must_use]
    pub const fn with_bias(mut self, bias: Bias) -> Self {
        self.bias = bias;
        self
    }

    /// Returns the same tensor with the rows of `heads` interleaved.
    #[must_use]
    pub const fn interleaved(mut self, heads: Heads) -> Self {
        self.interleaved = Some(heads);
        self
    }
}
