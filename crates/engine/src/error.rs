//! Errors of the engine.

use std::path::PathBuf;

use mlxk_format::FormatError;
use mlxk_models::ModelError;
use mlxk_ops::OpsError;
use mlxk_text::TextError;

use crate::bytes::Bytes;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named after their content")]
pub enum EngineError {
    /// The checkpoint is damaged or incomplete.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The model is not supported, or does not fit its configuration.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer or the chat template failed.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The device failed.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// A GPU was asked for.
    #[cfg(not(feature = "gpu"))]
    #[error("`{wanted}` can't be used: this program was built without GPUs")]
    BuiltWithoutGpus { wanted: String },
    /// The GPU could not be opened.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] mlxk_gpu::GpuError),
    /// A number of layers was set for a device that has them all.
    #[error("MLX computes all layers of a model; leave `--gpu-layers` out, or use `--device gpu`")]
    NoLayersForMlx,
    /// MLX could not be opened.
    #[error(transparent)]
    Mlx(#[from] mlxk_mlx::MlxError),
    /// The system refused to start a thread.
    #[error("Cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// `generation_config.json` is invalid.
    #[error("`{}` is damaged: {reason}; fix it, or pull the model again", path.display())]
    GenerationConfig { path: PathBuf, reason: String },
    /// An option is out of its range.
    #[error("`{option}` is {value}, but {expected} is needed")]
    BadOption { option: &'static str, value: usize, expected: &'static str },
    /// The draft model has a different vocabulary.
    #[error(
        "The draft model doesn't share the model's vocabulary; use a smaller model of the same family"
    )]
    OtherVocabulary,
    /// A state would have to go back after every wrong guess.
    #[error("A model with recurrent layers can't use a draft model")]
    NoDrafts,
    /// The requested context is longer than the model supports.
    #[error("The context of {requested} tokens is too long: the model supports at most {maximum}")]
    ContextTooLong {
        requested: usize,
        /// Most tokens that the model supports.
        maximum: usize,
    },
    /// The model and its context don't fit in memory.
    #[error(
        "The model needs {} for its weights, {} for intermediate results and {} for a context of \
         {context} tokens, but only {} is available; {}",
        Bytes(*weights_bytes), Bytes(*activation_bytes), Bytes(*kv_bytes), Bytes(*available_bytes),
        fits.map_or_else(
            || "choose a smaller model".to_owned(),
            |fits| format!("a context of {fits} tokens would fit")
        )
    )]
    NotEnoughMemory {
        weights_bytes: u64,
        /// Bytes of everything that a step computes.
        activation_bytes: u64,
        /// Bytes of the KV cache for `context` tokens.
        kv_bytes: u64,
        available_bytes: u64,
        context: usize,
        /// A context that would fit, if there is one.
        fits: Option<usize>,
    },
    /// The prompt has no tokens.
    #[error("The prompt is empty")]
    EmptyPrompt,
    /// A conversation was sent to a model without a chat template.
    #[error("The model has no chat template, so it only accepts plain text")]
    NoChatTemplate,
    /// The prompt leaves no room for an answer.
    #[error(
        "The prompt has {prompt_tokens} tokens, but the context of {context} tokens leaves room for at most {}",
        context - 1
    )]
    PromptTooLong {
        prompt_tokens: usize,
        /// Tokens of prompt and answer together.
        context: usize,
    },
    /// A token id is not in the vocabulary.
    #[error("Token {id} is not one of the model's {vocab_size} tokens")]
    UnknownToken { id: u32, vocab_size: usize },
    /// The request asks for no tokens.
    #[error("`max_tokens` is 0, but an answer has at least one token")]
    ZeroMaxTokens,
    /// A stop string is empty.
    #[error("A stop string is empty")]
    EmptyStop,
    /// The request asks for too many log-probabilities.
    #[error("`logprobs` is {requested}, but at most {maximum} are possible")]
    TooManyLogprobs { requested: usize, maximum: usize },
    /// A sampling parameter is out of its range.
    #[error("`{key}` is {value}, but must be from {min} to {max}")]
    BadSampling { key: &'static str, value: f64, min: f64, max: f64 },
    /// A logit bias is not a number.
    #[error("The logit bias of token {id} is {bias}, but must be a number")]
    BadLogitBias { id: u32, bias: f32 },
    /// The request leaves no token to choose.
    #[error("The request forbids every token, so there is no answer; allow some in `logit_bias`")]
    NothingAllowed,
    /// The format of the answer cannot be enforced.
    #[error("The format of the answer cannot be enforced: {reason}")]
    AnswerFormat { reason: String },
    /// The tools of a request cannot be offered to the model as they are.
    #[error("The tools cannot be used: {reason}")]
    Tools { reason: String },
    /// The model does not know tools.
    #[error("This model does not support tools: {reason}")]
    NoTools { reason: &'static str },
    /// An encoder is asked for text.
    #[error(
        "The model turns texts into vectors or scores and does not write text; use `mlxk embed`, \
         `/v1/embeddings` or `/v1/rerank`"
    )]
    NotGenerative,
    /// A reranker is asked for vectors.
    #[error("The model scores pairs of texts and has no embeddings; use `/v1/rerank`")]
    NotAnEmbedder,
    /// A model that does not rank is asked to.
    #[error("The model does not rank documents; choose a reranker, such as `bge-reranker-v2-m3`")]
    NotAReranker,
    /// A file of sentence-transformers cannot be used.
    #[error("`{}` cannot be used: {reason}; fix it, or pull the model again", path.display())]
    EmbeddingFiles { path: PathBuf, reason: String },
    /// An input of embeddings has no tokens.
    #[error("Input {index} is empty; every input needs at least one token")]
    EmptyInput { index: usize },
    /// An input of embeddings or a pair to rank is too long.
    #[error("Input {index} has {tokens} tokens, but the model reads at most {maximum}")]
    InputTooLong { index: usize, tokens: usize, maximum: usize },
    /// More dimensions are wanted than there are.
    #[error("`dimensions` is {requested}, but the model's vectors have from 1 to {maximum}")]
    Dimensions { requested: usize, maximum: usize },
    /// A prompt is not one of the model's.
    #[error(
        "The model has no prompt `{name}`; {}",
        if known.is_empty() { "it has none".to_owned() } else { format!("it has {known}") }
    )]
    UnknownPrompt {
        name: String,
        /// Names of its prompts, as one list.
        known: String,
    },
    /// An encoder gets an instruction.
    #[error("The model takes no instruction; it has prompts for queries and documents only")]
    NoInstruction,
    /// A vector has values that are not numbers.
    #[error("The model computed values that are not numbers; its weights may be damaged")]
    InvalidVector,
    /// Too many formats of answers wait to be compiled.
    #[error("Too many answer formats wait to be compiled; try again later")]
    FormatsBusy,
    /// A prompt cache is damaged, or belongs to another model or build.
    #[error(
        "The prompt cache `{}` cannot be used: {reason}; delete it, or name another file",
        path.display()
    )]
    PromptCache { path: PathBuf, reason: String },
    /// A prompt cache cannot be written.
    #[error("Cannot write the prompt cache `{}`: {reason}", path.display())]
    PromptCacheWrite { path: PathBuf, reason: String },
    /// The folder of the prefix cache cannot be used.
    #[error("Cannot keep prompt prefixes in `{}`: {reason}; fix the folder, or start the server without `--spill`", folder.display())]
    Spill { folder: PathBuf, reason: String },
    /// The model computed invalid logits.
    #[error(
        "The model computed invalid numbers at position {position}; its weights are probably corrupt"
    )]
    InvalidLogits { position: usize },
    /// A step panicked, which is a bug. Other requests continue.
    #[error("The engine failed while computing this request: {reason}; please report this")]
    Panicked { reason: String },
    /// The device failed to compute a step.
    #[error("Cannot compute this step: {reason}")]
    Step { reason: String },
    /// The engine was shut down.
    #[error("The engine has stopped")]
    Stopped,
}
