//! Renders, encodes and checks requests.

use mlxk_chat::Message;
use mlxk_text::tools::{ToolParser, WireForm};
use mlxk_text::{ReasoningParser, RenderOptions, ends_in_answer, settled};
use serde_json::{Map, Value};

use crate::error::EngineError;
use crate::generation::Recipient;
use crate::grammar::{Job, WantedCalls, schema_of};
use crate::output::{AnswerText, Clock, Output, Statistics};
use crate::request::Request;
use crate::sampling::{Chooser, SamplingParameters};
use crate::task::{Limit, Task};
use crate::text_side::TextSide;
use crate::{AnswerFormat, FinishReason, PromptInput, ToolChoice, Tools};

/// Most alternatives of a token that a request can ask for.
const MAX_LOGPROBS: usize = 100;

/// A prompt as the model reads it.
pub(crate) struct Prompt {
    /// `[prompt]` token ids.
    pub(crate) ids: Vec<u32>,
    /// Separates the reasoning from the answer, in a conversation with a model that thinks.
    parser: Option<ReasoningParser>,
}

impl Prompt {
    /// Renders and encodes a prompt. The variables are for the chat template.
    pub(crate) fn encode(
        text_side: &TextSide,
        input: &PromptInput,
        variables: &Map<String, Value>,
        tools: Option<&Tools>,
    ) -> Result<Self, EngineError> {
        let ids = match input {
            PromptInput::Messages { system, messages } => {
                if messages.is_empty() {
                    return Err(EngineError::EmptyPrompt);
                }
                let template = text_side.template.as_ref().ok_or(EngineError::NoChatTemplate)?;
                let system = system.iter().map(|text| Message::new("system", text.as_str()));
                let messages = settled(system.chain(messages.iter().cloned()).collect());
                let continue_final_message = ends_in_answer(&messages);
                let options = RenderOptions {
                    variables: variables.clone(),
                    continue_final_message,
                    tools: tools.map(|tools| tools.list.clone()),
                    ..RenderOptions::default()
                };
                let text = template.render(&messages, &options)?;
                // A template writes the special tokens itself.
                let ids = text_side.tokenizer.encode(&text, false)?;
                let thinking = template.thinking();
                let parser = if continue_final_message {
                    let begun = messages.last().and_then(Message::text).unwrap_or_default();
                    thinking.parser_within(&begun)
                } else {
                    thinking.parser(&text)
                };
                return Ok(Self { ids, parser });
            }
            PromptInput::Text(text) if text.is_empty() => return Err(EngineError::EmptyPrompt),
            PromptInput::Text(text) => text_side.tokenizer.encode_prompt(text)?,
            PromptInput::Tokens(ids) => ids.clone(),
        };
        Ok(Self { ids, parser: None })
    }
}

/// Refuses tokens that the model cannot continue within `context`.
pub(crate) fn check(ids: &[u32], vocab_size: usize, context: usize) -> Result<(), EngineError> {
    if ids.is_empty() {
        return Err(EngineError::EmptyPrompt);
    }
    if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
        return Err(EngineError::UnknownToken { id, vocab_size });
    }
    if ids.len() >= context {
        return Err(EngineError::PromptTooLong { prompt_tokens: ids.len(), context });
    }
    Ok(())
}

/// Returns `true` if the biases leave no token of the vocabulary.
fn forbids_all(biases: &[(u32, f32)], vocab_size: usize) -> bool {
    let forbidden = biases.iter().filter(|(_, bias)| *bias == f32::NEG_INFINITY);
    forbidden.map(|(id, _)| id).collect::<std::collections::HashSet<_>>().len() >= vocab_size
}

/// A request that was checked and encoded, from which any number of answers can be started.
pub(crate) struct Prepared<'a> {
    text_side: &'a TextSide,
    request: Request,
    prompt: Prompt,
    /// Form of tool calls, if there are tools.
    form: Option<WireForm>,
    sampling: SamplingParameters,
    limit: Limit,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(text_side: &'a TextSide, mut request: Request) -> Result<Self, EngineError> {
        check_request(&request)?;
        let vocab_size = text_side.vocab_size;
        let mut sampling = text_side.defaults.resolve(&request.sampling)?;
        if let Some(&(id, _)) =
            sampling.logit_bias.iter().find(|(id, _)| *id as usize >= vocab_size)
        {
            return Err(EngineError::UnknownToken { id, vocab_size });
        }
        if forbids_all(&sampling.logit_bias, vocab_size) {
            return Err(EngineError::NothingAllowed);
        }
        let (form, marks) = call_form(text_side, &mut request)?;
        sampling.logit_bias.extend(marks.into_iter().map(|id| (id, f32::NEG_INFINITY)));
        let Request { prompt, template_variables, tools, .. } = &request;
        let prompt = Prompt::encode(text_side, prompt, template_variables, tools.as_ref())?;
        let context = request.context.map_or(text_side.context, |most| most.min(text_side.context));
        check(&prompt.ids, vocab_size, context)?;
        let room = context - prompt.ids.len();
        let limit = match request.max_tokens {
            Some(most) if most <= room => {
                Limit { tokens: prompt.ids.len() + most, reason: FinishReason::MaxTokens }
            }
            _ => Limit { tokens: context, reason: FinishReason::ContextFull },
        };
        Ok(Self { text_side, request, prompt, form, sampling, limit })
    }

    /// Compiles the format of the answers, if that has not been done. `has_left` returns `true` if the client does
    /// not wait any more.
    pub(crate) fn compile(&mut self, has_left: &dyn Fn() -> bool) -> Result<(), EngineError> {
        let Request { format, tools, compiled, .. } = &mut self.request;
        if compiled.is_none()
            && let Some(job) = job(self.text_side, format.as_ref(), tools.as_ref())?
        {
            let TextSide { tokenizer, grammars, vocab_size, .. } = self.text_side;
            *compiled = Some(grammars.compile(tokenizer, *vocab_size, job, has_left)?);
        }
        Ok(())
    }

    pub(crate) fn prompt_tokens(&self) -> usize {
        self.prompt.ids.len()
    }

    /// Returns one of the answers, which differ in their seed: each is drawn with the one that follows
    /// its predecessor's.
    pub(crate) fn answer(&self, number: usize, recipient: Recipient, clock: Clock) -> Task {
        let tokenizer = &self.text_side.tokenizer;
        let Prompt { ids, parser } = &self.prompt;
        let seed = self.sampling.seed.wrapping_add(number as u64);
        let parameters = SamplingParameters { seed, ..self.sampling.clone() };
        let constraint = self.request.compiled.as_ref().map(|compiled| compiled.0.clone());
        let keeps_special = parser.as_ref().is_some_and(ReasoningParser::needs_special_tokens)
            || self.form.is_some_and(WireForm::needs_special_tokens);
        let tools = self.form.zip(self.request.tools.as_ref());
        let text = AnswerText::new(
            tokenizer.detokenizer(!keeps_special),
            // Some models write calls where others think.
            parser.clone().map(|parser| if tools.is_some() { parser.with_calls() } else { parser }),
            tools.map(|(form, tools)| ToolParser::new(form, &tools.list)),
            self.request.stop.clone(),
        );
        let statistics = Statistics::new(ids.len(), clock);
        let output = Output::new(text, statistics, self.request.logprobs, seed, recipient);
        let ends = !self.request.ignore_eos;
        let eos = if ends { tokenizer.eos_ids().to_vec() } else { Vec::new() };
        let chooser = Chooser::new(parameters, constraint, tokenizer.clone());
        Task::new(ids.clone(), self.limit.clone(), eos, chooser, output)
    }
}

/// Returns the form of the calls to expect in the answer, or the tokens that would begin one if there may be none.
/// Tools that a model doesn't know and need not call are dropped.
fn call_form(
    text_side: &TextSide,
    request: &mut Request,
) -> Result<(Option<WireForm>, Vec<u32>), EngineError> {
    let Some(tools) = &request.tools else { return Ok((None, Vec::new())) };
    if tools.choice != ToolChoice::None {
        return Ok((Some(text_side.tool_form()?), Vec::new()));
    }
    let Ok(form) = text_side.tool_form() else {
        request.tools = None;
        return Ok((None, Vec::new()));
    };
    let marks = form.shape().marks().filter_map(|mark| text_side.tokenizer.id_of(mark));
    Ok((None, marks.collect()))
}

/// Returns what has to be compiled for a format and for tools, if anything.
pub(crate) fn job(
    text_side: &TextSide,
    format: Option<&AnswerFormat>,
    tools: Option<&Tools>,
) -> Result<Option<Job>, EngineError> {
    let tools = tools.filter(|tools| tools.choice != ToolChoice::None);
    Ok(match (tools, format) {
        (Some(tools), format) => {
            let wanted = WantedCalls {
                tools: tools.clone(),
                form: text_side.tool_form()?,
                format: format.map(schema_of),
            };
            Some(Job::Calls(Box::new(wanted)))
        }
        (None, Some(format)) => Some(Job::of_format(format)),
        (None, None) => None,
    })
}

/// Refuses values that no model can honour.
fn check_request(request: &Request) -> Result<(), EngineError> {
    if request.max_tokens == Some(0) {
        return Err(EngineError::ZeroMaxTokens);
    }
    if let Some(value) = request.context.filter(|&context| context < 2) {
        return Err(EngineError::BadOption { option: "context", value, expected: "at least 2" });
    }
    if request.stop.iter().any(String::is_empty) {
        return Err(EngineError::EmptyStop);
    }
    if let Some(requested) = request.logprobs.filter(|&count| count > MAX_LOGPROBS) {
        return Err(EngineError::TooManyLogprobs { requested, maximum: MAX_LOGPROBS });
    }
    Ok(())
}
