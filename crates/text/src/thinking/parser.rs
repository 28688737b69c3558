//! Splits what a model writes into reasoning and answer.
//!
//! Invariant: the result does not depend on how the text is cut into pieces.

use super::Marks;

/// Marks of the harmony format.
pub(super) const CHANNEL: &str = "<|channel|>";
pub(super) const MESSAGE: &str = "<|message|>";
const CALL: &str = "<|call|>";
const ENDS: [&str; 4] = ["<|end|>", "<|return|>", CALL, "<|start|>"];

/// A piece of what the model wrote, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Thoughts, without the marks around them.
    Reasoning(String),
    /// The answer.
    Answer(String),
}

/// Splits text into reasoning and answer, piece by piece.
#[derive(Clone, Debug)]
pub struct ReasoningParser {
    marks: Marks,
    state: State,
    /// Text whose meaning depends on what comes next.
    held: String,
    /// `true` once the current part has begun: spaces at its beginning are dropped.
    begun: bool,
    /// `true` if messages to a function are part of the answer, with their marks.
    keeps_calls: bool,
    /// `true` inside such a message.
    in_call: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before any text: an opening tag may follow. The prompt leaves it to the model to think, or has closed the
    /// thoughts already.
    Start {
        may_think: bool,
    },
    /// Between two messages of the channel format.
    Header,
    Reasoning,
    Answer,
}

impl ReasoningParser {
    /// A parser for what follows `prompt`, which may itself end with an opening tag.
    pub(super) fn new(marks: Marks, prompt: &str) -> Self {
        let state = match marks {
            Marks::Channels => State::Header,
            Marks::Tags { open, .. } if prompt.trim_end().ends_with(open) => State::Reasoning,
            Marks::Tags { close, .. } => {
                State::Start { may_think: !prompt.trim_end().ends_with(close) }
            }
        };
        Self { marks, state, held: String::new(), begun: false, keeps_calls: false, in_call: false }
    }

    /// A parser for what continues the answer `begun`, whose thoughts may not have ended.
    pub(super) fn within(marks: Marks, begun: &str) -> Self {
        let state = match marks {
            Marks::Tags { open, close } if begun.rfind(open) > begun.rfind(close) => {
                State::Reasoning
            }
            Marks::Tags { .. } | Marks::Channels => State::Answer,
        };
        Self { marks, state, held: String::new(), begun: true, keeps_calls: false, in_call: false }
    }

    /// Lets tool calls be a part of the answer, with their marks, for a [`ToolParser`](crate::tools::ToolParser).
    #[must_use]
    pub fn with_calls(mut self) -> Self {
        self.keeps_calls = true;
        self
    }

    /// Returns `true` if the marks are special tokens, which a detokenizer has to keep.
    pub fn needs_special_tokens(&self) -> bool {
        self.marks == Marks::Channels
    }

    /// Returns `true` if what comes next is not part of the answer.
    pub fn is_before_answer(&self) -> bool {
        matches!(self.state, State::Reasoning | State::Header)
    }

    /// Returns the mark that the model may open its reasoning with here: before any text, unless the prompt has closed
    /// the reasoning already.
    pub fn opening(&self) -> Option<&'static str> {
        match (self.state, self.marks) {
            (State::Start { may_think: true }, Marks::Tags { open, .. }) => {
                self.held.is_empty().then_some(open)
            }
            _ => None,
        }
    }

    /// Takes the next piece and returns what is certain by now.
    pub fn push(&mut self, piece: &str) -> Vec<Written> {
        self.held.push_str(piece);
        let mut out = Vec::new();
        while self.step(&mut out) {}
        out
    }

    /// Returns the rest, at the end of the text.
    pub fn finish(&mut self) -> Vec<Written> {
        let rest = std::mem::take(&mut self.held);
        let mut out = Vec::new();
        match self.state {
            // The text ended inside a header, which is not part of the answer.
            State::Header => {}
            State::Reasoning => self.emit(rest.trim_end(), &mut out),
            State::Start { .. } | State::Answer => self.emit(&rest, &mut out),
        }
        out
    }

    /// Interprets the held text. Returns `true` if that may be possible again.
    fn step(&mut self, out: &mut Vec<Written>) -> bool {
        match (self.state, self.marks) {
            (State::Start { .. }, Marks::Tags { open, .. }) => {
                let text = self.held.trim_start();
                if let Some(rest) = text.strip_prefix(open) {
                    self.held = rest.to_owned();
                    self.enter(State::Reasoning);
                    return true;
                }
                let undecided = open.starts_with(text);
                if !undecided {
                    self.state = State::Answer;
                    // There was no reasoning, so leading spaces belong to the answer.
                    self.begun = true;
                }
                !undecided
            }
            (State::Header, _) => {
                let Some(at) = self.held.find(MESSAGE) else { return false };
                let header = &self.held[..at];
                let channel = header.rsplit(CHANNEL).next().unwrap_or_default();
                let is_final = !header.contains(CHANNEL) || channel.trim().starts_with("final");
                if let Some(name) = recipient(header).filter(|_| self.keeps_calls) {
                    let header = format!("{CHANNEL}commentary to={name}{MESSAGE}");
                    self.held.drain(..at + MESSAGE.len());
                    self.enter(State::Answer);
                    self.in_call = true;
                    self.emit(&header, out);
                    return true;
                }
                self.held.drain(..at + MESSAGE.len());
                self.enter(if is_final { State::Answer } else { State::Reasoning });
                true
            }
            (State::Reasoning, Marks::Tags { close, .. }) => {
                self.pass_until(&[close], State::Answer, out)
            }
            (State::Reasoning | State::Answer, Marks::Channels) => {
                self.pass_until(&ENDS, State::Header, out)
            }
            (State::Start { .. } | State::Answer, _) => {
                let text = std::mem::take(&mut self.held);
                self.emit(&text, out);
                false
            }
        }
    }

    /// Emits the text before the first of the marks and enters the next state there. Returns `false` if
    /// there is no mark yet.
    fn pass_until(&mut self, marks: &[&str], next: State, out: &mut Vec<Written>) -> bool {
        let found = marks.iter().filter_map(|mark| Some((self.held.find(mark)?, mark.len()))).min();
        let trims = self.state == State::Reasoning;
        if let Some((at, length)) = found {
            let text = self.held[..at].to_owned();
            self.emit(if trims { text.trim_end() } else { &text }, out);
            self.held.drain(..at + length);
            if std::mem::take(&mut self.in_call) {
                self.emit(CALL, out);
            }
            self.enter(next);
            return true;
        }
        let longest = marks.iter().map(|mark| partial(&self.held, mark)).max().unwrap_or(0);
        let mut end = self.held.len() - longest;
        if trims {
            // Spaces at the end of the reasoning are dropped, and these may be the end.
            end = self.held[..end].trim_end().len();
        }
        let text: String = self.held.drain(..end).collect();
        self.emit(&text, out);
        false
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.begun = false;
    }

    fn emit(&mut self, text: &str, out: &mut Vec<Written>) {
        let text = if self.begun { text } else { text.trim_start() };
        if text.is_empty() {
            return;
        }
        self.begun = true;
        out.push(match self.state {
            State::Reasoning => Written::Reasoning(text.to_owned()),
            _ => Written::Answer(text.to_owned()),
        });
    }
}

/// Returns the recipient of a message, if its header names one.
fn recipient(header: &str) -> Option<&str> {
    let (_, rest) = header.split_once("to=")?;
    let end = rest.find(|char: char| char.is_whitespace() || char == '<');
    Some(&rest[..end.unwrap_or(rest.len())])
}

/// Returns the length of the longest incomplete beginning of `mark` at the end of `text`.
fn partial(text: &str, mark: &str) -> usize {
    (1..mark.len())
        .rev()
        .find(|&length| mark.is_char_boundary(length) && text.ends_with(&mark[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
