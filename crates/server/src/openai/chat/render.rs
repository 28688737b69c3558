//! Answers to a conversation, in OpenAI's words.

use std::sync::Arc;

use mlxk_engine::{CallEvent, Done, Engine, Event, TokenInfo, Usage as Tokenized};

use crate::error::ApiError;
use crate::exchange::{self, Label, Tokens, Wire};
use crate::ids;
use crate::openai::common::{FINGERPRINT, WIRE, finish_reason, finite, token_text};
use crate::openai::dto::chat::{
    self, CallDelta, ChatCompletion, Choice, Chunk, ChunkChoice, Delta, Function, Logprobs,
    TokenLogprob, ToolCall, TopLogprob,
};
use crate::openai::dto::shared::{Timings, Usage};

/// Renders the answers to one conversation.
pub(super) struct Renderer {
    pub(super) label: Label,
    /// The engine, whose tokenizer has the text of tokens. There is none if another host answers.
    pub(super) engine: Option<Arc<Engine>>,
    pub(super) wants_logprobs: bool,
    /// `true` if the last piece has the number of tokens.
    pub(super) wants_usage: bool,
    pub(super) answers: Vec<Answer>,
}

/// State of one of the answers.
#[derive(Clone, Default)]
pub(super) struct Answer {
    waiting: Tokens,
    usage: Option<Tokenized>,
    /// Number of complete calls.
    calls: usize,
    /// The call that is being written.
    open_call: Option<usize>,
}

impl Renderer {
    fn chunk(&self, choices: Vec<ChunkChoice>) -> Chunk {
        Chunk {
            id: self.label.id.clone(),
            object: "chat.completion.chunk",
            created: self.label.created,
            model: self.label.model.clone(),
            system_fingerprint: FINGERPRINT,
            choices,
            usage: self.wants_usage.then_some(None),
            timings: None,
        }
    }

    fn piece(&self, index: usize, delta: Delta, tokens: &[TokenInfo]) -> Chunk {
        let has_logprobs = self.wants_logprobs && !tokens.is_empty();
        let engine = self.engine.as_ref().filter(|_| has_logprobs);
        let logprobs = engine.map(|engine| logprobs(tokens, engine));
        self.chunk(vec![ChunkChoice { index, delta, logprobs, finish_reason: None }])
    }

    fn call(&mut self, index: usize, event: CallEvent) -> Vec<Chunk> {
        let piece = |index, id, kind, name, arguments| {
            let function = Function { name, arguments };
            Delta { tool_calls: vec![CallDelta { index, id, kind, function }], ..Delta::default() }
        };
        let delta = match event {
            CallEvent::Begin { index: call, name, id } => {
                self.answers[index].open_call = Some(call);
                let id = id.unwrap_or_else(|| ids::fresh("call_"));
                piece(call, Some(id), Some("function"), Some(name), String::new())
            }
            CallEvent::Arguments { index, text } => piece(index, None, None, None, text),
            CallEvent::End { .. } => {
                self.answers[index].calls += 1;
                self.answers[index].open_call = None;
                return Vec::new();
            }
            CallEvent::Broken { index, text } => {
                Delta { content: Some(text), broken_call: Some(index), ..Delta::default() }
            }
            _ => return Vec::new(),
        };
        vec![self.piece(index, delta, &[])]
    }

    fn last(&mut self, index: usize, done: &Done, tokens: &[TokenInfo]) -> Chunk {
        // A whole answer leaves out a call that a limit has cut off.
        let delta = Delta { broken_call: self.answers[index].open_call, ..Delta::default() };
        let mut last = self.piece(index, delta, tokens);
        for choice in &mut last.choices {
            choice.finish_reason = Some(match finish_reason(&done.finish_reason) {
                "stop" if self.answers[index].calls > 0 => "tool_calls",
                reason => reason,
            });
        }
        last.timings = Some(Timings::from(done));
        self.answers[index].usage = Some(done.usage);
        last
    }
}

impl exchange::Renderer for Renderer {
    type Piece = Chunk;
    type Whole = ChatCompletion;

    const WIRE: Wire = WIRE;

    fn open(&mut self) -> Vec<Chunk> {
        let delta =
            || Delta { role: Some("assistant"), content: Some(String::new()), ..Delta::default() };
        (0..self.answers.len()).map(|index| self.piece(index, delta(), &[])).collect()
    }

    fn event(&mut self, index: usize, event: Event) -> Result<Vec<Chunk>, ApiError> {
        let tokens = self.answers[index].waiting.push(&event);
        Ok(match event {
            Event::Text(text) => {
                let delta = Delta { content: Some(text), ..Delta::default() };
                vec![self.piece(index, delta, &tokens)]
            }
            Event::Reasoning(text) => {
                let delta = Delta { reasoning_content: Some(text), ..Delta::default() };
                vec![self.piece(index, delta, &[])]
            }
            Event::Call(event) => self.call(index, event),
            Event::Done(done) => vec![self.last(index, &done, &tokens)],
            _ => Vec::new(),
        })
    }

    fn close(&mut self) -> Vec<Chunk> {
        if !self.wants_usage {
            return Vec::new();
        }
        let mut last = self.chunk(Vec::new());
        last.usage = Some(Some(Usage::of(self.answers.iter().filter_map(|it| it.usage.as_ref()))));
        vec![last]
    }

    fn empty(&self) -> ChatCompletion {
        let choice = |index| Choice {
            index,
            message: chat::Answer {
                role: "assistant",
                content: Some(String::new()),
                reasoning_content: None,
                refusal: None,
                tool_calls: Vec::new(),
            },
            logprobs: self.wants_logprobs.then(Logprobs::default),
            finish_reason: None,
        };
        ChatCompletion {
            id: self.label.id.clone(),
            object: "chat.completion",
            created: self.label.created,
            model: self.label.model.clone(),
            system_fingerprint: FINGERPRINT,
            choices: (0..self.answers.len()).map(choice).collect(),
            usage: Usage::default(),
            timings: None,
        }
    }

    fn fold(whole: &mut ChatCompletion, piece: Chunk) {
        for choice in piece.choices {
            // The body has the timings of the first answer.
            if choice.index == 0 && piece.timings.is_some() {
                whole.timings.clone_from(&piece.timings);
            }
            whole.choices[choice.index].add(choice);
        }
        if let Some(Some(usage)) = piece.usage {
            whole.usage = usage;
        }
    }
}

impl Choice {
    fn add(&mut self, piece: ChunkChoice) {
        let Delta { content, reasoning_content, tool_calls, broken_call, .. } = piece.delta;
        let message = &mut self.message;
        if let Some(text) = content.filter(|text| !text.is_empty()) {
            message.content.get_or_insert_default().push_str(&text);
        }
        message.tool_calls.retain(|call| Some(call.index) != broken_call);
        for call in tool_calls {
            message.add_call(call);
        }
        if let Some(text) = reasoning_content.filter(|text| !text.is_empty()) {
            self.message.reasoning_content.get_or_insert_default().push_str(&text);
        }
        if let Some(logprobs) = piece.logprobs {
            self.logprobs.get_or_insert_default().content.extend(logprobs.content);
        }
        self.finish_reason = self.finish_reason.or(piece.finish_reason);
    }
}

impl chat::Answer {
    fn add_call(&mut self, piece: CallDelta) {
        let CallDelta { index, id, function, .. } = piece;
        if let Some(id) = id {
            if self.content.as_deref() == Some("") {
                self.content = None;
            }
            self.tool_calls.push(ToolCall { id, kind: "function", function, index });
        } else if let Some(call) = self.tool_calls.last_mut() {
            call.function.arguments.push_str(&function.arguments);
        }
    }
}

/// Returns the log-probabilities of tokens.
fn logprobs(tokens: &[TokenInfo], engine: &Engine) -> Logprobs {
    let tokenizer = engine.tokenizer();
    let one = |token: &TokenInfo| {
        let top = token.top.iter().map(|&(id, logprob)| {
            let (token, bytes) = token_text(tokenizer, id);
            TopLogprob { token, logprob: finite(logprob), bytes }
        });
        let top_logprobs = top.collect();
        let (text, bytes) = token_text(tokenizer, token.id);
        TokenLogprob { token: text, logprob: finite(token.logprob), bytes, top_logprobs }
    };
    Logprobs { content: tokens.iter().map(one).collect(), refusal: None }
}
