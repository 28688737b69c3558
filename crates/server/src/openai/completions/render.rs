//! Continued texts, in OpenAI's words.

use std::sync::Arc;

use mlxk_engine::{Done, Engine, Event, PromptInput, TokenInfo, Usage as Tokenized};

use super::echo::{Echo, of_tokens};
use crate::error::ApiError;
use crate::exchange::{self, Label, Tokens, Wire};
use crate::openai::common::{FINGERPRINT, WIRE, finish_reason};
use crate::openai::dto::completions::{Choice, Completion, Logprobs};
use crate::openai::dto::shared::{Timings, Usage};

/// Renders the answers to several prompts.
pub(super) struct Renderer {
    label: Label,
    /// The engine, whose tokenizer has the text of tokens. There is none if another host answers.
    engine: Option<Arc<Engine>>,
    wanted: Wanted,
    /// One for each prompt.
    echoes: Vec<Echo>,
    answers: Vec<Answer>,
}

/// Parts of an answer that a client can choose.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Number of answers to each prompt.
    pub(super) count: usize,
    pub(super) logprobs: bool,
    /// `true` if the last piece has the number of tokens.
    pub(super) usage: bool,
}

/// State of one of the answers.
#[derive(Clone, Default)]
struct Answer {
    waiting: Tokens,
    /// Characters of the text so far, as far as tokens have come with it.
    offset: usize,
    usage: Option<Tokenized>,
}

impl Renderer {
    pub(super) fn new(
        label: Label,
        engine: Option<Arc<Engine>>,
        wanted: Wanted,
        echoes: Vec<Echo>,
    ) -> Self {
        let answers = vec![Answer::default(); wanted.count * echoes.len()];
        Self { label, engine, wanted, echoes, answers }
    }

    /// Returns a body that has the prompts alone, without a token of an answer.
    pub(super) fn without_answers(
        mut self,
        prompts: &[PromptInput],
        engine: &Engine,
    ) -> Result<Completion, ApiError> {
        use exchange::Renderer as _;
        let mut whole = self.empty();
        self.open().into_iter().for_each(|piece| Self::fold(&mut whole, piece));
        for choice in &mut whole.choices {
            choice.finish_reason = Some("length");
        }
        let mut usage = Usage::default();
        for prompt in prompts {
            usage.prompt_tokens += engine.encode(prompt)?.len();
        }
        usage.total_tokens = usage.prompt_tokens;
        whole.usage = Some(Some(usage));
        Ok(whole)
    }

    fn body(&self, choices: Vec<Choice>) -> Completion {
        Completion {
            id: self.label.id.clone(),
            object: "text_completion",
            created: self.label.created,
            model: self.label.model.clone(),
            system_fingerprint: FINGERPRINT,
            choices,
            usage: self.wanted.usage.then_some(None),
            timings: None,
        }
    }

    fn piece(&mut self, index: usize, text: String, tokens: &[TokenInfo]) -> Completion {
        let offset = &mut self.answers[index].offset;
        let engine = self.engine.as_ref().filter(|_| self.wanted.logprobs && !tokens.is_empty());
        let logprobs = engine.map(|engine| of_tokens(tokens, engine.tokenizer(), offset));
        self.body(vec![Choice { index, text, logprobs, finish_reason: None }])
    }

    fn last(&mut self, index: usize, done: &Done, tokens: &[TokenInfo]) -> Completion {
        let mut last = self.piece(index, String::new(), tokens);
        for choice in &mut last.choices {
            choice.finish_reason = Some(finish_reason(&done.finish_reason));
        }
        last.timings = Some(Timings::from(done));
        self.answers[index].usage = Some(done.usage);
        last
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for answers in self.answers.chunks(self.wanted.count) {
            usage.add(&Usage::of(answers.iter().filter_map(|answer| answer.usage.as_ref())));
        }
        usage
    }
}

impl exchange::Renderer for Renderer {
    type Piece = Completion;
    type Whole = Completion;

    const WIRE: Wire = WIRE;

    fn open(&mut self) -> Vec<Completion> {
        let count = self.answers.len();
        let piece = |index: usize| {
            let Echo { text, logprobs } = self.echoes[index / self.wanted.count].clone();
            self.answers[index].offset = text.chars().count();
            self.body(vec![Choice { index, text, logprobs, finish_reason: None }])
        };
        (0..count).map(piece).collect()
    }

    fn event(&mut self, index: usize, event: Event) -> Result<Vec<Completion>, ApiError> {
        let tokens = self.answers[index].waiting.push(&event);
        Ok(match event {
            Event::Text(text) => vec![self.piece(index, text, &tokens)],
            Event::Done(done) => vec![self.last(index, &done, &tokens)],
            _ => Vec::new(),
        })
    }

    fn close(&mut self) -> Vec<Completion> {
        if !self.wanted.usage {
            return Vec::new();
        }
        let mut last = self.body(Vec::new());
        last.usage = Some(Some(self.usage()));
        vec![last]
    }

    fn empty(&self) -> Completion {
        let logprobs = || self.wanted.logprobs.then(Logprobs::default);
        let choice = |index| Choice {
            index,
            text: String::new(),
            logprobs: logprobs(),
            finish_reason: None,
        };
        self.body((0..self.answers.len()).map(choice).collect())
    }

    fn fold(whole: &mut Completion, piece: Completion) {
        for choice in piece.choices {
            // The body has the timings of the first answer.
            if choice.index == 0 && piece.timings.is_some() {
                whole.timings.clone_from(&piece.timings);
            }
            whole.choices[choice.index].add(choice);
        }
        if let Some(Some(usage)) = piece.usage {
            whole.usage = Some(Some(usage));
        }
    }
}

impl Choice {
    fn add(&mut self, piece: Self) {
        self.text.push_str(&piece.text);
        if let Some(logprobs) = piece.logprobs {
            self.logprobs.get_or_insert_default().extend(logprobs);
        }
        self.finish_reason = self.finish_reason.or(piece.finish_reason);
    }
}
