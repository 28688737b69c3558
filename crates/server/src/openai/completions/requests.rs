//! From the body of a request to what the exchange takes.

use mlxk_engine::{Engine, PromptInput};

use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::AnswerOptions;
use crate::fill_in_middle::{self, Gap};
use crate::models::KeepAlive;
use crate::openai::common::{EXTRAS, drop_defaults, refuse};
use crate::openai::dto::completions::{CompletionRequest, Prompt};
use crate::openai::dto::shared::Common;
use crate::openai::options::{choices, keep_alive, options};

/// Most prompts of one request.
const MAX_PROMPTS: usize = 128;

/// A request, checked as far as that is possible without the model.
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) prompts: Vec<PromptInput>,
    pub(super) suffix: Option<String>,
    pub(super) echo: bool,
    pub(super) options: AnswerOptions,
    /// Number of answers to each prompt.
    pub(super) count: usize,
    pub(super) streamed: bool,
    pub(super) include_usage: bool,
}

/// Reads a body.
pub(super) fn read(mut fields: Fields) -> Result<Asked, ApiError> {
    drop_defaults(&mut fields);
    // A text has no tools anyway.
    if fields.map.get("tool_choice").is_some_and(|choice| *choice == "none") {
        fields.map.remove("tools");
        fields.map.remove("tool_choice");
    }
    refuse(&fields.map, "messages", "/v1/chat/completions")?;
    refuse(&fields.map, "tools", "/v1/chat/completions")?;
    let mut common: Common = fields.take()?;
    let reading = fields.reading.clone();
    let own: CompletionRequest = fields.parse(EXTRAS)?;
    let mut options = options(&mut common, &reading)?;
    options.logprobs = own.logprobs;
    let asked = Asked {
        keep_alive: keep_alive(common.keep_alive.as_ref())?,
        prompts: inputs(own.prompt)?,
        suffix: own.suffix,
        echo: own.echo,
        options,
        count: choices(common.n)?,
        streamed: common.stream,
        include_usage: common.stream_options.is_some_and(|options| options.include_usage),
        model: common.model,
    };
    check(&asked)?;
    Ok(asked)
}

fn check(asked: &Asked) -> Result<(), ApiError> {
    if asked.prompts.len() > MAX_PROMPTS {
        let message = format!("`prompt` has more than {MAX_PROMPTS} prompts");
        return Err(ApiError::field("prompt", message));
    }
    if asked.suffix.is_some() && asked.echo {
        return Err(ApiError::field("suffix", "`suffix` and `echo` exclude each other"));
    }
    if asked.options.max_tokens == Some(0) && (!asked.echo || asked.streamed) {
        let message = "`max_tokens` is 0, which requires `echo` and excludes `stream`";
        return Err(ApiError::field("max_tokens", message));
    }
    Ok(())
}

fn inputs(prompt: Option<Prompt>) -> Result<Vec<PromptInput>, ApiError> {
    let prompts: Vec<PromptInput> = match prompt {
        Some(Prompt::Text(text)) => vec![PromptInput::Text(text)],
        // An empty list could be a list of anything.
        Some(Prompt::Tokens(ids)) if ids.is_empty() => Vec::new(),
        Some(Prompt::Tokens(ids)) => vec![PromptInput::Tokens(ids)],
        Some(Prompt::Texts(texts)) => texts.into_iter().map(PromptInput::Text).collect(),
        Some(Prompt::TokenLists(lists)) => lists.into_iter().map(PromptInput::Tokens).collect(),
        None => Vec::new(),
    };
    if prompts.is_empty() {
        let message = "`prompt` is missing or empty; there is nothing to continue";
        return Err(ApiError::field("prompt", message));
    }
    Ok(prompts)
}

/// Returns the prompts as the engine takes them: with a suffix, the model fills the gap between the two.
pub(super) fn prompts(
    prompts: Vec<PromptInput>,
    suffix: Option<&str>,
    engine: &Engine,
) -> Result<Vec<PromptInput>, ApiError> {
    let Some(suffix) = suffix else { return Ok(prompts) };
    let filled = |prompt: PromptInput| {
        let PromptInput::Text(before) = &prompt else {
            return Err(ApiError::field("suffix", "`suffix` needs a `prompt` of text"));
        };
        let gap = Gap { before, after: suffix, ..Gap::default() };
        let filled = fill_in_middle::prompt(engine.tokenizer(), &gap);
        filled.map(PromptInput::Text).ok_or_else(|| {
            let message =
                "`suffix` cannot be honoured: the model's tokenizer has no marks for a gap";
            ApiError::field("suffix", message)
        })
    };
    prompts.into_iter().map(filled).collect()
}
