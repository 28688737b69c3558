//! What can go wrong, in sentences with the numbers.

use std::path::PathBuf;

use mlxk_format::FormatError;
use mlxk_models::ModelError;
use mlxk_ops::OpsError;
use mlxk_text::TextError;

use crate::plan::Bytes;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// The system refused a thread.
    #[error("Cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// `generation_config.json` is not what it should be.
    #[error("`{}` is damaged: {reason}; repair it or download the model again", path.display())]
    GenerationConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An option of the engine that cannot be honoured.
    #[error("`{option}` is {value}, but {expected} is needed")]
    BadOption {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        value: usize,
        /// What would do.
        expected: &'static str,
    },
    /// A draft model that speaks in other tokens.
    #[error(
        "The draft model `{}` has another vocabulary than the model; take a smaller one of the same \
         family",
        path.display()
    )]
    OtherVocabulary {
        /// Its folder.
        path: PathBuf,
    },
    /// A context longer than the model was made for.
    #[error(
        "A context of {requested} tokens is asked for, but the model was made for at most {maximum}"
    )]
    ContextTooLong {
        /// Tokens asked for.
        requested: usize,
        /// Tokens that the model can tell apart.
        maximum: usize,
    },
    /// The memory does not hold the model with its context.
    #[error(
        "The model needs {} for its weights, {} to compute and {} for a context of {context} \
         tokens, but only {} are available{}",
        Bytes(*weights_bytes), Bytes(*activation_bytes), Bytes(*kv_bytes), Bytes(*available_bytes),
        fits.map_or_else(String::new, |fits| format!("; a context of {fits} would fit"))
    )]
    NotEnoughMemory {
        /// Bytes of the weights.
        weights_bytes: u64,
        /// Bytes of everything that a step computes.
        activation_bytes: u64,
        /// Bytes of the KV cache for `context` tokens.
        kv_bytes: u64,
        /// Bytes that the system can give.
        available_bytes: u64,
        /// Tokens of the context.
        context: usize,
        /// A context that would fit, where one would.
        fits: Option<usize>,
    },
    /// A prompt without a token.
    #[error("The prompt is empty")]
    EmptyPrompt,
    /// A conversation for a model that has no chat template.
    #[error("The model has no chat template, so it takes plain text only")]
    NoChatTemplate,
    /// A prompt that leaves no room for an answer.
    #[error(
        "The prompt has {prompt_tokens} tokens, but the context of {context} leaves room for at most {}",
        context - 1
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens of prompt and answer together.
        context: usize,
    },
    /// A token id that the model does not have.
    #[error("Token {id} is not one of the model's {vocab_size}")]
    UnknownToken {
        /// The id.
        id: u32,
        /// Number of ids.
        vocab_size: usize,
    },
    /// No token is to be generated.
    #[error("`max_tokens` is 0, but an answer has at least one token")]
    ZeroMaxTokens,
    /// A stop string that every text contains.
    #[error("A stop string is empty")]
    EmptyStop,
    /// More log-probabilities than there are tokens to name.
    #[error("`logprobs` is {requested}, but at most {maximum} are possible")]
    TooManyLogprobs {
        /// Number asked for.
        requested: usize,
        /// The bound.
        maximum: usize,
    },
    /// A sampling parameter out of its range.
    #[error("`{key}` is {value}, but has to be from {min} to {max}")]
    BadSampling {
        /// Name of the parameter.
        key: &'static str,
        /// Its value.
        value: f64,
        /// The lower end of its range.
        min: f64,
        /// The upper end of its range.
        max: f64,
    },
    /// A bias that is no number to add.
    #[error("The logit bias of token {id} is {bias}, but has to be a number")]
    BadLogitBias {
        /// The token.
        id: u32,
        /// The bias.
        bias: f32,
    },
    /// A form of answers that cannot be enforced.
    #[error("The format of the answer cannot be enforced: {reason}")]
    AnswerFormat {
        /// What is wrong with it.
        reason: String,
    },
    /// A prompt cache that is damaged or was made for something else.
    #[error(
        "The prompt cache `{}` cannot be used: {reason}; delete it or name another file",
        path.display()
    )]
    PromptCache {
        /// The file.
        path: PathBuf,
        /// What does not match.
        reason: String,
    },
    /// A prompt cache that cannot be written.
    #[error("Cannot write the prompt cache `{}`: {reason}", path.display())]
    PromptCacheWrite {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A folder for prefixes that cannot be used.
    #[error("Cannot keep prefixes in `{}`: {reason}; see to the folder, or go without", folder.display())]
    Spill {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The model computed something that is no probability.
    #[error(
        "The model computed invalid numbers at position {position}; its weights are probably damaged"
    )]
    InvalidLogits {
        /// Number of tokens before.
        position: usize,
    },
    /// A defect: a step panicked. Other requests are served on.
    #[error("The engine failed while computing this request ({reason}); please report this")]
    Panicked {
        /// The message of the panic.
        reason: String,
    },
    /// The device refused a step.
    #[error("The step could not be computed: {reason}")]
    Step {
        /// What the device said.
        reason: String,
    },
    /// The engine was shut down.
    #[error("The engine has stopped")]
    Stopped,
}
