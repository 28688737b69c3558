//! Answers in Ollama's words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mlxk_engine::{CallEvent, Done, Engine, EngineError, Event, FinishReason, PromptInput};
use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::dto::replies::{Answer, Figures, Function, Reply, ToolCall, Words};
use super::logprobs::logprobs;
use super::time::{nanoseconds, now};
use crate::error::ApiError;
use crate::exchange::{self, Framing, Label, Tokens, Wire};
use crate::ids;

/// Form of this dialect's streams.
pub(super) const WIRE: Wire = Wire { framing: Framing::JsonLines, end: None, error: error_body };

/// Returns an error in Ollama's shape.
pub(super) fn error_body(error: &ApiError) -> Value {
    json!({"error": error.message})
}

/// The endpoint that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Generate,
    Chat,
}

impl Endpoint {
    /// Puts text and thoughts where this endpoint has them.
    pub(super) fn words(self, text: String, thinking: String) -> Words {
        match self {
            Self::Generate => Words::Generate { response: text, thinking },
            Self::Chat => {
                let tool_calls = Vec::new();
                let message = Answer { role: "assistant", content: text, thinking, tool_calls };
                Words::Chat { message }
            }
        }
    }

    /// Returns an empty reply of a model.
    pub(super) fn reply(self, model: String) -> Reply {
        Reply {
            model,
            created_at: now(),
            words: self.words(String::new(), String::new()),
            done: false,
            done_reason: None,
            context: None,
            figures: None,
            logprobs: None,
        }
    }
}

/// Renders one answer.
pub(super) struct Renderer {
    pub(super) endpoint: Endpoint,
    pub(super) label: Label,
    /// The engine, whose tokenizer has the text of tokens. There is none if another host answers.
    pub(super) engine: Option<Arc<Engine>>,
    /// Time of the request.
    pub(super) started: Instant,
    /// Time until the model was loaded.
    pub(super) loading: Duration,
    /// Set if the client gets the tokens of the whole conversation, to continue from.
    pub(super) context: Option<Context>,
    pub(super) waiting: Tokens,
    /// The call that is being written: name, id and arguments as JSON text.
    pub(super) call: Option<(String, String, String)>,
}

/// The conversation so far.
pub(super) struct Context {
    pub(super) prompt: PromptInput,
    /// Text of the answer so far.
    pub(super) answer: String,
}

impl Renderer {
    /// Returns a renderer for an answer of another host.
    pub(super) fn elsewhere(endpoint: Endpoint, called: String, started: Instant) -> Self {
        Self {
            endpoint,
            label: Label::named("", called),
            engine: None,
            started,
            loading: started.elapsed(),
            context: None,
            waiting: Tokens::default(),
            call: None,
        }
    }

    fn line(&self, text: String, thinking: String) -> Reply {
        let words = self.endpoint.words(text, thinking);
        Reply { words, ..self.endpoint.reply(self.label.model.clone()) }
    }

    /// Returns a line once a call is complete.
    fn call(&mut self, event: CallEvent) -> Option<Reply> {
        match event {
            CallEvent::Begin { name, id, .. } => {
                let id = id.unwrap_or_else(|| ids::fresh("call_"));
                self.call = Some((name, id, String::new()));
            }
            CallEvent::Arguments { text, .. } => {
                self.call.as_mut()?.2.push_str(&text);
            }
            CallEvent::End { index } => {
                let (name, id, arguments) = self.call.take()?;
                let arguments = serde_json::from_str(&arguments).unwrap_or_default();
                let mut reply = self.line(String::new(), String::new());
                if let Words::Chat { message } = &mut reply.words {
                    let function = Function { index, name, arguments };
                    message.tool_calls.push(ToolCall { id, function });
                }
                return Some(reply);
            }
            CallEvent::Broken { text, .. } => {
                self.call = None;
                return Some(self.line(text, String::new()));
            }
            _ => {}
        }
        None
    }

    fn last(&self, done: &Done) -> Result<Reply, ApiError> {
        let (usage, timings) = (&done.usage, &done.timings);
        // Encoding a long conversation would hold up the other requests of this thread.
        let context = self.context.as_ref();
        let engine = self.engine.as_ref();
        let context = context.zip(engine);
        let context =
            context.map(|(it, engine)| block_in_place(|| tokens(it, engine))).transpose()?;
        let figures = Figures {
            total_duration: nanoseconds(self.started.elapsed()),
            load_duration: nanoseconds(self.loading),
            prompt_eval_count: usage.prompt_tokens,
            prompt_eval_duration: nanoseconds(timings.prefill),
            eval_count: usage.completion_tokens,
            // The only token of an answer comes with the prompt; clients divide by its time.
            eval_duration: nanoseconds(match usage.completion_tokens {
                0 | 1 => timings.prefill,
                _ => timings.decode,
            }),
        };
        Ok(Reply {
            done: true,
            done_reason: Some(done_reason(&done.finish_reason)),
            context,
            figures: Some(figures),
            ..self.line(String::new(), String::new())
        })
    }
}

impl exchange::Renderer for Renderer {
    type Piece = Reply;
    type Whole = Reply;

    const WIRE: Wire = WIRE;

    fn event(&mut self, _: usize, event: Event) -> Result<Vec<Reply>, ApiError> {
        let tokens = self.waiting.push(&event);
        let mut reply = match event {
            Event::Text(text) => {
                if let Some(context) = &mut self.context {
                    context.answer.push_str(&text);
                }
                self.line(text, String::new())
            }
            Event::Reasoning(text) => self.line(String::new(), text),
            Event::Call(event) => match self.call(event) {
                Some(reply) => reply,
                None => return Ok(Vec::new()),
            },
            Event::Done(done) => self.last(&done)?,
            _ => return Ok(Vec::new()),
        };
        if let Some(engine) = &self.engine {
            reply.logprobs = logprobs(&tokens, engine.tokenizer());
        }
        Ok(vec![reply])
    }

    fn empty(&self) -> Reply {
        self.endpoint.reply(self.label.model.clone())
    }

    fn fold(whole: &mut Reply, piece: Reply) {
        whole.created_at = piece.created_at;
        whole.words.add(piece.words);
        whole.done = piece.done;
        whole.done_reason = piece.done_reason;
        whole.context = piece.context;
        whole.figures = piece.figures;
        if let Some(logprobs) = piece.logprobs {
            whole.logprobs.get_or_insert_default().extend(logprobs);
        }
    }
}

impl Words {
    fn add(&mut self, piece: Self) {
        let (text, thinking) = self.parts();
        let calls = match piece {
            Self::Generate { response: more, thinking: thoughts } => {
                text.push_str(&more);
                thinking.push_str(&thoughts);
                Vec::new()
            }
            Self::Chat {
                message: Answer { content: more, thinking: thoughts, tool_calls, .. },
            } => {
                text.push_str(&more);
                thinking.push_str(&thoughts);
                tool_calls
            }
        };
        if let Self::Chat { message } = self {
            message.tool_calls.extend(calls);
        }
    }

    fn parts(&mut self) -> (&mut String, &mut String) {
        match self {
            Self::Generate { response, thinking } => (response, thinking),
            Self::Chat { message } => (&mut message.content, &mut message.thinking),
        }
    }
}

/// Returns the tokens of prompt and answer.
fn tokens(context: &Context, engine: &Engine) -> Result<Vec<u32>, ApiError> {
    let mut ids = engine.encode(&context.prompt)?;
    let answer = engine.tokenizer().encode(&context.answer, false).map_err(EngineError::from)?;
    ids.extend(answer);
    Ok(ids)
}

/// Returns Ollama's word for the end of an answer.
const fn done_reason(reason: &FinishReason) -> &'static str {
    match reason {
        FinishReason::MaxTokens | FinishReason::ContextFull => "length",
        _ => "stop",
    }
}
