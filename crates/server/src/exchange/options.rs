//! Options of a request in no dialect's words, and the engine's request made of them.

use mlxk_engine::{AnswerFormat, PromptInput, Request, Sampling, Tools};
use mlxk_hub::Parameters;
use serde_json::{Map, Value};

use super::thinking::{self, Wish};
use super::{defaults, parameters};
use crate::error::ApiError;
use crate::models::Lease;

/// Everything that a request says about its answers, checked as far as that is possible without the model.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerOptions {
    pub(crate) sampling: Sampling,
    /// Most tokens of an answer.
    pub(crate) max_tokens: Option<usize>,
    /// Most tokens of prompt and answer together.
    pub(crate) context: Option<usize>,
    pub(crate) format: Option<AnswerFormat>,
    pub(crate) tools: Option<Tools>,
    /// Variables for the chat template.
    pub(crate) template_variables: Map<String, Value>,
    pub(crate) thinking: Option<Wish>,
    pub(crate) stop: Vec<String>,
    pub(crate) ignore_eos: bool,
    /// Number of alternatives per token, if log-probabilities are wanted.
    pub(crate) logprobs: Option<usize>,
}

impl From<Parameters> for AnswerOptions {
    fn from(parameters: Parameters) -> Self {
        Self {
            sampling: parameters::sampling(&parameters),
            max_tokens: parameters.max_tokens,
            context: parameters.ctx,
            stop: parameters.stop,
            ..Self::default()
        }
    }
}

/// Builds the engine's request. What the client leaves open comes from the model's name, then from the
/// server, then from the engine.
pub(crate) fn request(
    options: AnswerOptions,
    prompt: PromptInput,
    lease: &Lease,
) -> Result<Request, ApiError> {
    let mut template_variables = options.template_variables;
    if let Some(wish) = options.thinking {
        // A variable that the client sets itself wins.
        for (name, value) in thinking::variables(&lease.engine(), wish, lease.name())? {
            template_variables.entry(name).or_insert(value);
        }
    }
    let mut request = Request::new(prompt);
    request.sampling = options.sampling;
    request.max_tokens = options.max_tokens;
    request.context = options.context;
    request.format = options.format;
    request.tools = options.tools;
    request.template_variables = template_variables;
    request.stop = options.stop;
    request.ignore_eos = options.ignore_eos;
    request.logprobs = options.logprobs;
    defaults::fill(&mut request, lease.overrides(), lease.default_max_tokens());
    Ok(request)
}

/// Reads `top_k`: a number that is not positive stands for all tokens.
pub(crate) fn top_k(k: i64) -> usize {
    usize::try_from(k).unwrap_or(0)
}

/// Reads `repeat_last_n`: a negative number stands for the whole text.
pub(crate) fn last_n(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
