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
    /// Tensors of the layers.
    pub layer: &'static [LayerTensor],
    /// More tensors of the layers, in lists that architectures share.
    pub more: &'static [&'static [LayerTensor]],
    /// Path of the layers in MLX.
    pub layers_path: &'static str,
    /// Tensors outside the layers, with their complete paths in MLX.
    pub outside: &'static [LayerTensor],
    /// Beginnings of the names of tensors that belong to other modalities and are ignored.
    pub ignored: &'static [&'static str],
    /// Name of the constant of norms in `config.json`.
    pub norm_eps: &'static str,
    /// Constant of norms in files that don't state it; `None` if all do.
    pub usual_eps: Option<f64>,
    /// Further keys of the metadata, without the architecture's prefix, that `config` and the extents of
    /// tensors read, or that don't change the arithmetic. All other keys are refused.
    pub keys: &'static [&'static str],
    /// Keys among `keys` that a file must have.
    pub required: &'static [&'static str],
    /// `hidden_act` in `config.json`, if it has that key.
    pub hidden_act: Option<&'static str>,
    /// Source of the width of a head.
    pub head_dim: HeadDim,
    /// Handling of a sliding window.
    pub window: Window,
    /// Supported forms of rotary embeddings.
    pub rope: GgufRope,
    /// `true` if llama.cpp has added 1 to the weights of norms.
    pub norms_plus_one: bool,
    /// `true` if files that name no pre-tokenizer have that of Qwen2 instead of that of GPT-2.
    pub qwen_words: bool,
    /// Returns further keys of `config.json`. They replace those that all architectures have.
    pub config: fn(&GgufSizes, GgufBiases) -> Vec<(&'static str, Value)>,
    /// Key of `config.json` that all others are moved below, with the outer `model_type`.
    pub wrapper: Option<(&'static str, &'static str)>,
    /// Values of `model_type` that can be written as this architecture.
    pub exported_types: &'static [&'static str],
    /// Whole numbers of `config.json` that are written to the metadata: `(config, metadata)`.
    pub exported_sizes: &'static [(&'static str, &'static str)],
}

impl GgufArchitecture {
    /// Returns all tensors of the layers.
    pub(super) fn layer_tensors(&self) -> impl Iterator<Item = &'static LayerTensor> {
        self.layer.iter().chain(self.more.iter().copied().flatten())
    }
}

/// Forms of rotary embeddings besides the plain one and linear scaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GgufRope {
    /// None.
    Plain,
    /// Some dimensions of a head may not be rotated.
    Partial,
    /// LongRoPE, and partial rotation.
    Long,
    /// YaRN.
    Yarn,
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

/// A tensor, or a pair of weight and bias.
#[derive(Clone, Copy, Debug)]
pub struct LayerTensor {
    /// Name in GGUF, such as `attn_q`.
    pub gguf: &'static str,
    /// Path of the module in MLX, such as `self_attn.q_proj`. With `{}`, every matrix of a stack becomes a module.
    pub mlx: &'static str,
    /// `true` if both names are complete and no `.weight` is appended.
    pub is_whole_name: bool,
    /// Number of matrices of a stack.
    pub count: Option<Extent>,
    /// Rows of a matrix; `None` for a vector.
    pub rows: Option<Extent>,
    /// Columns of a matrix, or length of a vector.
    pub cols: Extent,
    /// `true` if MLX has another axis of length 1 at the end.
    pub has_last_axis: bool,
    /// Rule for a bias.
    pub bias: Bias,
    /// `true` if a model may lack the tensor.
    pub is_optional: bool,
    /// Returns `true` for the layers that have the tensor.
    pub layers: fn(&GgufSizes, usize) -> bool,
    /// Heads whose rows llama.cpp has interleaved.
    pub interleaved: Option<Heads>,
    /// Order of the rows.
    pub row_order: Option<Order>,
    /// Order of the columns.
    pub column_order: Option<Order>,
    /// Reverses a function that llama.cpp has applied to every value.
    pub values: Option<fn(f32) -> f32>,
}

/// An axis that llama.cpp has reordered, in pieces of equal length.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Number of pieces.
    pub pieces: Extent,
    /// Returns the piece of the file that belongs at a place of the checkpoint.
    pub source: fn(&GgufSizes, usize) -> usize,
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
#[derive(Clone, Copy, Debug)]
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
    /// Number of tokens.
    Vocabulary,
    /// Value of a key of the architecture.
    Key(&'static str),
    /// Computed from the sizes.
    Of(fn(&GgufSizes) -> usize),
}

const fn everywhere(_: &GgufSizes, _: usize) -> bool {
    true
}

impl LayerTensor {
    /// Returns a vector, such as the weight of a norm.
    pub const fn vector(gguf: &'static str, mlx: &'static str, cols: Extent) -> Self {
        Self {
            gguf,
            mlx,
            is_whole_name: false,
            count: None,
            rows: None,
            cols,
            has_last_axis: false,
            bias: Bias::Absent,
            is_optional: false,
            layers: everywhere,
            interleaved: None,
            row_order: None,
            column_order: None,
            values: None,
        }
    }

    /// Returns a matrix `[rows, cols]` without a bias.
    pub const fn matrix(gguf: &'static str, mlx: &'static str, [rows, cols]: [Extent; 2]) -> Self {
        Self { rows: Some(rows), ..Self::vector(gguf, mlx, cols) }
    }

    /// Returns a stack of `count` matrices `[rows, cols]` without biases.
    pub const fn stack(
        gguf: &'static str,
        mlx: &'static str,
        [count, rows, cols]: [Extent; 3],
    ) -> Self {
        Self { count: Some(count), ..Self::matrix(gguf, mlx, [rows, cols]) }
    }

    /// Returns the same tensor with another rule for its bias.
    #[must_use]
    pub const fn with_bias(self, bias: Bias) -> Self {
        Self { bias, ..self }
    }

    /// Returns the same tensor with the rows of `heads` interleaved.
    #[must_use]
    pub const fn interleaved(self, heads: Heads) -> Self {
        Self { interleaved: Some(heads), ..self }
    }

    /// Returns the same tensor, in some of the layers.
    #[must_use]
    pub const fn of_layers(self, layers: fn(&GgufSizes, usize) -> bool) -> Self {
        Self { layers, ..self }
    }

    /// Returns the same tensor with another path in MLX.
    #[must_use]
    pub const fn named(self, mlx: &'static str) -> Self {
        Self { mlx, ..self }
    }

    /// Returns the same tensor with names that are complete.
    #[must_use]
    pub const fn whole_name(self) -> Self {
        Self { is_whole_name: true, ..self }
    }

    /// Returns the same tensor with another axis of length 1 at the end in MLX, such as a filter over time.
    #[must_use]
    pub const fn with_last_axis(self) -> Self {
        Self { has_last_axis: true, ..self }
    }

    /// Returns the same tensor with its rows reordered.
    #[must_use]
    pub const fn with_row_order(self, order: Order) -> Self {
        Self { row_order: Some(order), ..self }
    }

    /// Returns the same tensor, which a model may lack.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    /// Returns the name of the weight in GGUF.
    pub(super) fn weight_name(&self) -> String {
        if self.is_whole_name { self.gguf.to_owned() } else { format!("{}.weight", self.gguf) }
    }
}
